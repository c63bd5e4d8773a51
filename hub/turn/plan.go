package turn

import (
	"fmt"
	"slices"

	"github.com/musterhq/muster/hub/rollout"
	"github.com/musterhq/muster/shared/fleet"
)

// maxPasses bounds how often one turn looks at the same service again. A
// second pass only sees what the first one did; more than a few would be a bug.
const maxPasses = 4

// plan works on the touched services until nothing moves any more.
func (t *tx) plan() {
	planned := map[fleet.ServiceKey]bool{}
	for range maxPasses {
		keys := sorted(t.dirty, fleet.ServiceKey.Less)
		if len(keys) == 0 {
			break
		}
		t.dirty, t.touchedAll = map[fleet.ServiceKey]bool{}, false
		for _, key := range keys {
			reasons, settles := t.planService(key)
			t.touchDependents(key, false)
			t.derivePools(key)
			if settles { // of the pools too, as they are now
				t.report(key, few(append(reasons, t.dropping(key)...)))
				t.forgetVersions(key)
			}
			planned[key] = true
		}
	}
	for _, key := range sorted(t.dirtyPool, fleet.ServiceKey.Less) {
		t.derivePools(key)
	}
	for _, key := range sorted(planned, fleet.ServiceKey.Less) {
		t.tell(key)
	}
}

// planService brings one service a step nearer to what was asked for, and
// returns what keeps it. settles is false for services that aren't to get there.
func (t *tx) planService(key fleet.ServiceKey) (reasons []string, settles bool) {
	s := t.services.get(key)
	if s == nil {
		return nil, false
	}
	if s.Frozen {
		if s.Removing { // as such it is shown, which doesn't say that it is frozen, too
			reasons = []string{fmt.Sprintf("it is frozen: nothing of it is changed (muster unfreeze %s)", key)}
		}
		t.note(key, reasons)
		return nil, false
	}
	if why := t.gathering(); why != "" {
		return []string{why}, true
	}
	if t.adopted[key] {
		return []string{"instances were taken in"}, true
	}
	for _, in := range t.members(key) {
		if why := t.advance(s, in); why != "" {
			reasons = append(reasons, why)
		}
	}
	reasons = append(reasons, t.frozenReasons(s)...)
	if s.Removing {
		if t.planRemoval(key); t.services.get(key) == nil {
			t.note(key, nil)
			return nil, false
		}
		return reasons, true
	}
	reasons = append(reasons, t.stays(s)...)
	if s.Rebalance != nil && s.Asked.Mode != fleet.ModeReplicated {
		t.move(s) // it was replicated by then
		s = t.services.get(key)
	}
	if s.Asked.Mode == fleet.ModeJob {
		return append(reasons, t.planJob(s)...), true
	}
	s = t.rest(s)
	waits, others := t.precede(s)
	s = t.services.get(key)
	reasons = append(append(reasons, waits...), others...)
	if len(waits) > 0 {
		return reasons, true
	}
	reasons = append(reasons, t.unoffered(s)...)
	reasons = append(reasons, t.runJobs(s)...)
	wanted := t.roll(key)
	s = t.services.get(key)
	reasons = append(reasons, t.pauseReasons(s)...)
	members := t.members(key)
	if s.Asked.Mode == fleet.ModeGlobal {
		return append(reasons, t.planGlobal(s, members, wanted)...), true
	}
	reasons = append(reasons, t.rouse(s)...)
	reasons = append(reasons, t.move(t.services.get(key))...)
	s, members = t.services.get(key), t.members(key)
	next := rollout.Decide(t.input(s, members, wanted))
	if next.Waits != "" {
		reasons = append(reasons, next.Waits)
	}
	reasons = append(reasons, t.carryOut(s, next, "")...)
	t.evict(s)
	return reasons, true
}

// input is what a service's next instances are decided by.
func (t *tx) input(s *Service, members []*Instance, wanted rollout.Wanted) rollout.Input {
	count := t.count(s)
	in := rollout.Input{
		Count: count, Members: t.rolloutMembers(s, members), Surge: surge(count), StopFirst: stopFirst(s),
		Most: wanted.Most, Still: wanted.Still, Beside: targets(s, count, members, wanted), Resting: sorted(s.Resting, byNumber),
	}
	r := s.Rollout
	if r != nil && !r.Over() {
		batch, first := r.Pace()
		in.StopFirst = in.StopFirst || first
		in.Recreate = r.Spec.Strategy == fleet.StrategyRecreate
		in.Surge = batch
	}
	if stopFirst(s) {
		in.Surge = 1 // each needs what another has
	}
	return in
}

