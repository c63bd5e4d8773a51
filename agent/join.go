package agent

import (
	"context"

	"github.com/musterhq/muster/agent/internal/cache"
	"github.com/musterhq/muster/agent/internal/identity"
)

// JoinOptions say which hub to join, and as whom.
type JoinOptions struct {
	Options        // StateDir, Host and Logger count
	Address string // of the hub's HTTPS, host or host:port
	Token   string
}

// Join makes this machine a host of a hub, and returns its id. No agent may run
// on the state directory meanwhile.
func Join(ctx context.Context, o JoinOptions) (host string, err error) {
	hub, err := identity.HubAddress(o.Address)
	if err != nil {
		return "", err
	}
	held, err := cache.Open(o.StateDir)
	if err != nil {
		return "", err
	}
	defer held.Close()
	who, err := identity.Join(ctx, identity.JoinOptions{
		Dir: o.StateDir, Hub: hub, Token: o.Token, Host: o.Host, Name: machineHostID(), Logger: o.Logger,
	})
	if err != nil {
		return "", err
	}
	return who.Host(), rejoin(held)
}
