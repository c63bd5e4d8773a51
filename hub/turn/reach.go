package turn

import (
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// reachEvery is the pause between two looks at a silent balancer.
const reachEvery = 5 * time.Second

// unreachable reports whether a balancer can be taken for dead: its agent is
// silent, and neither the hub nor another agent has been able to connect to
// its listeners for long enough. It asks for the next look when one is due.
func (t *tx) unreachable(key fleet.BalancerKey) bool {
	l := t.live.get(key.Host)
	if l == nil || l.State == fleet.HostUp || l.State == fleet.HostUnknown {
		if t.silences.get(key) != nil {
			t.silences.delete(key)
		}
		return false
	}
	s := t.silences.edit(key)
	if s == nil {
		s = &Silence{}
		t.silences.put(key, s)
	}
	long := func(since time.Time) bool {
		return !since.IsZero() && t.now.Sub(since) >= t.s.opts.UnreachableAfter
	}
	if long(s.HubSince) && long(s.AgentSince) {
		return true
	}
	if t.now.Sub(s.AskedAt) >= reachEvery {
		t.look(key, s)
	}
	return false
}

// look has the hub and one other agent try to connect.
func (t *tx) look(key fleet.BalancerKey, s *Silence) {
	address := t.listenerAddress(key)
	if address == "" {
		return
	}
	s.AskedAt = t.now
	s.AskID = fmt.Sprintf("reach-%s-%s-%d", key.Host, key.Name, t.now.UnixMilli())
	t.out.Reach = append(t.out.Reach, Reach{Balancer: key, Address: address})
	for _, host := range t.hosts.keys(byText) {
		if l := t.live.get(host); host != key.Host && l != nil && l.State == fleet.HostUp {
			t.ask(host, fleet.Ask{ID: s.AskID, Do: fleet.AskCheck, TTL: fleet.Duration(reachEvery), Address: address})
			return
		}
	}
}

func (t *tx) listenerAddress(key fleet.BalancerKey) string {
	b := t.balancers.get(key)
	if b == nil {
		return ""
	}
	for _, poolKey := range t.pools.keys(PoolKey.less) {
		if poolKey.Host != key.Host {
			continue
		}
		for _, r := range t.pools.get(poolKey).Pool.Routes {
			for _, port := range r.Listen {
				return net.JoinHostPort(b.Facts.Address, strconv.Itoa(port))
			}
		}
	}
	return ""
}

func (t *tx) ask(host string, ask fleet.Ask) {
	if payload, err := wire.Seal(t.s.Lineage, t.s.Epoch, t.rev, ask); err == nil {
		t.out.Publish = append(t.out.Publish, Publish{Topic: wire.Host(host, wire.LeafAsk), Payload: payload})
	}
}

// reached takes the hub's own look at a balancer.
func (t *tx) reached(key fleet.BalancerKey, ok bool) {
	if s := t.silences.edit(key); s != nil {
		s.HubSince = since(s.HubSince, ok, t.now)
	}
}

// answer takes another agent's look at a balancer. A question that couldn't
// be answered isn't a witness.
func (t *tx) answer(_ string, a fleet.Answer) {
	for _, key := range t.silences.keys(fleet.BalancerKey.Less) {
		if s := t.silences.get(key); s.AskID == a.ID {
			s = t.silences.edit(key)
			s.AgentSince = since(s.AgentSince, a.OK, t.now)
		}
	}
}

// since is the time of the first failure in a row.
func since(before time.Time, ok bool, now time.Time) time.Time {
	if ok {
		return time.Time{}
	}
	if before.IsZero() {
		return now
	}
	return before
}
