package turn

import (
	"github.com/musterhq/muster/hub/placement"
	"github.com/musterhq/muster/hub/rollout"
	"github.com/musterhq/muster/shared/fleet"
)

// planGlobal decides host by host. Only one host at a time replaces.
func (t *tx) planGlobal(s *Service, members []*Instance, wanted rollout.Wanted) (reasons []string) {
	byHost := map[string][]*Instance{}
	for _, in := range members {
		byHost[in.Host] = append(byHost[in.Host], in)
	}
	busy := t.replacing(s, byHost)
	for _, host := range t.hosts.keys(byText) {
		count := 0
		if t.wantsGlobal(s, host) {
			count = 1
		}
		group := t.rolloutMembers(s, byHost[host])
		next := rollout.Decide(rollout.Input{
			Count: count, Members: group, StopFirst: stopFirst(s) || stopsFirst(s.Rollout), Still: wanted.Still,
		})
		if why := t.barred(host); len(next.Add) > 0 && why != "" {
			if why == bringsSome {
				reasons = append(reasons, host+" "+why)
			}
			continue
		}
		replaces := len(group) >= count && count > 0
		if replaces && busy != "" && busy != host {
			continue
		}
		if replaces && len(next.Add)+len(next.Leave) > 0 {
			busy = host
		}
		reasons = append(reasons, t.carryOut(s, next, host)...)
	}
	return reasons
}

// stopsFirst: a rollout that is under way was asked to let old ones go first.
func stopsFirst(r *fleet.Rollout) bool {
	if r == nil || r.Over() {
		return false
	}
	_, first := r.Pace()
	return first
}

// replacing is the host on which a global service is between two versions: it
// has an instance that comes or goes, or lacks one that it could have. Hosts
// that aren't heard hold nobody up.
func (t *tx) replacing(s *Service, byHost map[string][]*Instance) string {
	for _, host := range t.hosts.keys(byText) {
		if t.barred(host) != "" || !t.wantsGlobal(s, host) {
			continue
		}
		group := t.rolloutMembers(s, byHost[host])
		for _, m := range group {
			if !m.Leaving && !m.Outdated && !m.Serving || m.Leaving && !m.Lost {
				return host
			}
		}
		if len(group) == 0 {
			if fits, _ := placement.Choose(placement.Of(&s.Asked, ""), t.candidates(s, nil, host)); fits != "" {
				return host
			}
		}
	}
	return ""
}

// wantsGlobal reports whether a global service is to run on the host.
func (t *tx) wantsGlobal(s *Service, host string) bool {
	h := t.hosts.get(host)
	return !h.Failed && !s.Stopped && !s.stoppedOn(host) && suits(h, host, s.Asked.Constraints) && h.Availability != fleet.AvailabilityDrain
}

// excessGlobal is how many of a global service's instances, counted by host, are
// more than are to run there.
func (t *tx) excessGlobal(s *Service, onHost map[string]int) (excess int) {
	for host, count := range onHost {
		if t.wantsGlobal(s, host) {
			count--
		}
		excess += count
	}
	return excess
}
