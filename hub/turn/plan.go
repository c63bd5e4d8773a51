package turn

import (
	"fmt"
	"strings"

	"github.com/musterhq/muster/hub/placement"
	"github.com/musterhq/muster/hub/rollout"
	"github.com/musterhq/muster/shared/fleet"
)

// maxPasses bounds how often one turn looks at the same service again. A
// second pass only sees what the first one did; more than a few would be a bug.
const maxPasses = 4

// plan works on the touched services until nothing moves any more.
func (t *tx) plan() {
	for range maxPasses {
		keys := sorted(t.dirty, fleet.ServiceKey.Less)
		if len(keys) == 0 {
			break
		}
		t.dirty = map[fleet.ServiceKey]bool{}
		for _, key := range keys {
			reasons, planned := t.planService(key)
			t.derivePools(key)
			if planned {
				t.report(key, reasons) // of the pools too, as they are now
				t.forgetVersions(key)
			}
		}
	}
	for _, key := range sorted(t.dirtyPool, fleet.ServiceKey.Less) {
		t.derivePools(key)
	}
}

// planService brings one service a step nearer to what was asked for, and
// returns what keeps it. planned is false for services that aren't to get there.
func (t *tx) planService(key fleet.ServiceKey) (reasons []string, planned bool) {
	s := t.services.get(key)
	if s == nil || s.Frozen {
		return nil, false
	}
	for _, in := range t.members(key) {
		if why := t.advance(s, in); why != "" {
			reasons = append(reasons, why)
		}
	}
	if s.Removing {
		t.planRemoval(key)
		return nil, false
	}
	members := t.members(key)
	if s.Asked.Mode == fleet.ModeGlobal {
		reasons = append(reasons, t.planGlobal(s, members)...)
	} else {
		next := rollout.Decide(rollout.Input{Count: s.Asked.Count, Members: t.rolloutMembers(s, members), StopFirst: stopFirst(s)})
		if next.Waits != "" {
			reasons = append(reasons, next.Waits)
		}
		reasons = append(reasons, t.carryOut(s, next, "")...)
	}
	return reasons, true
}

// advance moves one instance along: given up, released by the balancers,
// asked to stop.
func (t *tx) advance(s *Service, in *Instance) (why string) {
	if in.Goal == fleet.GoalRun {
		gone, why := t.giveUp(s, in)
		if gone {
			t.replaceLost(s, in)
		}
		return why
	}
	if in.Goal != fleet.GoalDrain {
		return ""
	}
	waits := t.release(in)
	if len(waits) > 0 {
		var names []string
		for _, key := range waits {
			names = append(names, key.String())
		}
		return fmt.Sprintf("instance %s leaves the balancers: %s still has to acknowledge", in.ID, strings.Join(names, ", "))
	}
	in = t.instances.edit(in.ID)
	in.Goal, in.GoalAt = fleet.GoalStop, t.now
	t.event(fleet.EventInstanceStopping, subjectInstance(in.ID), in.Cause, about(in, fmt.Sprintf("%s on %s is asked to stop: no balancer sends to it", in.Service, in.Host)))
	t.dirtyHost[in.Host] = true
	t.dirtyPool[in.Service] = true
	return ""
}

// planRemoval lets every instance go, and the service with the last.
func (t *tx) planRemoval(key fleet.ServiceKey) {
	s := t.services.get(key)
	members := t.members(key)
	for _, in := range members {
		if in.Goal == fleet.GoalRun {
			t.leave(s, in, "the service is removed")
		}
	}
	if len(members) > 0 {
		return
	}
	for _, poolKey := range t.pools.keys(PoolKey.less) {
		if poolKey.Service == key {
			t.dirtyPool[key] = true
			return
		}
	}
	t.event(fleet.EventServiceRemoved, subjectService(key), s.Cause, fleet.EventData{Message: fmt.Sprintf("%s is gone; its volumes stay", key), Service: &key})
	t.services.delete(key)
	t.namesChanged(key.Project)
}

// planGlobal decides host by host. Only one host at a time replaces.
func (t *tx) planGlobal(s *Service, members []*Instance) (reasons []string) {
	byHost := map[string][]*Instance{}
	for _, in := range members {
		byHost[in.Host] = append(byHost[in.Host], in)
	}
	busy := ""
	for _, m := range t.rolloutMembers(s, members) {
		if !m.Leaving && !m.Outdated && !m.Serving || m.Leaving && !m.Lost {
			busy = m.Host
			break
		}
	}
	for _, host := range t.hosts.keys(byText) {
		count := 0
		if t.wantsGlobal(s, host) {
			count = 1
		}
		group := t.rolloutMembers(s, byHost[host])
		next := rollout.Decide(rollout.Input{Count: count, Members: group, StopFirst: stopFirst(s)})
		replaces := len(group) >= count && count > 0
		if replaces && busy != "" && busy != host {
			continue
		}
		if replaces && len(next.Add)+len(next.Leave) > 0 {
			busy = host
		}
		if len(next.Add) > 0 && t.barred(host) != "" {
			continue
		}
		reasons = append(reasons, t.carryOut(s, next, host)...)
	}
	return reasons
}