// targets are those of both sides where none is replaced by the other.
func targets(s *Service, count int, members []*Instance, wanted rollout.Wanted) *rollout.Targets {
	switch {
	case wanted.Beside && wanted.Back: // the old version is the one that is asked for
		return &rollout.Targets{Current: count}
	case wanted.Beside:
		return &rollout.Targets{Current: min(wanted.New, count), Outdated: min(wanted.Old, count), Kept: wanted.Kept}
	case wanted.Still && s.Rollout.Beside():
		news := 0
		for _, in := range members {
			if in.Goal == fleet.GoalRun && in.Version == s.Version {
				news++
			}
		}
		return &rollout.Targets{Current: min(news, count), Outdated: min(wanted.Old, count)}
	}
	return nil
}

// advance moves one instance along: given up, released by the balancers,
// asked to stop.
func (t *tx) advance(s *Service, in *Instance) (why string) {
	gone, why := t.giveUp(s, in)
	if in.Goal == fleet.GoalRun {
		if gone {
			t.replaceLost(s, in)
		}
		if why == "" {
			why = t.overdue(s, in)
		}
		return why
	}
	if gone && !in.Lost { // nobody waits for its end any more
		in = t.instances.edit(in.ID)
		in.Lost = true
	}
	if t.frozen(in) {
		return "" // frozenReasons says so
	}
	if in.Goal != fleet.GoalDrain {
		return t.overdue(s, in)
	}
	waits := t.release(in)
	if len(waits) > 0 {
		return t.barrierWaits(s, t.instances.get(in.ID), waits)
	}
	if t.keeps(in.Host) {
		t.leaveBehind(in)
		return ""
	}
	in = t.instances.edit(in.ID)
	in.Goal, in.GoalAt = fleet.GoalStop, t.now
	t.event(fleet.EventInstanceStopping, subjectInstance(in.ID), in.Cause, about(in, fmt.Sprintf("%s is asked to stop: no balancer sends to it", in)))
	t.dirtyHost[in.Host] = true
	t.dirtyPool[in.Service] = true
	return ""
}

// planRemoval lets every instance go, and the service with the last.
func (t *tx) planRemoval(key fleet.ServiceKey) {
	s := t.services.get(key)
	members := t.members(key)
	left := 0
	for _, in := range members {
		if in.Goal == fleet.GoalRun && !t.frozen(in) {
			t.leave(s, in, "the service is removed")
		}
		if !t.onlyStopIsLeft(in) {
			left++
		}
	}
	if left > 0 {
		return
	}
	for _, poolKey := range t.pools.keys(PoolKey.less) {
		if poolKey.Service == key {
			t.dirtyPool[key] = true
			return
		}
	}
	t.event(fleet.EventServiceRemoved, subjectService(key), s.Cause, fleet.EventData{Message: fmt.Sprintf("%s is gone; its volumes stay", key), Service: &key})
	t.numbersGoOn(s)
	t.dirtyMembers(key)
	t.services.delete(key)
	t.revised[key.Project] = true
	for _, in := range members {
		t.dirtyHost[in.Host] = true // only its stop is left there
	}
	t.forgetDocument(key.Project)
	t.namesChanged(key.Project)
}

// forgetDocument drops a project's document with its last service.
func (t *tx) forgetDocument(project string) {
	ofProject := func(key fleet.ServiceKey) bool { return key.Project == project }
	if !slices.ContainsFunc(t.services.keys(fleet.ServiceKey.Less), ofProject) {
		t.documents.delete(project)
	}
}

// onlyStopIsLeft: no balancer has the instance any more, and its host isn't
// there to stop it. The stop waits in the host's desired state, and needs no
// service for that.
func (t *tx) onlyStopIsLeft(in *Instance) bool {
	l := t.live.get(in.Host)
	if in.Goal != fleet.GoalStop || l == nil || l.State == fleet.HostUp || l.State == fleet.HostUnknown {
		return false
	}
	if !in.Lost {
		t.instances.edit(in.ID).Lost = true
	}
	return true
}

// stays says which instances a drained host keeps because of their data.
func (t *tx) stays(s *Service) (reasons []string) {
	if !s.Asked.Spec.Pinned() || s.Asked.Mode == fleet.ModeGlobal {
		return nil
	}
	for _, in := range t.members(s.Asked.Key) {
		h := t.hosts.get(in.Host)
		if in.Goal == fleet.GoalRun && h != nil && h.Availability == fleet.AvailabilityDrain && !h.withoutData() {
			reasons = append(reasons, fmt.Sprintf(heldPrefix+"its data is on %s, which is drained; instance %s stays there", in.Host, in.ID))
		}
	}
	return reasons
}

