package simtest

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// withdrawTakes is how long a balancer takes to end.
const withdrawTakes = 100 * time.Millisecond

// withdraw leaves a host's balancer as it is to be once the host has left.
func (a *agent) withdraw(policy string) {
	a.sim.say(a.host.id, "leaves the fleet (%s)", policy)
	if a.driver != nil {
		a.driver.waking++ // nobody drives it any more
	}
	a.sim.after(withdrawTakes, func() {
		if a.dead {
			return
		}
		if h := a.host.haproxy; h != nil && policy == fleet.LeaveStop && h.current != nil {
			a.sim.checker.ending(h)
			h.end()
		}
		a.step(brain.Withdrawn{})
	})
}

// leave ends an agent whose host has left, and the hub knows. It writes down what it
// can, as it does at every end.
func (a *agent) leave() {
	if raw, err := json.Marshal(a.brain.Cache()); err == nil && !a.host.full {
		a.host.disk = raw
	}
	presence := a.brain.Presence(fleet.PresenceLeft)
	a.send(wire.LeafPresence, 0, &presence)
	a.sim.say(a.host.id, "its agent ends: the host has left the fleet")
	a.die()
}

// hasLeft: an agent that starts there says so, and ends.
func (h *host) hasLeft() bool {
	var cache brain.Cache
	if len(h.disk) == 0 || json.Unmarshal(h.disk, &cache) != nil {
		return false
	}
	_, confirmed := cache.Left()
	return confirmed
}

// Rejoin lets a host that has left the fleet join it again.
func (s *Sim) Rejoin(id string) {
	h := s.hosts[id]
	if h.off {
		return
	}
	s.hub.take(fleet.Command{ID: s.nextOrder(), Do: fleet.DoHostJoin, Host: id}, func(r turn.Reply) {
		if r.Err != nil || h.off {
			return
		}
		var cache brain.Cache
		if len(h.disk) > 0 && json.Unmarshal(h.disk, &cache) == nil {
			if left, _ := cache.Left(); left == id {
				s.CrashAgent(id)
				cache.Rejoin()
				h.disk, _ = json.Marshal(&cache) // it was read from there
				s.checker.rejoined(id)
			}
		}
		s.say(id, "joins again")
		s.StartAgent(id)
	})
}

// rejoined: a host's agent has forgotten what it was told before it left.
func (k *checker) rejoined(host string) {
	if delete(k.accepted, host); k.restored > 0 { // nor may the hub know what it had
		k.knowsNothing(host)
	}
	for _, end := range k.ended {
		end.lostByAgent = end.lostByAgent || end.host == host
	}
}

// knowsNothing: a host's agent can't tell a restored hub what it had.
func (k *checker) knowsNothing(host string) {
	k.diskLost(host)
	for id := range k.sim.hub.store.rows["instances"] {
		if in := k.stored(id); in != nil && in.Host == host {
			delete(k.told, id)
		}
	}
}

// isOut: the hub doesn't know a host any more.
func (k *checker) isOut(host string) bool {
	_, known := k.hosts[host]
	return !known
}

// rejoin lets all hosts join again that have left.
func (c *chaos) rejoin() {
	for _, id := range c.names {
		if _, left := c.hub.store.rows["left"][id]; left || c.hosts[id].hasLeft() {
			c.Rejoin(id)
		}
	}
}

// remove takes a host out at random. A dead one is forgotten by force; mostly it
// joins again later.
func (c *chaos) remove(h *host) {
	d := c.chance("leaving")
	order := fleet.Command{Do: fleet.DoHostRemove, Host: h.id, Policy: []string{fleet.LeaveStop, fleet.LeaveKeep}[d.IntN(2)]}
	order.Force = d.IntN(2) == 0 && (h.agent == nil || !h.hearsHub())
	order.DataLost, order.Unserved = d.IntN(3) == 0, d.IntN(2) == 0
	c.order(order)
	c.later(func() {
		if d.IntN(3) == 0 {
			c.send(fleet.Command{Do: fleet.DoHostActivate, Host: h.id})
		}
		if c.checker.isOut(h.id) {
			c.Rejoin(h.id)
		}
	})
}

// ending looks at a balancer that is ended because its host leaves: it serves nobody.
func (k *checker) ending(h *haproxy) {
	for _, s := range k.servers() {
		if s.worker.haproxy == h && (s.takes() || s.open > 0) {
			k.sim.violate("the balancer on %s is ended while it sends to %s", h.host.id, s.Instance)
		}
	}
}

// hostRow looks at a host's record.
func (k *checker) hostRow(row turn.Row, events []fleet.Event) {
	h := read[turn.Host](k, row)
	if h == nil {
		k.out(row.Key, events)
		return
	}
	before := k.hosts[h.ID]
	k.hosts[h.ID] = *h
	if l := h.Leaving; l != nil && l.Force {
		k.writtenOff(h.ID)
	}
	if b := before.Leaving; b != nil && b.Told != 0 && (h.Leaving == nil || h.Leaving.Told != b.Told) {
		k.sim.violate("%s was told to leave, and is to stay", h.ID)
	}
}

// writtenOff: a person said that a host is dead, so nobody waits for its balancer.
func (k *checker) writtenOff(host string) {
	for instance := range k.instances {
		k.excuse(instance, host)
	}
}

// out looks at a host that is forgotten: by an order, and with nothing left behind.
func (k *checker) out(host string, events []fleet.Event) {
	left := read[turn.Left](k, turn.Row{Table: "left", Key: host, Value: k.sim.hub.store.rows["left"][host]})
	if left != nil && left.Force { // in the turn in which it was ordered, maybe
		k.writtenOff(host)
	}
	delete(k.hosts, host)
	if !slices.ContainsFunc(events, func(e fleet.Event) bool { return e.Type == fleet.EventHostRemoved && e.Data.Host == host }) {
		k.sim.violate("%s is forgotten, and nobody asked for it", host)
		return
	}
	for slot, home := range k.homes {
		if home == host {
			delete(k.homes, slot)
		}
	}
}

// leftBehind looks at an instance whose record goes: it was stopped, or no balancer
// sends to it. While its host leaves and keeps it, its container goes on.
func (k *checker) leftBehind(in turn.Instance) {
	h, known := k.hosts[in.Host]
	if !known || h.Leaving != nil && h.Leaving.DataLost { // its host may not have heard of that yet
		k.givenUp[in.ID] = true
	}
	if in.Goal != fleet.GoalDrain || !known || h.Leaving == nil || h.Leaving.Force || k.restored > 0 {
		return
	}
	if h.Leaving.Policy != fleet.LeaveKeep {
		k.sim.violate("%s is forgotten, and isn't stopped", &in)
	}
	for id, balancer := range k.sim.hosts { // it may be let go in the turn in which the record goes
		if balancer.unreachable() >= aloneFor {
			k.excuse(in.ID, id)
		}
	}
	k.stopping(in.ID)
}

// remains looks whether what a host that has left had is all forgotten.
func (k *checker) remains() {
	for _, in := range k.instances {
		if k.isOut(in.Host) && in.Goal != "" {
			k.sim.violate("%s is known, and its host isn't", &in)
		}
	}
	for key := range k.sim.hub.store.rows["balancers"] {
		var balancer fleet.BalancerKey
		if balancer.UnmarshalText([]byte(key)) == nil && k.isOut(balancer.Host) {
			k.sim.violate("the balancer %s is known, and its host isn't", key)
		}
	}
}
