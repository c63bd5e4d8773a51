package turn

import (
	"fmt"
	"slices"

	"github.com/musterhq/muster/hub/placement"
	"github.com/musterhq/muster/shared/fleet"
)

// A service can be stopped: it keeps its count, and is wanted zero times until
// it is started. It can be stopped on one host, too: then its instances there
// leave, and none is placed there until it is started there. What has its data
// on a host rests meanwhile: nobody takes its slot, and it comes back to its
// data.

// count is how many instances of a replicated service are to run now.
func (t *tx) count(s *Service) int {
	switch {
	case s.Stopped:
		return 0
	case s.keepsData():
		return max(0, s.Asked.Count-len(s.Resting))
	}
	return s.Asked.Count
}

// keepsData: each slot of the service has data on a host, and stays there.
func (s *Service) keepsData() bool {
	return s.Asked.Spec.Pinned() && s.Asked.Mode == fleet.ModeReplicated
}

// stoppedOn: nothing of the service is to run on the host.
func (s *Service) stoppedOn(host string) bool { return slices.Contains(s.StoppedOn, host) }

// stoppedThere is why nothing of the service is placed on a host where it is
// stopped; empty: it isn't.
func (s *Service) stoppedThere(host string) string {
	if !s.stoppedOn(host) {
		return ""
	}
	return fmt.Sprintf("%s is stopped there (muster command %s start %s)", s.Asked.Key, host, s.Asked.Key)
}

// rest lets go of instances of a service that is stopped, and of those with data
// on a host where it is. Others that are to leave a host are followed elsewhere.
func (t *tx) rest(s *Service) *Service {
	if !s.Stopped && len(s.StoppedOn) == 0 && len(s.Resting) == 0 || s.Asked.Mode != fleet.ModeReplicated {
		return s
	}
	key, running := s.Asked.Key, 0
	for _, in := range t.members(key) {
		switch {
		case in.Goal != fleet.GoalRun:
		case !s.Stopped && (!s.stoppedOn(in.Host) || !s.keepsData()), t.frozen(in):
			running++
			if s.Resting[in.Slot] == in.Host { // it was left behind there, and taken in again
				s = t.services.edit(key)
				s.Resting = without(s.Resting, in.Slot)
			}
		default:
			if s.keepsData() {
				s = t.services.edit(key)
				s.Resting = with(s.Resting, in.Slot, in.Host)
			}
			t.leave(s, in, "")
		}
	}
	slots := sorted(s.Resting, byNumber)
	for i := max(0, s.Asked.Count-running); i < len(slots); i++ { // fewer are asked for by now
		s = t.services.edit(key)
		s.Resting = without(s.Resting, slots[i])
	}
	return s
}

// rouse has those come back to their data that rest where the service isn't
// stopped any more.
func (t *tx) rouse(s *Service) (reasons []string) {
	if s.Stopped || !s.keepsData() {
		return nil
	}
	key := s.Asked.Key
	for _, slot := range sorted(s.Resting, byNumber) {
		if s.stoppedOn(s.Resting[slot]) {
			continue
		}
		if slices.ContainsFunc(t.members(key), func(in *Instance) bool { return in.Slot == slot && !in.Lost }) {
			reasons = append(reasons, fmt.Sprintf("slot %d is started on %s when its former instance has stopped", slot, s.Resting[slot]))
			continue
		}
		if r := s.Rollout; r != nil && !r.Over() {
			return append(reasons, fmt.Sprintf("slot %d is started on %s when the rollout is over", slot, s.Resting[slot]))
		}
		if why := t.placeAll(s, []int{slot}, ""); why != "" {
			reasons = append(reasons, why)
			continue
		}
		s = t.services.edit(key)
		s.Resting = without(s.Resting, slot)
	}
	return reasons
}

// evict lets go of what is stopped where it runs, though nobody can follow it
// elsewhere: there are fewer then, and the reasons say so.
func (t *tx) evict(s *Service) {
	if s.Stopped || len(s.StoppedOn) == 0 || s.keepsData() || s.Asked.Mode != fleet.ModeReplicated || t.recovering() {
		return
	}
	members, staying := t.members(s.Asked.Key), 0
	var out []*Instance
	for _, in := range members {
		switch {
		case in.Goal != fleet.GoalRun || t.kept(s, in):
		case s.stoppedOn(in.Host) && !t.frozen(in):
			out = append(out, in)
		default:
			staying++
		}
	}
	if len(out) == 0 || staying >= t.count(s) {
		return
	}
	if host, _ := placement.Choose(placement.Of(&s.Asked, ""), t.candidates(s, t.siblings(s, members), "")); host != "" {
		return
	}
	for _, in := range out[:min(len(out), t.count(s)-staying)] {
		t.leave(s, in, "")
	}
}

// owed counts by host the instances of a service that are to restart there and
// that nobody follows yet.
func (t *tx) owed(s *Service, members []*Instance) map[string]int {
	if len(s.RestartedOn) == 0 {
		return nil
	}
	owed := map[string]int{}
	for _, in := range members {
		switch since := s.RestartedOn[in.Host]; {
		case since == 0 || in.Goal != fleet.GoalRun:
		case in.Born < since:
			owed[in.Host]++
		case !t.serving(s, in):
			owed[in.Host]--
		}
	}
	return owed
}

// preferred is the first host that is owed an instance.
func preferred(owed map[string]int) string {
	for _, host := range sorted(owed, byText) {
		if owed[host] > 0 {
			return host
		}
	}
	return ""
}
