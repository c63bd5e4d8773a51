package turn

import (
	"github.com/musterhq/muster/hub/placement"
	"github.com/musterhq/muster/hub/rollout"
	"github.com/musterhq/muster/shared/fleet"
)

// rolloutMembers are a service's instances, as what is next is decided by.
func (t *tx) rolloutMembers(s *Service, members []*Instance) []rollout.Member {
	out := make([]rollout.Member, 0, len(members))
	for _, in := range members {
		weight, groups := 1.0, []string(nil)
		if h := t.hosts.get(in.Host); h != nil {
			weight, groups = placement.Capacity(float64(h.Facts.CPUs), h.Facts.Memory), placement.Groups(s.Asked.Spread, h.Facts.Labels)
		}
		out = append(out, rollout.Member{
			ID:        in.ID,
			Slot:      in.Slot,
			Host:      in.Host,
			Leaving:   in.Goal != fleet.GoalRun,
			Lost:      in.Lost,
			Outdated:  t.outdated(s, in),
			Former:    in.Version != s.Version,
			Displaced: t.displaced(s, in) || superseded(s, in),
			Stable:    s.Rollout != nil && in.Version == s.Rollout.From,
			Frozen:    t.frozen(in),
			Ready:     in.Ready,
			Serving:   t.serving(s, in),
			Weight:    weight,
			Groups:    groups,
		})
	}
	return out
}

// superseded: an instance came with a rollout that another took the place of, so it
// belongs to neither side of that one.
func superseded(s *Service, in *Instance) bool {
	r := s.Rollout
	return r != nil && r.Beside() && in.Version != r.From && in.Version != r.To
}

func (t *tx) outdated(s *Service, in *Instance) bool {
	return in.Version != s.Version || t.displaced(s, in)
}

// displaced: an instance has to restart, or to leave its host, whatever its version.
func (t *tx) displaced(s *Service, in *Instance) bool {
	if in.Born < max(s.Restarted, s.RestartedOn[in.Host]) || s.Rebalance.moves(in.ID) {
		return true
	}
	h := t.hosts.get(in.Host)
	switch {
	case h == nil, s.Asked.Spec.Pinned() && s.Asked.Mode == fleet.ModeGlobal:
		return false
	case s.Asked.Spec.Pinned(): // where its data is, unless somebody gave that up
		home := t.homeOf(s, in.Slot)
		return h.withoutData() || home != "" && home != in.Host
	}
	return h.Availability == fleet.AvailabilityDrain || s.stoppedOn(in.Host) || !suits(h, h.ID, s.Asked.Constraints)
}

// serving instances are ready, and every balancer that is heard gives them
// traffic.
func (t *tx) serving(s *Service, in *Instance) bool {
	if !in.Ready {
		return false
	}
	return len(t.withoutTraffic(s, in)) == 0
}

// withoutTraffic names the balancers that are heard and send the instance none.
func (t *tx) withoutTraffic(s *Service, in *Instance) (names []string) {
	for _, key := range t.balancersOf(s) {
		l := t.live.get(key.Host)
		if t.driven(key) && !inForce(l.pools[key.Name][in.Service], in.ID) {
			names = append(names, key.String())
		}
	}
	return names
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

// suits reports whether a host meets constraints.
func suits(h *Host, id string, constraints []fleet.Constraint) bool {
	traits := placement.TraitsOf(id, &h.Facts)
	return placement.Unsuited(constraints, &traits) == ""
}
