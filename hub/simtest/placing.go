package simtest

import (
	"slices"
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// placing is a person's order about where things run: a host is maintained, or what
// runs is spread anew.
func (c *chaos) placing() {
	d := c.chance("placing")
	id := c.names[d.IntN(len(c.names))]
	switch d.IntN(4) {
	case 0:
		rebalance := fleet.Command{Do: fleet.DoRebalance, DryRun: d.IntN(4) == 0}
		if d.IntN(2) == 0 {
			rebalance.Service = c.wishes[d.IntN(len(c.wishes))].Key
		}
		c.order(rebalance)
	case 1:
		c.order(fleet.Command{Do: fleet.DoHostMaintenance, Host: id, For: fleet.Duration(d.between(time.Second, time.Minute))})
	default:
		c.order(fleet.Command{Do: fleet.DoHostMaintenance, Host: id, Drain: d.IntN(3) == 0})
		c.later(func() { c.send(fleet.Command{Do: fleet.DoHostActivate, Host: id}) })
		if d.IntN(2) == 0 { // what it is for
			c.PowerOff(id)
			c.later(func() { c.PowerOn(id) })
		}
	}
}

// prefers has a service say more of where it wants to run.
func (c *chaos) prefers(w *wish) {
	d := c.chance("placing")
	if d.IntN(4) == 0 {
		w.Spread = []string{"zone"}
	}
	if d.IntN(6) == 0 {
		w.MostPerHost = 2
		w.Count = min(w.Count, 2*c.eligible(w))
	}
	if d.IntN(8) == 0 {
		w.Reschedule = fleet.RescheduleNever
	}
}

// sizes are those of a fleet's hosts: alike, or not.
func (c *chaos) sizes() []int {
	if c.chance("placing").IntN(3) == 0 {
		return []int{4, 2, 16}
	}
	return []int{4}
}

// comes looks at an instance that is new: something asked for it, and nothing comes
// to a host that is maintained.
func (k *checker) comes(in *turn.Instance) {
	if k.adopted[in.Cause] || in.Goal != fleet.GoalRun {
		return
	}
	if k.hosts[in.Host].Maintenance != nil {
		k.sim.violate("%s comes to a host in maintenance", in)
	}
	s, known := k.services[in.Service]
	if !known || s.Asked.Mode != fleet.ModeReplicated || s.Rollout != nil {
		return // what a rollout wants, and keeps, is looked at elsewhere
	}
	n, on := 0, 0
	for _, other := range k.instances {
		if other.Service != in.Service || other.Goal != fleet.GoalRun {
			continue
		}
		if k.toGo(&s, &other) {
			return
		}
		n++
		if other.Host == in.Host && !k.adopted[other.Cause] {
			on++
		}
	}
	if n > wanted(&s) {
		k.sim.violate("%s comes, though there are %d of %d and none is to be replaced", in, n, wanted(&s))
	}
	if most := s.Asked.MostPerHost; most > 0 && on > most && k.restored == 0 {
		k.sim.violate("%s comes, and then %s has %d, more than %d", in, in.Host, on, most)
	}
}

// moves looks at a service whose instances are to move: a person asked for that.
func (k *checker) moves(before, now *turn.Service, events []fleet.Event) {
	asked := func(e fleet.Event) bool {
		return e.Type == fleet.EventRebalanceBegun && e.Data.Service != nil && *e.Data.Service == now.Asked.Key
	}
	if before.Rebalance == nil && now.Rebalance != nil && !slices.ContainsFunc(events, asked) {
		k.sim.violate("%s is rebalanced, and nobody asked for it", now.Asked.Key)
	}
}

// toGo: somebody may come in an instance's place, by what was asked for.
func (k *checker) toGo(s *turn.Service, in *turn.Instance) bool {
	h := k.hosts[in.Host]
	moves := s.Rebalance != nil && slices.ContainsFunc(s.Rebalance.Moves, func(m turn.Moving) bool { return m.Instance == in.ID })
	return moves || in.Version != s.Version || in.Born < max(s.Restarted, s.RestartedOn[in.Host]) || stoppedOn(s, in.Host) ||
		h.Availability == fleet.AvailabilityDrain || h.Failed || !k.suits(s, in.Host)
}

// suits says whether a service's constraints allow a host, by its labels as they are.
func (k *checker) suits(s *turn.Service, host string) bool {
	h := k.hosts[host]
	for _, c := range s.Asked.Constraints {
		value := h.Facts.Labels[c.Label]
		if c.Label == fleet.LabelHostname {
			value = host
		}
		if (value == c.Value) != c.Equal {
			return false
		}
	}
	return true
}

// patient: nothing follows from a host's silence while it is maintained, nor ever for
// a service that waits for a person.
func (k *checker) patient(in *turn.Instance) {
	if k.hosts[in.Host].Maintenance != nil {
		k.sim.violate("%s is given up while its host is in maintenance", in)
	}
	if k.services[in.Service].Asked.Reschedule == fleet.RescheduleNever {
		k.sim.violate("%s is given up, and its service waits for a person", in)
	}
}
