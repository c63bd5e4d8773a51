package simtest

import (
	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// enoughStay: whoever is ready leaves only while as many others are ready as are
// asked for. Where an old instance has to be gone before the new one can come, that
// can't be; and a version that a rollout goes back from, beside the old one, counts
// for nothing.
func (k *checker) enoughStay(left []turn.Instance) {
	for i := range left {
		in := &left[i]
		s, known := k.services[in.Service]
		if !known || s.Removing || in.Lost || !in.Ready || stopsFirst(&s) || k.hosts[in.Host].Failed || discarded(s.Rollout, in.Version) || k.besides(&s, in.Version) {
			continue
		}
		ready := 0
		for _, other := range k.instances {
			if other.Service != in.Service || other.Goal != fleet.GoalRun {
				continue
			}
			if known := k.stored(other.ID); other.Ready || known != nil && known.Ready { // a restored hub may know it from before
				ready++
			}
		}
		if ready < wanted(&s) && !stoppedOn(&s, in.Host) {
			k.sim.violate("%s leaves (%s), and only %d of %d are ready besides", in, in.Cause, ready, wanted(&s))
		}
	}
}

// stopsFirst: a service's instances can't be there beside each other, or aren't to.
func stopsFirst(s *turn.Service) bool {
	r := s.Rollout
	return s.Asked.Mode != fleet.ModeReplicated || s.Asked.Spec.Pinned() || len(s.Asked.Spec.FixedPorts()) > 0 ||
		r != nil && (r.Spec.StopFirst || r.Spec.Strategy == fleet.StrategyRecreate)
}

// besides: a version that a rollout beside the old one has nothing to do with is of no
// help either, while the old one has all its instances: it is given no traffic.
func (k *checker) besides(s *turn.Service, version int) bool {
	r := s.Rollout
	if r == nil || r.Over() || !r.Beside() || version == r.From || version == r.To {
		return false
	}
	present, ready := 0, false
	for _, in := range k.instances {
		if in.Service == s.Asked.Key && in.Goal == fleet.GoalRun && in.Version == r.From {
			present, ready = present+1, ready || in.Ready
		}
	}
	return ready && present >= wanted(s)
}

func discarded(r *fleet.Rollout, version int) bool {
	return r != nil && r.Beside() && version != r.From && (r.State == fleet.RolloutRollingBack || r.State == fleet.RolloutRollbackPaused)
}
