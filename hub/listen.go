package hub

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// listeners are where a hub is reached; nil: nowhere.
type listeners struct {
	mqtts, https net.Listener
	mqtt, web    net.Listener // plain
	socket       net.Listener
	debug        net.Listener // nobody asked for it
}

// listen opens them all, or none. The options then name the address that the
// debug listener has.
func listen(o *Options) (l listeners, err error) {
	for _, door := range []struct {
		who, address string
		to           *net.Listener
	}{
		{"agents", o.MQTTS, &l.mqtts}, {"people", o.HTTPS, &l.https},
		{"agents without TLS", o.MQTT, &l.mqtt}, {"people without TLS", o.HTTP, &l.web},
	} {
		if door.address == "" {
			continue
		}
		if *door.to, err = net.Listen("tcp", door.address); err != nil {
			*door.to = nil
			return l, errors.Join(fmt.Errorf("listen for %s: %w", door.who, err), l.close())
		}
	}
	if l.socket, err = o.listenSocket(); err != nil {
		return l, errors.Join(err, l.close())
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
	for _, listener := range []net.Listener{l.mqtts, l.https, l.mqtt, l.web, l.socket, l.debug} {
		if listener != nil {
			errs = append(errs, listener.Close())
		}
	}
	return errors.Join(errs...)
}

// log names where the hub listens.
func (l listeners) log() (fields []any) {
	for _, door := range []struct {
		name string
		net.Listener
	}{{"mqtts", l.mqtts}, {"https", l.https}, {"mqtt", l.mqtt}, {"http", l.web}} {
		if door.Listener != nil {
			fields = append(fields, door.name, door.Addr().String())
		}
	}
	return fields
}

// port is where a listener listens; 0: nowhere.
func port(l net.Listener) int {
	if l == nil {
		return 0
	}
	_, text, _ := net.SplitHostPort(l.Addr().String())
	n, _ := strconv.Atoi(text)
	return n
}
