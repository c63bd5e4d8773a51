package turn

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// depart keeps which hosts are on their way out, or in maintenance.
func (s *State) depart(id string, h *Host) {
	if h != nil && h.Maintenance != nil {
		s.away[id] = true
	} else {
		delete(s.away, id)
	}
	if h != nil && h.Leaving != nil {
		s.leaving[id] = true
		return
	}
	delete(s.leaving, id)
}

// departures brings hosts that leave the fleet as far as they get in this turn.
func (t *tx) departures(ticks bool) {
	for range maxPasses {
		t.depart(ticks)
		if len(t.dirty)+len(t.dirtyPool) == 0 {
			return
		}
		ticks = false
		t.plan()
	}
}

// depart brings each host that leaves the fleet a step further. It looks at the
// whole distance each time: a hub that was killed goes on from what is stored.
func (t *tx) depart(ticks bool) {
	hosts := map[string]bool{}
	for id := range t.s.leaving {
		hosts[id] = true
	}
	for id := range t.hosts.changed {
		hosts[id] = true
	}
	for _, id := range sorted(hosts, byText) {
		h := t.hosts.get(id)
		if h == nil || h.Leaving == nil {
			continue
		}
		if ticks && h.Leaving.Closing {
			t.dirtyPoolsOn(id) // whether a silent balancer can be reached is a matter of time
		}
		t.departOne(h)
	}
}

func (t *tx) departOne(h *Host) {
	l := h.Leaving
	switch {
	case l.Told != 0 && !l.Force, len(t.keptThere(h)) > 0:
	case l.Force:
		if t.hasPools(h.ID) || t.isUp(h.ID) {
			return
		}
		t.forgetHost(h, "it is dead, and nobody waits for it")
	case !l.Closing:
		t.editLeaving(h.ID).Closing = true
		t.dirtyPoolsOn(h.ID)
		t.touchAll()
		t.namesOfAll()
	case t.hasPools(h.ID) || !t.isUp(h.ID) || t.unsettled(h.ID):
	case !slices.Contains(h.Facts.Features, fleet.FeatureLeave):
		t.forgetHost(h, fmt.Sprintf("its agent, %s, is too old to be told; it goes on there, and nobody listens to it: end it", cmp.Or(h.Facts.AgentVersion, "of an unknown version")))
	default:
		t.editLeaving(h.ID).Told = t.rev
		t.event(fleet.EventHostLeaving, subjectHost(h.ID), l.Cause, fleet.EventData{Message: fmt.Sprintf("%s runs nothing of the fleet's any more: its agent is told to leave (%s)", h.ID, l.Policy), Host: h.ID})
		t.dirtyHost[h.ID] = true
	}
}

// keptThere is what keeps a host that leaves from being told so, or, if it is dead,
// from being forgotten, in words.
func (t *tx) keptThere(h *Host) (reasons []string) {
	l := h.Leaving
	if live := t.live.get(h.ID); live != nil && live.Alien != "" && !l.Force {
		reasons = append(reasons, heldPrefix+"its agent "+t.foreign(live.Alien))
	}
	if h.Frozen {
		reasons = append(reasons, fmt.Sprintf(heldPrefix+"it is frozen (muster unfreeze host:%s)", h.ID))
	}
	if data := t.dataOn(h.ID); len(data) > 0 {
		reasons = append(reasons, fmt.Sprintf(heldPrefix+"its data is on %s: %s (to let them start elsewhere with empty volumes: muster host rm %s --data-lost; what is in the volumes stays there)",
			h.ID, strings.Join(data, ", "), h.ID))
	}
	if last := t.lastBalancerOf(h.ID); len(last) > 0 && !l.Unserved && !l.Force && !l.Closing {
		reasons = append(reasons, fmt.Sprintf(heldPrefix+"it has the last balancer of %s (to take it all the same: muster host rm %s --unserved)", strings.Join(last, ", "), h.ID))
	}
	for _, in := range t.residents(h.ID) {
		if why := t.stillThere(h, in); why != "" {
			reasons = append(reasons, why)
		}
	}
	return reasons
}

// stillThere says why an instance keeps its host from leaving; empty: it doesn't.
func (t *tx) stillThere(h *Host, in *Instance) string {
	s := t.services.get(in.Service)
	switch {
	case h.Leaving.Force && in.Goal == fleet.GoalStop: // no balancer sends to it
		return ""
	case s != nil && s.Frozen:
		return fmt.Sprintf(heldPrefix+"%s is frozen, and instance %s of it is here (muster unfreeze %s)", in.Service, in.ID, in.Service)
	case in.Goal == fleet.GoalDrain:
		return fmt.Sprintf("%s: %s", in.Service, t.draining(in))
	case in.Goal == fleet.GoalStop:
		return fmt.Sprintf("%s: %s", in.Service, t.stopping(in, t.live.get(in.Host)))
	case s != nil && s.Asked.Mode == fleet.ModeJob:
		return fmt.Sprintf("%s: instance %s works until it has ended, or its rollout goes on", in.Service, in.ID)
	}
	why := "is still to leave"
	if held := t.heldWhy(in.Service); held != "" {
		why += " (" + held + ")"
	}
	return fmt.Sprintf("%s: instance %s on %s %s", in.Service, in.ID, in.Host, why)
}

