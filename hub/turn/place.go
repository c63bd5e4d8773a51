package turn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/hub/placement"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// placeAll makes a new instance for each slot, until no host can have one: then
// it says why. What is the same for all slots is counted once.
func (t *tx) placeAll(s *Service, slots []int, only string) (reason string) {
	if len(slots) == 0 {
		return ""
	}
	around := t.around(s, only)
	siblings := t.siblings(s, around)
	lost, cause := t.placeCauses(s, around)
	owed := t.owed(s, around)
	for _, slot := range slots {
		why := lost[slot]
		if why == "" {
			why = cause
		}
		home := t.homeOf(s, slot)
		need := placement.Of(&s.Asked, home)
		need.Prefer = preferred(owed)
		host, refusals := placement.Choose(need, t.candidates(s, siblings, only))
		if host == "" {
			return t.refusal(&s.Asked, slot, refusals) + t.dataHint(home) // the other slots would be refused for the same reasons
		}
		t.place(s, slot, host, why)
		siblings[host]++
		if owed[host] > 0 {
			owed[host]--
		}
	}
	return ""
}

// place makes one new instance.
func (t *tx) place(s *Service, slot int, host, cause string) {
	key := s.Asked.Key
	cause = t.event(fleet.EventInstancePlaced, subjectService(key), cause, fleet.EventData{})
	in := &Instance{
		ID: t.instanceID(), Service: key, Version: s.Version, Slot: slot, Host: host,
		Goal: fleet.GoalRun, Born: t.rev, BornAt: t.now, GoalAt: t.now, Cause: cause,
	}
	t.events[len(t.events)-1].Subject = subjectInstance(in.ID)
	t.events[len(t.events)-1].Data = about(in, fmt.Sprintf("%s is placed (slot %d)", in, slot))
	t.bear(in)
	t.keepHome(s, in)
	t.touch(key)
}

// successor says why nobody could follow an instance that has to leave first;
// empty: somebody can. What the instance itself takes counts as free.
func (t *tx) successor(s *Service, in *Instance, hosts []placement.Host) string {
	v := t.versionOf(in)
	for i := range hosts {
		h := &hosts[i]
		if h.ID != in.Host {
			continue
		}
		vacate(h, v)
		for _, port := range t.fixedPorts(in) {
			h.Taken = without(h.Taken, port)
		}
	}
	if host, refusals := placement.Choose(placement.Of(&s.Asked, t.homeOf(s, in.Slot)), hosts); host == "" {
		return t.refusal(&s.Asked, in.Slot, refusals)
	}
	return ""
}

// vacate takes off a host's books what an instance of a version has of it, but for
// its ports.
func vacate(h *placement.Host, v *fleet.Version) {
	if v == nil {
		return
	}
	h.UsedMemory -= placement.Reserved(v.Spec.Resources)
	h.UsedCPUs -= v.Spec.Resources.CPUReservation
	for _, g := range v.Spec.GenericResources() {
		h.UsedGeneric = with(h.UsedGeneric, g.Kind, h.UsedGeneric[g.Kind]-g.Count)
	}
}

// placeCauses are why new instances are placed: what befell the one that a slot
// had, else what makes a host unfit, else the order that the service goes by.
func (t *tx) placeCauses(s *Service, members []*Instance) (lost map[int]string, otherwise string) {
	lost, otherwise = map[int]string{}, s.Cause
	for _, in := range members {
		switch {
		case in.Version != s.Version || in.Born < max(s.Restarted, s.RestartedOn[in.Host]): // the order is newer
		case in.Lost && lost[in.Slot] == "":
			lost[in.Slot] = in.Cause
		case in.Goal == fleet.GoalRun && otherwise == s.Cause && t.outdated(s, in):
			otherwise = t.causeOf(s, in)
		}
	}
	return lost, otherwise
}

// refusal writes why nothing could be placed, host by host.
func (t *tx) refusal(s *fleet.Service, slot int, refusals []placement.Refusal) string {
	if len(refusals) == 0 {
		return fmt.Sprintf(heldPrefix+"slot %d can't be placed: no host has joined yet", slot)
	}
	const most = 10
	var parts []string
	for i, r := range refusals {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(refusals)-most))
			break
		}
		parts = append(parts, r.String())
	}
	why := fmt.Sprintf("slot %d can't be placed: %s%s", slot, t.nobodyHas(s), strings.Join(parts, "; "))
	if t.recovering() {
		return why // the hosts are about to be heard
	}
	return heldPrefix + why
}

