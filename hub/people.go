package hub

import (
	"fmt"
	"net"

	"github.com/musterhq/muster/hub/internal/api"
	"github.com/musterhq/muster/hub/internal/peers"
	"github.com/musterhq/muster/hub/internal/people"
	"github.com/musterhq/muster/hub/internal/store"
	"github.com/musterhq/muster/hub/policy"
	"github.com/musterhq/muster/shared/fleet"
)

// people are those of a store, before they are loaded.
func (o Options) people(stored *store.Store) *people.People {
	options := people.DefaultOptions()
	options.Store, options.StateDir, options.Session = lists{stored}, o.StateDir, o.Session
	options.Logger = o.Logger.With("part", "people")
	return people.New(options)
}

// door says who comes in by plain HTTP.
func (p *parts) door(o Options) api.Door {
	if o.InsecureListen {
		return api.Anyone
	}
	return p.api.Bearer(fleet.ViaHTTP)
}

// accounts are those who may come in over MQTT, for another broker's list.
func (p *parts) accounts() (list []policy.Account) {
	for _, a := range p.people.Accounts() {
		if !a.Disabled {
			list = append(list, policy.Account{Name: a.Name, Role: a.Role})
		}
	}
	return list
}

// listenSocket opens the API's socket. The usual one may be missing: then the hub
// does everything else.
func (o Options) listenSocket() (net.Listener, error) {
	if o.Socket == "" {
		return nil, nil
	}
	listener, err := peers.Listen(o.Socket)
	switch {
	case err == nil:
		o.Logger.Info("root and the group muster are served on this machine", "socket", o.Socket)
		return listener, nil
	case o.SocketWanted:
		return nil, fmt.Errorf("listen for people on this machine: %w", err)
	}
	o.Logger.Warn("there is no socket for people on this machine; name another path by --socket, or an empty one for none", "socket", o.Socket, "error", err)
	return nil, nil
}