// wantsGlobal reports whether a global service is to run on the host.
func (t *tx) wantsGlobal(s *Service, host string) bool {
	h := t.hosts.get(host)
	return placement.Unsuited(s.Asked.Constraints, host, h.Facts.Labels) == "" && h.Availability != fleet.AvailabilityDrain
}

// stopFirst services can't have two instances side by side.
func stopFirst(s *Service) bool {
	return s.Asked.Spec.Pinned() || len(s.Asked.Spec.FixedPorts()) > 0
}

func (t *tx) rolloutMembers(s *Service, members []*Instance) []rollout.Member {
	out := make([]rollout.Member, 0, len(members))
	for _, in := range members {
		out = append(out, rollout.Member{
			ID:       in.ID,
			Slot:     in.Slot,
			Host:     in.Host,
			Leaving:  in.Goal != fleet.GoalRun,
			Lost:     in.Lost,
			Outdated: t.outdated(s, in),
			Ready:    in.Ready,
			Serving:  t.serving(s, in),
		})
	}
	return out
}

func (t *tx) outdated(s *Service, in *Instance) bool {
	if in.Version != s.Version || in.Born < s.Restarted {
		return true
	}
	h := t.hosts.get(in.Host)
	if h == nil || s.Asked.Spec.Pinned() {
		return false
	}
	return h.Availability == fleet.AvailabilityDrain || placement.Unsuited(s.Asked.Constraints, h.ID, h.Facts.Labels) != ""
}

// serving instances are ready, and every balancer that is heard gives them
// traffic.
func (t *tx) serving(s *Service, in *Instance) bool {
	if !in.Ready {
		return false
	}
	if s.Asked.Balancing == nil {
		return true
	}
	for _, key := range t.balancersOf(s) {
		l := t.live.get(key.Host)
		if l == nil || l.State != fleet.HostUp {
			continue
		}
		if !inForce(l.pools[key.Name][in.Service], in.ID) {
			return false
		}
	}
	return true
}

func inForce(report *fleet.PoolActual, instance string) bool {
	if report == nil {
		return false
	}
	for _, e := range report.Endpoints {
		if e.Instance == instance {
			return e.State == fleet.EndpointReady
		}
	}
	return false
}

// carryOut adds and removes what was decided. only restricts new instances to
// one host.
func (t *tx) carryOut(s *Service, next rollout.Next, only string) (reasons []string) {
	key := s.Asked.Key
	for _, id := range next.Leave {
		t.leave(s, t.instances.get(id), "")
	}
	for _, slot := range next.Add {
		if reason := t.place(s, slot, only); reason != "" {
			reasons = append(reasons, reason)
			break // the others are refused for the same reasons
		}
	}
	if len(next.Add)+len(next.Leave) > 0 {
		t.touch(key)
	}
	return reasons
}

// leave begins an instance's way out: through the drain barrier, then stopped.
func (t *tx) leave(s *Service, in *Instance, why string) {
	if why == "" {
		why = t.leaveReason(s, in)
	}
	cause := t.event(fleet.EventInstanceDraining, subjectInstance(in.ID), t.causeOf(s, in), about(in, fmt.Sprintf("%s on %s leaves: %s", in.Service, in.Host, why)))
	in = t.instances.edit(in.ID)
	in.Goal, in.GoalAt, in.Cause = fleet.GoalDrain, t.now, cause
	t.dirtyPool[in.Service] = true
	t.touch(in.Service)
}

func (t *tx) leaveReason(s *Service, in *Instance) string {
	h := t.hosts.get(in.Host)
	switch {
	case in.Version != s.Version:
		return fmt.Sprintf("version %d replaces %d", s.Version, in.Version)
	case in.Born < s.Restarted:
		return "the service restarts"
	case h != nil && h.Availability == fleet.AvailabilityDrain:
		return "its host is drained"
	case h != nil && placement.Unsuited(s.Asked.Constraints, h.ID, h.Facts.Labels) != "":
		return "its host doesn't suit it any more"
	default:
		return "one fewer is wanted"
	}
}

func (t *tx) causeOf(s *Service, in *Instance) string {
	h := t.hosts.get(in.Host)
	if in.Version == s.Version && in.Born >= s.Restarted && h != nil && h.Availability == fleet.AvailabilityDrain {
		return h.Cause
	}
	return s.Cause
}