// heldWhy is the first reason for which a service can't go on by itself.
func (t *tx) heldWhy(key fleet.ServiceKey) string {
	if n := t.notes.get(key); n != nil && len(n.reasons) > 0 {
		return n.reasons[0]
	}
	return ""
}

// leavingWaits says all that a host's removal waits for.
func (t *tx) leavingWaits(h *Host) []string {
	l := h.Leaving
	if l.Told != 0 && !l.Force {
		return []string{fmt.Sprintf("its agent was told, and is to say that it has left%s", t.ifDead(h.ID))}
	}
	reasons := t.keptThere(h)
	if l.Closing {
		for _, key := range t.poolsOn(h.ID) {
			for _, balancer := range t.removalWaits(key, t.pools.get(key)) {
				reasons = append(reasons, fmt.Sprintf("%s still has to drop %s", balancer, key.Service))
			}
		}
	}
	if !l.Force && !t.isUp(h.ID) {
		reasons = append(reasons, fmt.Sprintf("it isn't heard, so it can't be told%s", t.ifDead(h.ID)))
	}
	return few(reasons)
}

// ifDead names the way out where nobody will answer.
func (t *tx) ifDead(host string) string {
	if t.isUp(host) {
		return ""
	}
	return fmt.Sprintf(" (if it is dead: muster host rm %s --force)", host)
}

// dataOn names the services that have the data of a slot on a host, sorted.
func (t *tx) dataOn(host string) (names []string) {
	t.services.each(func(key fleet.ServiceKey, s *Service) {
		for slot := range t.home(key).Hosts {
			if t.homeOf(s, slot) == host {
				names = append(names, key.String())
				return
			}
		}
	})
	slices.Sort(names)
	return names
}

// lastBalancerOf names the services that no other balancer serves, sorted.
func (t *tx) lastBalancerOf(host string) (names []string) {
	if !t.hasBalancer(host) {
		return nil
	}
	t.services.each(func(key fleet.ServiceKey, s *Service) {
		if s.Asked.Balancing == nil || s.Removing {
			return
		}
		on := t.balancersOf(s)
		elsewhere := slices.ContainsFunc(on, func(b fleet.BalancerKey) bool { return b.Host != host })
		if len(on) > 0 && !elsewhere {
			names = append(names, key.String())
		}
	})
	slices.Sort(names)
	return names
}

func (t *tx) editLeaving(host string) *Leaving {
	h := t.hosts.edit(host)
	next := *h.Leaving
	h.Leaving = &next
	return &next
}

// closing: the balancers of a host drop all their pools.
func (t *tx) closing(host string) bool {
	h := t.hosts.get(host)
	return h != nil && h.Leaving != nil && h.Leaving.Closing
}

// lasting are those of some balancers whose hosts don't leave; all, if all do.
func (t *tx) lasting(keys []fleet.BalancerKey) []fleet.BalancerKey {
	stay := slices.DeleteFunc(slices.Clone(keys), func(key fleet.BalancerKey) bool {
		h := t.hosts.get(key.Host)
		return h != nil && h.Leaving != nil
	})
	if len(stay) == 0 {
		return keys
	}
	return stay
}

// writtenOff: nobody waits for a balancer any more. A person said that it is gone
// for good, or that its host is.
func (t *tx) writtenOff(key fleet.BalancerKey) bool {
	if b := t.balancers.get(key); b == nil || b.Forgotten != "" {
		return true
	}
	h := t.hosts.get(key.Host)
	return h != nil && h.Leaving != nil && h.Leaving.Force && !t.isUp(key.Host)
}

// withoutData: what has its data on the host leaves it all the same.
func (h *Host) withoutData() bool { return h != nil && h.Leaving != nil && h.Leaving.DataLost }

// keeps: what leaves the host goes on there, as nobody's.
func (t *tx) keeps(host string) bool {
	h := t.hosts.get(host)
	return h != nil && h.Leaving != nil && h.Leaving.Policy == fleet.LeaveKeep
}

// leaveBehind forgets an instance that no balancer sends to any more, and whose
// container goes on.
func (t *tx) leaveBehind(in *Instance) {
	l := t.editLeaving(in.Host)
	l.Kept = with(l.Kept, in.ID, true)
	t.event(fleet.EventInstanceReleased, subjectInstance(in.ID), in.Cause, about(in, fmt.Sprintf("%s goes on as nobody's: no balancer sends to it", in)))
	t.forget(in)
}

// leftBehind: the hub has forgotten an instance that it left running on a host.
func (t *tx) leftBehind(host, instance string) bool {
	h := t.hosts.get(host)
	return h != nil && h.Leaving != nil && (h.Leaving.Kept[instance] || h.Leaving.Told != 0)
}

// poolsOn are the pools of a host's balancers, sorted.
func (t *tx) poolsOn(host string) (keys []PoolKey) {
	t.pools.each(func(key PoolKey, _ *Published) {
		if key.Host == host {
			keys = append(keys, key)
		}
	})
	slices.SortFunc(keys, func(a, b PoolKey) int { return cmp.Compare(a.String(), b.String()) })
	return keys
}

func (t *tx) hasPools(host string) bool { return len(t.poolsOn(host)) > 0 }

func (t *tx) dirtyPoolsOn(host string) {
	for _, key := range t.poolsOn(host) {
		t.dirtyPool[key.Service] = true
	}
}