// nobodyHas names the resources of a service that no host has any of.
func (t *tx) nobodyHas(s *fleet.Service) (text string) {
	for _, g := range s.Spec.GenericResources() {
		known := false
		t.hosts.each(func(_ string, h *Host) { known = known || h.Facts.Resources[g.Kind] > 0 })
		if !known {
			text += fmt.Sprintf("no host has %s (an agent announces it by --resource %s=%d): ", g.Kind, g.Kind, g.Count)
		}
	}
	return text
}

// recovering: the hub has started, and hasn't heard every host yet.
func (t *tx) recovering() (unheard bool) {
	t.hosts.each(func(id string, _ *Host) {
		l := t.live.get(id)
		unheard = unheard || l == nil || l.State == fleet.HostUnknown
	})
	return unheard
}

// around are the service's instances that matter for placing another: all, or
// where it can go to one host only, those there.
func (t *tx) around(s *Service, only string) []*Instance {
	if only == "" {
		return t.members(s.Asked.Key)
	}
	return slices.DeleteFunc(t.residents(only), func(in *Instance) bool { return in.Service != s.Asked.Key })
}

// siblings counts a service's instances that stay, by host.
func (t *tx) siblings(s *Service, members []*Instance) map[string]int {
	out := map[string]int{}
	for _, in := range members {
		if in.Goal == fleet.GoalRun && !t.outdated(s, in) {
			out[in.Host]++
		}
	}
	return out
}

// candidates are the hosts, or only one of them, as the service meets them.
func (t *tx) candidates(s *Service, siblings map[string]int, only string) []placement.Host {
	c := t.counted()
	hosts := c.hosts
	if i, ok := c.index[only]; ok {
		hosts = hosts[i : i+1]
	}
	out := make([]placement.Host, 0, len(hosts))
	for _, h := range hosts {
		h.Siblings = siblings[h.ID]
		if h.Barred == "" && c.bytes[c.index[h.ID]]+c.grows(h.ID, s.Asked.Key, s.Version, &s.Asked.Spec) > wire.MaxDesired {
			h.Barred = fmt.Sprintf("its desired state would pass %d KiB", wire.MaxDesired>>10)
		}
		if h.Barred == "" {
			h.Barred = s.stoppedThere(h.ID)
		}
		if h.Barred == "" {
			h.Barred = t.heldFor(s, h.ID)
		}
		if h.Barred == "" {
			h.Barred = t.keyless(h.ID, h.Features, &s.Asked.Spec)
		}
		if h.Barred == "" {
			h.Barred = t.deviceless(h.ID, &s.Asked.Spec)
		}
		if l := t.live.get(h.ID); h.Barred == "" && l != nil && l.Actual != nil {
			if why := l.Actual.Refused[fleet.VersionKey(s.Asked.Key, s.Version)]; why != "" {
				h.Barred = why
			}
		}
		out = append(out, h)
	}
	return out
}

// deviceless says which devices a version asks for that the host lacks.
func (t *tx) deviceless(host string, spec *fleet.Spec) string {
	h := t.hosts.get(host)
	if h == nil {
		return ""
	}
	if missing := h.Facts.Lacks(spec); len(missing) > 0 {
		return "has no device " + strings.Join(missing, ", ")
	}
	return ""
}

// heldFor says which fixed port of the service is still held on the host. The
// service's own port is free for it as soon as the balancers have let go: a
// late request would meet the same service.
func (t *tx) heldFor(s *Service, host string) string {
	h := t.hosts.get(host)
	for _, port := range s.Asked.Spec.FixedPorts() {
		if held, ok := h.Held[port.Number]; ok && (held.Service != s.Asked.Key || t.awaited(held)) {
			return fmt.Sprintf("port %s was %s's and is held until %s", port, held.Service, held.Until.Format("15:04:05"))
		}
	}
	return ""
}
