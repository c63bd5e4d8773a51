package turn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/hub/balance"
	"github.com/musterhq/muster/hub/placement"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// assignmentSize is about what one assignment takes in a desired message, and
// messageBase what the rest of it does.
const (
	assignmentSize = 320
	messageBase    = 64 << 10
)

// crowd is what every host carries, counted once a turn and kept current.
type crowd struct {
	hosts []placement.Host
	index map[string]int
	// bytes is about how long each host's desired message is, and versions
	// has the specs that are in it.
	bytes    []int
	versions []map[string]bool
	sizes    map[string]int // of specs, by version key
}

// placeAll makes a new instance for each slot, until no host can have one: then
// it says why. What is the same for all slots is counted once.
func (t *tx) placeAll(s *Service, slots []int, only string) (reason string) {
	siblings := t.siblings(s)
	lost, cause := t.placeCauses(s)
	for _, slot := range slots {
		why := lost[slot]
		if why == "" {
			why = cause
		}
		home := t.homeOf(s, slot)
		host, refusals := placement.Choose(placement.Of(&s.Asked, home), t.candidates(s, siblings, only))
		if host == "" {
			return t.refusal(slot, refusals) + t.dataHint(home) // the other slots would be refused for the same reasons
		}
		t.place(s, slot, host, why)
		siblings[host]++
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
	t.events[len(t.events)-1].Data = about(in, fmt.Sprintf("%s slot %d is placed on %s", key, slot, host))
	t.instances.put(in.ID, in)
	t.newborn[key] = append(t.newborn[key], in.ID)
	t.dirtyHost[host] = true
	t.occupy(in)
	if s.Asked.Spec.Pinned() {
		home := t.home(key)
		home.Hosts = with(home.Hosts, slot, host)
		home.Data = union(home.Data, s.Asked.Spec.Data())
		t.homes.put(key, &home)
	}
}

// successor says why nobody could follow an instance that has to leave first;
// empty: somebody can. What the instance itself takes counts as free.
func (t *tx) successor(s *Service, in *Instance, hosts []placement.Host) string {
	v := t.versionOf(in)
	for i := range hosts {
		h := &hosts[i]
		if h.ID != in.Host || v == nil {
			continue
		}
		h.UsedMemory -= placement.Reserved(v.Spec.Resources)
		h.UsedCPUs -= v.Spec.Resources.CPUReservation
		for _, port := range v.Spec.FixedPorts() {
			h.Taken = without(h.Taken, port)
		}
	}
	if host, refusals := placement.Choose(placement.Of(&s.Asked, t.homeOf(s, in.Slot)), hosts); host == "" {
		return t.refusal(in.Slot, refusals)
	}
	return ""
}

// placeCauses are why new instances are placed: what befell the one that a slot
// had, else what makes a host unfit, else the order that the service goes by.
func (t *tx) placeCauses(s *Service) (lost map[int]string, otherwise string) {
	lost, otherwise = map[int]string{}, s.Cause
	for _, in := range t.members(s.Asked.Key) {
		switch {
		case in.Version != s.Version || in.Born < s.Restarted: // the order is newer
		case in.Lost && lost[in.Slot] == "":
			lost[in.Slot] = in.Cause
		case in.Goal == fleet.GoalRun && otherwise == s.Cause && t.outdated(s, in):
			otherwise = t.causeOf(s, in)
		}
	}
	return lost, otherwise
}

// home is what outlives the service.
func (t *tx) home(key fleet.ServiceKey) Home {
	if h := t.homes.get(key); h != nil {
		return *h
	}
	return Home{}
}

// homeOf is the host that has the data of a service's slot; empty: none has.
func (t *tx) homeOf(s *Service, slot int) string {
	home := t.home(s.Asked.Key)
	has := func(source string) bool { return slices.Contains(home.Data, source) }
	if s.Asked.Mode == fleet.ModeGlobal || !slices.ContainsFunc(s.Asked.Spec.Data(), has) {
		return ""
	}
	return home.Hosts[slot]
}

// dataHint names the way out for whoever waits for a host's data.
func (t *tx) dataHint(home string) string {
	if l := t.live.get(home); home == "" || l == nil || l.State == fleet.HostUp || l.State == fleet.HostUnknown {
		return ""
	}
	return fmt.Sprintf(" (if %s and the data on it are gone for good: muster host fail %s --data-lost)", home, home)
}

// giveUpData forgets that a host has anybody's data.
func (t *tx) giveUpData(host string) {
	for _, key := range t.homes.keys(fleet.ServiceKey.Less) {
		home := t.home(key)
		for slot, at := range home.Hosts {
			if at == host {
				home.Hosts = without(home.Hosts, slot)
				t.homes.put(key, &home)
			}
		}
	}
}

// refusal writes why nothing could be placed, host by host.
func (t *tx) refusal(slot int, refusals []placement.Refusal) string {
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
	why := fmt.Sprintf("slot %d can't be placed: %s", slot, strings.Join(parts, "; "))
	if t.recovering() {
		return why // the hosts are about to be heard
	}
	return heldPrefix + why
}

// recovering: the hub has started, and hasn't heard every host yet.
func (t *tx) recovering() bool {
	for id := range t.s.Hosts {
		if l := t.live.get(id); l == nil || l.State == fleet.HostUnknown {
			return true
		}
	}
	return false
}

// siblings counts a service's instances that stay, by host.
func (t *tx) siblings(s *Service) map[string]int {
	out := map[string]int{}
	for _, in := range t.members(s.Asked.Key) {
		if in.Goal == fleet.GoalRun && !t.outdated(s, in) {
			out[in.Host]++
		}
	}
	return out
}

// candidates are the hosts, or only one of them, as the service meets them.
func (t *tx) candidates(s *Service, siblings map[string]int, only string) []placement.Host {
	c := t.counted()
	out := make([]placement.Host, 0, len(c.hosts))
	for _, h := range c.hosts {
		if only != "" && h.ID != only {
			continue
		}
		h.Siblings = siblings[h.ID]
		if h.Barred == "" && c.bytes[c.index[h.ID]]+c.grows(h.ID, s.Asked.Key, s.Version, &s.Asked.Spec) > wire.MaxDesired {
			h.Barred = fmt.Sprintf("its desired state would pass %d KiB", wire.MaxDesired>>10)
		}
		if h.Barred == "" {
			h.Barred = t.heldFor(s, h.ID)
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

// counted counts what the hosts carry when the turn first asks.
func (t *tx) counted() *crowd {
	if t.crowd != nil {
		return t.crowd
	}
	c := &crowd{index: map[string]int{}, sizes: map[string]int{}}
	for _, id := range t.hosts.keys(byText) {
		h := t.hosts.get(id)
		p := placement.Host{
			ID: id, Labels: h.Facts.Labels, Barred: t.barred(id), Features: h.Facts.Features,
			CPUs: float64(h.Facts.CPUs), Memory: h.Facts.Memory, Taken: map[fleet.Port]string{},
		}
		if l := t.live.get(id); l != nil && l.Actual != nil {
			p.UsedMemory, p.UsedCPUs = l.Actual.Foreign.Memory, l.Actual.Foreign.CPUs
			for _, port := range l.Actual.Foreign.Ports {
				p.Taken[fleet.TCP(port)] = "another process"
			}
		}
		c.index[id] = len(c.hosts)
		c.hosts = append(c.hosts, p)
		c.bytes = append(c.bytes, messageBase)
		c.versions = append(c.versions, map[string]bool{})
	}
	t.takeListeners(c)
	t.crowd = c
	for _, id := range t.instances.keys(byText) {
		in := t.instances.get(id)
		if s := t.services.get(in.Service); s != nil {
			t.occupy(in)
		}
	}
	return c
}

// takeListeners keeps fixed host ports off what the host's balancer is to
// listen on, its pool being published or not, and still does.
func (t *tx) takeListeners(c *crowd) {
	wanted := map[PoolKey]bool{}
	take := func(key PoolKey, ports []int) {
		if i, ok := c.index[key.Host]; ok {
			for _, port := range ports {
				c.hosts[i].Taken[fleet.TCP(port)] = "the balancer, for " + key.Service.String()
			}
		}
	}
	services, balancers := t.services.keys(fleet.ServiceKey.Less), t.knownBalancers()
	for _, service := range services {
		s := t.services.get(service)
		for _, balancer := range balancers {
			if key := (PoolKey{Host: balancer.Host, Service: service}); balance.Selected(s.Asked.Balancing, balancer) {
				wanted[key] = true
				take(key, listens(s))
			}
		}
	}
	for _, key := range t.pools.keys(PoolKey.less) {
		if !wanted[key] {
			take(key, t.pools.get(key).Listen)
		}
	}
}

// occupy counts one instance on its host. A lost one that is replaced
// elsewhere doesn't count: its host can't be chosen anyway.
func (t *tx) occupy(in *Instance) {
	if t.crowd == nil {
		return
	}
	i, ok := t.crowd.index[in.Host]
	v := t.versionOf(in)
	if !ok || v == nil {
		return
	}
	h := &t.crowd.hosts[i]
	t.crowd.bytes[i] += t.crowd.grows(in.Host, in.Service, in.Version, &v.Spec)
	t.crowd.versions[i][fleet.VersionKey(in.Service, in.Version)] = true
	h.Instances++
	h.UsedMemory += placement.Reserved(v.Spec.Resources)
	h.UsedCPUs += v.Spec.Resources.CPUReservation
	for _, port := range v.Spec.FixedPorts() {
		h.Taken[port] = in.Service.String()
	}
}

// grows is about how much longer a host's desired message gets by one more
// instance.
func (c *crowd) grows(host string, service fleet.ServiceKey, version int, spec *fleet.Spec) int {
	key := fleet.VersionKey(service, version)
	if c.versions[c.index[host]][key] {
		return assignmentSize
	}
	if c.sizes[key] == 0 {
		c.sizes[key] = len(specText(spec))
	}
	return assignmentSize + c.sizes[key]
}

func (t *tx) versionOf(in *Instance) *fleet.Version {
	s := t.services.get(in.Service)
	if s == nil {
		return nil
	}
	v, ok := s.Versions[in.Version]
	if !ok {
		return nil
	}
	return &v
}

// barred says why nothing is placed on a host now; empty: it may.
func (t *tx) barred(id string) string {
	h, l := t.hosts.get(id), t.live.get(id)
	switch {
	case l == nil || l.State == fleet.HostUnknown:
		return "not heard since the hub started"
	case l.Alien != "":
		return "belongs to another hub (lineage " + l.Alien + ")"
	case l.State != fleet.HostUp:
		return "is " + l.State
	case h.Failed:
		return "is declared dead"
	case h.Availability == fleet.AvailabilityDrain:
		return "is drained"
	case h.Frozen:
		return "is frozen"
	case l.Actual == nil:
		return "hasn't reported yet"
	case !l.Actual.Engine.Up:
		return "its engine doesn't answer"
	default:
		return ""
	}
}
