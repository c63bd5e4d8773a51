package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/cache"
	"github.com/musterhq/muster/shared/fleet"
)

// retireTime is how long a balancer has to end by itself, when its host leaves. None
// of its pools is left then, and no connection of theirs.
const retireTime = 10 * time.Second

// errLeft is what an agent says that is started on a host which has left the fleet.
// It touches nothing.
func errLeft(host string) error {
	return fleet.Conflict("host", "this host (%s) has left the fleet", host).
		WithHint("join again to come back to it; else take the agent off this machine")
}

// hasLeft ends what an agent on this host would begin, once it has left the fleet
// and the hub knows.
func hasLeft(kept *brain.Cache, options *Options) error {
	if options.AdoptLineage != "" && options.AdoptLineage != kept.Lineage {
		return nil
	}
	if host, confirmed := kept.Left(); host != options.Host || !confirmed {
		return nil
	}
	return errors.Join(errLeft(options.Host), options.left())
}

// left tells whoever put the agent here that the host is out of the fleet.
func (o *Options) left() error {
	if o.Left == nil {
		return nil
	}
	if err := o.Left(); err != nil {
		return fmt.Errorf("drop what let this host into the fleet: %w", err)
	}
	return nil
}

// rejoin has a host that has left the fleet forget that: it has joined anew. Its
// containers stay as they are.
func rejoin(store *cache.Cache) error {
	kept, err := store.Load()
	if err != nil {
		return err
	}
	if host, _ := kept.Left(); host == "" {
		return nil
	}
	kept.Rejoin()
	encoded, err := store.Encode(&kept)
	if err != nil {
		return err
	}
	return store.Write(encoded)
}

// driven is a balancer that runs.
type driven struct {
	balancer loadBalancer
	end      context.CancelFunc
	ended    chan struct{} // closed when nothing drives it any more
}

// withdraw leaves the balancers of a host as they are to be once it has left: those
// of one that stops end, the others go on as they are.
func (p *parts) withdraw(ctx context.Context, policy string) {
	for _, d := range p.driven {
		d.end()
		<-d.ended
		if policy != fleet.LeaveStop {
			continue
		}
		if err := d.balancer.Retire(ctx, retireTime); err != nil {
			p.logger.Warn("balancer not ended", "error", err)
		}
	}
}

// drive runs a balancer until ctx ends, or the host leaves.
func (p *parts) drive(ctx context.Context, b loadBalancer) func() error {
	ctx, end := context.WithCancel(ctx)
	d := &driven{balancer: b, end: end, ended: make(chan struct{})}
	p.driven = append(p.driven, d)
	return func() error {
		defer close(d.ended)
		defer end()
		return b.Run(ctx)
	}
}
