package turn

import (
	"fmt"
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

// adopt takes in an instance of ours that a host has and that the hub doesn't
// know, once the host has accepted all that the hub wants of it.
func (t *tx) adopt(host string, l *Live, a *fleet.InstanceActual) {
	if t.strays(host, l, a) {
		t.takeIn(host, a)
	}
}

// strays: the hub has nothing to do with what the host has. A host that is
// behind may only not have heard of its stop; but nobody of this store has
// ordered anything yet from one that is unsettled.
func (t *tx) strays(host string, l *Live, a *fleet.InstanceActual) bool {
	if t.leftBehind(host, a.ID) {
		return false
	}
	if t.unsettled(host) {
		return l.told()
	}
	o := l.Actual.Observed
	return a.Unclaimed && o.Lineage == t.s.Lineage && o.Epoch == t.epoch && o.Generation == t.desiredGeneration(host)
}

// brings: a host that hasn't accepted yet what the hub wants of it runs instances that
// the hub doesn't know, and will take in then. Until that is done nobody can say what
// room there is.
func (t *tx) brings(h *Host, l *Live) bool {
	if l.Actual.Observed.Generation == h.Desired {
		return false
	}
	return slices.ContainsFunc(l.Actual.Instances, func(a fleet.InstanceActual) bool {
		return t.instances.get(a.ID) == nil && t.services.get(a.Service) != nil && !t.leftBehind(h.ID, a.ID) &&
			a.Phase != fleet.PhaseStopping && a.Phase != fleet.PhaseStopped
	})
}

// takeIn makes a host's instance known. From then on it is like any other: it
// stays if its service wants it, and leaves by the drain barrier if not, but
// not in the turn in which it came: balancers may send to it. One of a service
// that isn't known is left as it is and shown with its host: nobody's order
// stands behind its end.
func (t *tx) takeIn(host string, a *fleet.InstanceActual) {
	s := t.services.get(a.Service)
	if s == nil || t.instances.get(a.ID) != nil || a.Phase == fleet.PhaseStopping || a.Phase == fleet.PhaseStopped {
		return
	}
	in := &Instance{
		ID: a.ID, Service: a.Service, Version: t.numberOf(s, a), Slot: a.Slot, Host: host,
		Goal: fleet.GoalRun, Born: t.rev, BornAt: t.now, GoalAt: t.now,
		Address: a.Address, Ports: a.Ports, Ready: a.Ready,
	}
	if _, known := s.Versions[in.Version]; !known {
		in.Spec = a.Spec
		home := t.home(in.Service)
		home.Version = max(home.Version, in.Version) // the number is taken, for ever
		t.homes.put(in.Service, &home)
	}
	if in.Ready {
		in.ReadyAt = t.now
	}
	in.Sent = t.senders(a)
	in.Cause = t.event(fleet.EventInstanceAdopted, subjectInstance(in.ID), subjectHost(host), about(in, fmt.Sprintf(
		"%s version %d runs on %s and wasn't known: taken in", in.Service, in.Version, host)))
	t.bear(in)
	if home := t.homeOf(s, in.Slot); home == "" || t.unsettled(host) { // else its slot has newer data
		t.keepHome(s, in)
	}
	t.pin(in, a)
	t.adopted[in.Service] = true
	t.touch(in.Service)
}

// numberOf is the version of a service that an instance runs: the one with the
// same content, whatever number it carries. Content that the hub doesn't know
// has a number that no version of today has; so does a run of a one-shot service
// that was begun as another version: it isn't the run of today's.
func (t *tx) numberOf(s *Service, a *fleet.InstanceActual) int {
	if a.Spec == "" {
		return a.Version
	}
	if number := s.numbered(a.Spec); number > 0 && (number == a.Version || s.Asked.Mode != fleet.ModeJob) {
		return number
	}
	for _, in := range t.members(s.Asked.Key) {
		if in.Spec == a.Spec {
			return in.Version
		}
	}
	if _, taken := s.Versions[a.Version]; taken {
		return t.nextVersion(s)
	}
	return a.Version
}

// numbered is the version with that content: the current one where several
// have it, else the newest; 0: none has.
func (s *Service) numbered(sum string) (number int) {
	for n, v := range s.Versions {
		if v.Spec.Sum() == sum && (n == s.Version || number != s.Version && n > number) {
			number = n
		}
	}
	return number
}

// senders are the balancers that have the instance now, by what they report.
func (t *tx) senders(a *fleet.InstanceActual) map[fleet.BalancerKey]bool {
	var out map[fleet.BalancerKey]bool
	for _, key := range t.knownBalancers() {
		l := t.live.get(key.Host)
		if l == nil || l.pools[key.Name][a.Service] == nil {
			continue
		}
		for _, e := range l.pools[key.Name][a.Service].Endpoints {
			if e.Instance == a.ID {
				out = with(out, key, true)
			}
		}
	}
	return out
}

// found are instances of a service that hosts have and that the hub would take
// in if it knew the service, by host.
func (t *tx) found(key fleet.ServiceKey) map[string][]*fleet.InstanceActual {
	out := map[string][]*fleet.InstanceActual{}
	for _, host := range t.hosts.keys(byText) {
		l := t.live.get(host)
		if l == nil || l.Actual == nil {
			continue
		}
		for i := range l.Actual.Instances {
			a := &l.Actual.Instances[i]
			if a.Service == key && t.instances.get(a.ID) == nil && a.Phase != fleet.PhaseStopping && a.Phase != fleet.PhaseStopped && t.strays(host, l, a) {
				out[host] = append(out[host], a)
			}
		}
	}
	return out
}

// foundVersion is the number of a service's first version, when hosts have
// instances of a former life of it: theirs, if they have the same content.
func (t *tx) foundVersion(asked *fleet.Service, found map[string][]*fleet.InstanceActual) int {
	last := t.home(asked.Key).Version
	sum, same, highest := asked.Spec.Sum(), 0, last
	for _, list := range found {
		for _, a := range list {
			highest = max(highest, a.Version)
			if a.Spec == sum && a.Version > last {
				same = max(same, a.Version)
			}
		}
	}
	if same > 0 {
		return same
	}
	return highest + 1
}
