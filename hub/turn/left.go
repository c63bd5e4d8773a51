package turn

import (
	"fmt"
	"sort"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// Left is a host that was taken out of the fleet. Its machine isn't let in again by
// what it says: somebody has to let it in anew.
type Left struct {
	Host      string    `json:"host"`
	MachineID string    `json:"machineID"`
	At        time.Time `json:"at"`
	Revision  uint64    `json:"revision"`
	Policy    string    `json:"policy"`
	Force     bool      `json:"force,omitempty"`
	Cause     string    `json:"cause"`
	// Refused is the last agent's start that was told to be turned away.
	Refused string `json:"refused,omitempty"`
	// Held are its ports that may not be given again yet: a host that joins under its
	// id may have its address.
	Held map[int]HeldPort `json:"held,omitempty"`
	// Admitted: it was let in anew, and hasn't reported yet.
	Admitted bool `json:"admitted,omitempty"`
}

// hasLeft takes an agent's word that its host has left the fleet, as it was told.
func (t *tx) hasLeft(host string, p fleet.Presence) bool {
	h := t.hosts.get(host)
	switch {
	case h == nil: // of another life of this hub, or another hub: nobody waits for it here
		t.confirmLeft(host, p)
		return true
	case h.Leaving == nil || h.Leaving.Told == 0 || p.Observed.Lineage != t.s.Lineage || p.Observed.Generation < h.Leaving.Told:
		return false
	}
	t.forgetHost(h, "its agent has left")
	t.confirmLeft(host, p)
	return true
}

// confirmLeft tells an agent that its host is forgotten, and clears what it said.
func (t *tx) confirmLeft(host string, p fleet.Presence) {
	if payload, err := wire.Seal(t.s.Lineage, t.epoch, t.rev, fleet.Ack{Session: p.Session, Left: true}); err == nil {
		t.out.Publish = append(t.out.Publish, Publish{Topic: wire.Host(host, wire.LeafAck), Payload: payload})
	}
	t.clear(wire.Host(host, wire.LeafPresence))
}

// clear empties a retained topic.
func (t *tx) clear(topic string) {
	t.out.Publish = append(t.out.Publish, Publish{Topic: topic, Retain: true})
}

// forgetHost takes a host out of the fleet, with all that is known of it.
func (t *tx) forgetHost(h *Host, why string) {
	l, host := h.Leaving, h.ID
	for _, in := range t.residents(host) {
		t.event(fleet.EventInstanceGone, subjectInstance(in.ID), in.Cause, about(in, fmt.Sprintf("%s is forgotten with its host", in)))
		t.forget(in)
	}
	for _, key := range t.poolsOn(host) {
		t.leftPool(key, t.pools.get(key))
		t.pools.delete(key)
		t.dirtyPool[key.Service] = true
		t.clear(wire.Pool(host, key.Service))
	}
	for _, key := range t.balancers.keys(fleet.BalancerKey.Less) {
		if key.Host == host {
			t.balancers.delete(key)
			t.silences.delete(key)
		}
	}
	t.giveUpData(host)
	t.forgetOrdersOn(host)
	cause := t.event(fleet.EventHostRemoved, subjectHost(host), l.Cause, fleet.EventData{Message: fmt.Sprintf("%s is out of the fleet (%s): %s", host, l.Policy, why), Host: host})
	t.events[len(t.events)-1].Actor = l.Actor
	t.left.put(host, &Left{Host: host, MachineID: h.Facts.MachineID, At: t.now, Revision: t.rev, Policy: l.Policy, Force: l.Force, Cause: cause, Held: t.hosts.get(host).Held})
	t.fewLeft()
	t.hosts.delete(host)
	t.live.delete(host)
	delete(t.acks, host)
	t.crowd = nil
	for _, leaf := range []string{wire.LeafDesired, wire.LeafActual, wire.LeafPresence} {
		t.clear(wire.Host(host, leaf))
	}
	t.out.Gone = append(t.out.Gone, host)
	t.touchAll()
	t.namesOfAll()
}

// fewLeft forgets those that left first, where they are too many.
func (t *tx) fewLeft() {
	over := t.left.size() - t.s.opts.MaxLeft
	if over <= 0 {
		return
	}
	hosts := t.left.keys(byText)
	sort.SliceStable(hosts, func(i, j int) bool { return t.left.get(hosts[i]).Revision < t.left.get(hosts[j]).Revision })
	for _, host := range hosts[:over] {
		t.left.delete(host)
	}
}

// outside: what a host says doesn't count, because it has left the fleet. Another
// machine of its name may be a new one. Without a machine's id it is the former.
func (t *tx) outside(host, machine, agentStart, state string) bool {
	row := t.left.get(host)
	if row == nil || row.Admitted {
		return false
	}
	if machine != "" && machine != row.MachineID {
		t.left.edit(host).Admitted = true
		return false
	}
	if state != fleet.PresenceLeft && state != fleet.PresenceLost && row.Refused != agentStart {
		t.left.edit(host).Refused = agentStart
		t.event(fleet.EventHostRefused, subjectHost(host), row.Cause, fleet.EventData{
			Message: fmt.Sprintf("%s isn't listened to: it was taken out of the fleet on %s, and its agent still runs; end it, or let it join again", host, row.At.UTC().Format(time.DateTime)), Host: host,
		})
	}
	return true
}

// presenceOutside answers an agent that nobody listens to.
func (t *tx) presenceOutside(host string, p fleet.Presence) {
	if p.State == fleet.PresenceLeft {
		t.confirmLeft(host, p)
		return
	}
	t.clear(wire.Host(host, wire.LeafPresence))
}