// frozen: the instance's host is, so nothing about the instance changes.
func (t *tx) frozen(in *Instance) bool {
	h := t.hosts.get(in.Host)
	return h != nil && h.Frozen
}

// frozenReasons says what would change if its host weren't frozen.
func (t *tx) frozenReasons(s *Service) (reasons []string) {
	for _, in := range t.members(s.Asked.Key) {
		if !t.frozen(in) || !s.Removing && (in.Lost || in.Goal == fleet.GoalRun && !t.outdated(s, in)) {
			continue
		}
		reasons = append(reasons, fmt.Sprintf(heldPrefix+"instance %s stays as it is: %s is frozen (muster unfreeze host:%s)", in.ID, in.Host, in.Host))
	}
	return reasons
}

// stopFirst services can't have two instances side by side.
func stopFirst(s *Service) bool {
	return s.Asked.Spec.Pinned() || len(s.Asked.Spec.FixedPorts()) > 0
}

// surge is how many instances are replaced at the same time: a quarter, rounded
// up. One by one, ten would take ten starts one after another; with all at once,
// the hosts would need room for twice as many, and a version that never gets
// ready would have taken it all.
func surge(count int) int { return (count + 3) / 4 }

// carryOut adds and removes what was decided. only restricts new instances to
// one host.
func (t *tx) carryOut(s *Service, next rollout.Next, only string) (reasons []string) {
	for _, id := range next.Leave {
		in := t.instances.get(id)
		if next.First {
			if why := t.successor(s, in, t.candidates(s, t.siblings(s, t.around(s, only)), only)); why != "" {
				return append(reasons, why)
			}
		}
		t.leave(s, in, "")
	}
	if len(next.Old) > 0 {
		if reason := t.placeAll(former(s), next.Old, only); reason != "" {
			reasons = append(reasons, reason)
		}
	}
	if reason := t.placeAll(s, next.Add, only); reason != "" {
		return append(reasons, reason)
	}
	t.placeAll(s, next.More, only) // who finds no host comes later
	return reasons
}

// former is the service as it was before the rollout that is under way.
func former(s *Service) *Service {
	old := *s
	old.Version = s.Rollout.From
	old.Asked.Spec = s.Versions[old.Version].Spec
	return &old
}

// leave begins an instance's way out: through the drain barrier, then stopped.
func (t *tx) leave(s *Service, in *Instance, why string) {
	if why == "" {
		why = t.leaveReason(s, in)
	}
	cause := t.event(fleet.EventInstanceDraining, subjectInstance(in.ID), t.causeOf(s, in), about(in, fmt.Sprintf("%s leaves: %s", in, why)))
	in = t.instances.edit(in.ID)
	in.Goal, in.GoalAt, in.Cause = fleet.GoalDrain, t.now, cause
	t.dirtyHost[in.Host] = true // the cause is part of its desired state
	t.dirtyPool[in.Service] = true
	t.touch(in.Service)
}

func (t *tx) leaveReason(s *Service, in *Instance) string {
	h := t.hosts.get(in.Host)
	switch {
	case s.Stopped:
		return "the service is stopped"
	case s.stoppedOn(in.Host):
		return "the service is stopped on " + in.Host
	case in.Version != s.Version:
		return fmt.Sprintf("version %d replaces %d", s.Version, in.Version)
	case in.Born < s.Restarted:
		return "the service restarts"
	case in.Born < s.RestartedOn[in.Host]:
		return "the service restarts on " + in.Host
	case s.Rebalance.moves(in.ID):
		return s.Rebalance.Moves[0].To + " suits it better"
	case t.homeOf(s, in.Slot) != "" && t.homeOf(s, in.Slot) != in.Host:
		return "the data of its slot is on " + t.homeOf(s, in.Slot)
	case h != nil && h.Leaving != nil:
		return "its host leaves the fleet"
	case h != nil && h.Availability == fleet.AvailabilityDrain:
		return "its host is drained"
	case h != nil && !suits(h, h.ID, s.Asked.Constraints):
		return "its host doesn't suit it any more"
	default:
		return "one fewer is wanted"
	}
}

func (t *tx) causeOf(s *Service, in *Instance) string {
	h := t.hosts.get(in.Host)
	if in.Version == s.Version && in.Born >= max(s.Restarted, s.RestartedOn[in.Host]) && !s.Stopped && !s.stoppedOn(in.Host) && h != nil && h.Availability == fleet.AvailabilityDrain {
		return h.Cause
	}
	return s.Cause
}
