package fleetloop

import (
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// What the hub waits for after a commit.
const (
	WaitDesired   = "desired"   // a host's agent to accept its desired state
	WaitPool      = "pool"      // a host's agent to accept a pool
	WaitBalancer  = "balancer"  // a host's balancers to acknowledge a pool
	WaitConverged = "converged" // a service to be as it was ordered
)

// Wait is one that has ended.
type Wait struct {
	For  string
	Took time.Duration // from the commit
}

// waits follows what was published until it is acknowledged, and orders until
// their services have converged. It looks at what a turn changed and heard,
// and never at the whole fleet. Nothing is waited for from hosts that aren't
// up, and no wait counts in which the host was away. A start of the hub
// forgets all: what is published anew then was acknowledged before.
type waits struct {
	lineage string
	desired map[string]pending // by host
	pools   map[string]map[fleet.ServiceKey]pending
	forced  map[string]map[fleet.ServiceKey]pending
	orders  map[fleet.ServiceKey]time.Time
}

// pending is a generation that isn't acknowledged yet, and the newest after it.
type pending struct {
	first, last     uint64
	firstAt, lastAt time.Time
}

func newWaits(lineage string) *waits {
	return &waits{
		lineage: lineage, desired: map[string]pending{}, pools: map[string]map[fleet.ServiceKey]pending{},
		forced: map[string]map[fleet.ServiceKey]pending{}, orders: map[fleet.ServiceKey]time.Time{},
	}
}

// begun takes note of what a delta, once folded in, has waited for.
func (w *waits) begun(s *turn.State, delta *turn.Delta, now time.Time) (ended []Wait) {
	for id, h := range delta.ChangedHosts() {
		switch _, up := s.Up(id); {
		case h == nil:
			delete(w.desired, id)
			delete(w.pools, id)
			delete(w.forced, id)
		case up && h.Desired == delta.Revision:
			w.desired[id] = w.desired[id].then(h.Desired, now)
		}
	}
	for key, p := range delta.ChangedPools() {
		switch _, up := s.Up(key.Host); {
		case p == nil:
			drop(w.pools, key)
			drop(w.forced, key)
		case up && p.Pool.Generation == delta.Revision:
			await(w.pools, key, p.Pool.Generation, now)
			await(w.forced, key, p.Pool.Generation, now)
		}
	}
	for key, service := range delta.ChangedServices() {
		if service == nil || service.Removing {
			delete(w.orders, key)
			continue
		}
		if _, waits := w.orders[key]; !waits && service.Generation == delta.Revision {
			w.orders[key] = now
		}
		if since, waits := w.orders[key]; waits && service.Converged == service.Generation {
			delete(w.orders, key)
			ended = append(ended, Wait{For: WaitConverged, Took: now.Sub(since)})
		}
	}
	return ended
}

// heard ends the waits that a message answers. Before a fold or after: what it
// needs of the state is whether the host was away.
func (w *waits) heard(s *turn.State, in turn.Input, now time.Time) (ended []Wait) {
	switch in := in.(type) {
	case turn.PresenceIn:
		o := in.Presence.Observed
		if o.Lineage != w.lineage {
			return nil
		}
		if p, waits := w.desired[in.Host]; waits {
			left, took := p.answered(s, in.Host, o.Generation, now)
			if took >= 0 {
				ended = append(ended, Wait{For: WaitDesired, Took: took})
			}
			if left.last == 0 {
				delete(w.desired, in.Host)
			} else {
				w.desired[in.Host] = left
			}
		}
		return append(ended, settle(w.pools, s, in.Host, WaitPool, now, func(key fleet.ServiceKey) uint64 { return in.Presence.Pools[key] })...)
	case turn.ActualIn:
		if in.Actual.Observed.Lineage == w.lineage {
			return settle(w.forced, s, in.Host, WaitBalancer, now, func(key fleet.ServiceKey) uint64 { return inForce(&in.Actual, key) })
		}
	}
	return nil
}

// inForce is the generation that every balancer of a host that has the pool
// acknowledges.
func inForce(a *fleet.Actual, key fleet.ServiceKey) (least uint64) {
	for _, b := range a.Balancers {
		for i := range b.Pools {
			if g := b.Pools[i].Generation; b.Pools[i].Service == key && (least == 0 || g < least) {
				least = g
			}
		}
	}
	return least
}

func await(all map[string]map[fleet.ServiceKey]pending, key turn.PoolKey, generation uint64, now time.Time) {
	if all[key.Host] == nil {
		all[key.Host] = map[fleet.ServiceKey]pending{}
	}
	all[key.Host][key.Service] = all[key.Host][key.Service].then(generation, now)
}

func drop(all map[string]map[fleet.ServiceKey]pending, key turn.PoolKey) {
	delete(all[key.Host], key.Service)
	if len(all[key.Host]) == 0 {
		delete(all, key.Host)
	}
}

func settle(all map[string]map[fleet.ServiceKey]pending, s *turn.State, host, what string, now time.Time, seen func(fleet.ServiceKey) uint64) (ended []Wait) {
	for key, p := range all[host] {
		left, took := p.answered(s, host, seen(key), now)
		if took >= 0 {
			ended = append(ended, Wait{For: what, Took: took})
		}
		if left.last == 0 {
			drop(all, turn.PoolKey{Host: host, Service: key})
		} else {
			all[host][key] = left
		}
	}
	return ended
}

// then is the wait after another generation was published.
func (p pending) then(generation uint64, now time.Time) pending {
	if p.last == 0 {
		p.first, p.firstAt = generation, now
	}
	p.last, p.lastAt = generation, now
	return p
}

// answered is what is still waited for once a host has a generation; nothing:
// zero. Took is how long the oldest was waited for; negative: it still is, or
// the host was away meanwhile.
func (p pending) answered(s *turn.State, host string, generation uint64, now time.Time) (left pending, took time.Duration) {
	if generation < p.first {
		return p, -1
	}
	took = now.Sub(p.firstAt)
	if since, up := s.Up(host); !up || since.After(p.firstAt) {
		took = -1
	}
	if generation >= p.last {
		return pending{}, took
	}
	p.first, p.firstAt = p.last, p.lastAt
	return p, took
}
