package simtest

import (
	"reflect"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// numbered looks whether a version is still what it was when its number was first
// given: for ever, though it may be forgotten in the meantime.
func (k *checker) numbered(s *turn.Service) {
	for number, v := range s.Versions {
		at := versionOf{s.Asked.Key, number}
		first, known := k.versions[at]
		v.Balancing = nil // how it is offered may change
		switch {
		case !known:
		case v.Pin == "" && k.removed[s.Asked.Key]: // a host that was away has brought it back
			v.Pin = first.Pin
		case first.Pin != "" && first.Pin != v.Pin:
			k.sim.violate("version %d of %s is of %s, and was of %s", number, s.Asked.Key, v.Pin, first.Pin)
		case !reflect.DeepEqual(first.Spec, v.Spec) || !first.Created.Equal(v.Created):
			k.sim.violate("version %d of %s is another than it was", number, s.Asked.Key)
		}
		k.versions[at] = v
	}
	if _, kept := s.Versions[s.Version]; !kept && len(s.Versions) > 0 {
		k.sim.violate("%s is at version %d, which it doesn't keep", s.Asked.Key, s.Version)
	}
}

// strays: while a rollout is under way, nothing comes but what it leads from and to.
func (k *checker) strays(in *turn.Instance) {
	s := k.services[in.Service]
	if r := s.Rollout; r != nil && !k.adopted[in.Cause] && in.Version != s.Version && in.Version != r.From && in.Version != r.To && in.Goal == fleet.GoalRun {
		k.sim.violate("%s of version %d comes in the rollout from %d to %d", in, in.Version, r.From, r.To)
	}
}
