package turn

import (
	"fmt"
	"net"
	"slices"
	"sort"
	"strconv"
	"strings"
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
	if s.Hub.lasts(t.s.opts, t.now) && s.Agent.lasts(t.s.opts, t.now) {
		return true
	}
	if t.now.Sub(s.AskedAt) >= reachEvery {
		t.look(key, s)
	}
	return false
}

// staleAfter is the age at which the last look says nothing any more about
// now: three looks, of which one may get lost.
const staleAfter = 3 * reachEvery

// failed takes what one listener says to a look that was asked for at a time: one that
// answers is enough, whatever the others say. What is too old to follow from the look
// before begins anew.
func (u Unreached) failed(ok bool, now, asked time.Time) Unreached {
	switch {
	case ok:
		return Unreached{Answered: asked}
	case !asked.IsZero() && u.Answered.Equal(asked):
		return u
	case u.Since.IsZero() || now.Sub(u.Last) > staleAfter:
		return Unreached{Since: now, Last: now}
	}
	return Unreached{Since: u.Since, Last: now}
}

// lasts says whether looks have failed for long enough, up to now.
func (u Unreached) lasts(opts Options, now time.Time) bool {
	return !u.Since.IsZero() && u.Last.Sub(u.Since) >= opts.UnreachableAfter && now.Sub(u.Last) <= staleAfter
}

// looksAtOnce bounds the listeners of a balancer that one look tries.
const looksAtOnce = 8

// look has the hub and one other agent try to connect.
func (t *tx) look(key fleet.BalancerKey, s *Silence) {
	addresses := t.listenerAddresses(key)
	if len(addresses) == 0 {
		return
	}
	s.AskedAt = t.now
	s.AskID = "reach-" + strconv.FormatInt(t.now.UnixMilli(), 36) + "-" + strconv.Itoa(len(t.out.Reach))
	s.Witness, s.Looked = t.witnessOf(key.Host, s), false
	for i, address := range addresses {
		t.out.Reach = append(t.out.Reach, Reach{Balancer: key, Address: address})
		if s.Witness != "" {
			t.ask(s.Witness, fleet.Ask{ID: fmt.Sprintf("%s-%d", s.AskID, i), Do: fleet.AskCheck, TTL: fleet.Duration(reachEvery), Address: address})
		}
	}
}

// witnessOf is another host whose agent is heard: the one that looked last
// time, else the next by name. One that can't look isn't asked for ever.
func (t *tx) witnessOf(silent string, s *Silence) (first string) {
	for _, host := range t.hosts.keys(byText) {
		switch l := t.live.get(host); {
		case host == silent || l == nil || l.State != fleet.HostUp:
		case host > s.Witness || host == s.Witness && s.Looked:
			return host
		case first == "":
			first = host
		}
	}
	return first
}

// listenerAddresses has a listener of each form of each pool, the oldest first:
// a balancer whose agent is gone never heard of new ones, and one that answers
// is enough to know that it lives.
func (t *tx) listenerAddresses(key fleet.BalancerKey) (addresses []string) {
	b := t.balancers.get(key)
	if b == nil {
		return nil
	}
	var all []Listener
	for _, poolKey := range t.pools.keys(PoolKey.less) {
		if poolKey.Host == key.Host {
			all = append(all, t.pools.get(poolKey).listeners()...)
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Since < all[j].Since })
	for _, l := range all[:min(len(all), looksAtOnce)] {
		addresses = append(addresses, net.JoinHostPort(b.Facts.Address, strconv.Itoa(l.Port)))
	}
	return addresses
}

// listeners of a pool that was stored before they were kept: the one it has.
func (p *Published) listeners() []Listener {
	if len(p.Listeners) == 0 && len(p.Listen) > 0 {
		return []Listener{{Port: p.Listen[0], Since: p.Pool.Generation}}
	}
	return p.Listeners
}

// listenersSince are a pool's listeners once it listens on other ports. Those
// of before stay until all its balancers are known to have left them.
func (t *tx) listenersSince(key PoolKey, before *Published, listen []int) (out []Listener) {
	if before != nil {
		reported := t.poolIsReported(key, before)
		for _, l := range before.listeners() {
			if !reported || slices.Contains(before.Listen, l.Port) {
				out = append(out, l)
			}
		}
	}
	if len(listen) == 0 || slices.ContainsFunc(out, func(l Listener) bool { return slices.Contains(listen, l.Port) }) {
		return out
	}
	return append(out, Listener{Port: listen[0], Since: t.rev})
}

// poolIsReported: all balancers of a pool have reported it as it was last published.
func (t *tx) poolIsReported(key PoolKey, p *Published) bool {
	l := t.live.get(key.Host)
	return l != nil && !slices.ContainsFunc(p.Pool.Balancers, func(name string) bool {
		report := l.pools[name][key.Service]
		return report == nil || report.Generation < p.Pool.Generation
	})
}

func (t *tx) ask(host string, ask fleet.Ask) {
	if payload, err := wire.Seal(t.s.Lineage, t.epoch, t.rev, ask); err == nil {
		t.out.Publish = append(t.out.Publish, Publish{Topic: wire.Host(host, wire.LeafAsk), Payload: payload})
	}
}

// reached takes the hub's own look at a balancer.
func (t *tx) reached(key fleet.BalancerKey, ok bool) {
	if s := t.silences.edit(key); s != nil {
		s.Hub = s.Hub.failed(ok, t.now, s.AskedAt)
	}
}

// answer takes another agent's look at a balancer. Only who was asked is a
// witness, and only if it looked.
func (t *tx) answer(host string, a fleet.Answer) {
	for _, key := range t.silences.keys(fleet.BalancerKey.Less) {
		if s := t.silences.get(key); a.Looked && s.Witness == host && s.AskID != "" && strings.HasPrefix(a.ID, s.AskID+"-") {
			s = t.silences.edit(key)
			s.Agent, s.Looked = s.Agent.failed(a.OK, t.now, s.AskedAt), true
		}
	}
}
