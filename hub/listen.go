package hub

import (
	"errors"
	"fmt"
	"net"
)

// listeners are where a hub is reached.
type listeners struct {
	mqtt, web net.Listener
	debug     net.Listener // nil: nobody asked for it
}

// listen opens them all, or none. The options then name the address that the
// debug listener has.
func listen(o *Options) (l listeners, err error) {
	if l.mqtt, err = net.Listen("tcp", o.MQTT); err != nil {
		return l, fmt.Errorf("listen for agents: %w", err)
	}
	if l.web, err = net.Listen("tcp", o.HTTP); err != nil {
		return l, errors.Join(fmt.Errorf("listen for people: %w", err), l.close())
	}
	if l.debug, err = o.Debug.Listen(); err != nil {
		return l, errors.Join(err, l.close())
	}
	if l.debug != nil {
		o.Debug.Addr = l.debug.Addr().String()
	}
	return l, nil
}

func (l listeners) close() error {
	var errs []error
	for _, listener := range []net.Listener{l.mqtt, l.web, l.debug} {
		if listener != nil {
			errs = append(errs, listener.Close())
		}
	}
	return errors.Join(errs...)
}
