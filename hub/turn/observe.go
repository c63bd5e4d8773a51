package turn

import (
	"fmt"
	"strings"

	"github.com/musterhq/muster/hub/rollout"
	"github.com/musterhq/muster/shared/fleet"
)

// observe is what a service's rollout goes by.
func (t *tx) observe(s *Service, r *fleet.Rollout) rollout.Observed {
	o := rollout.Observed{Count: t.wanted(s)}
	o.Unprepared, o.Unfetched = t.unprepared(s)
	o.Stale, o.Older = t.stale(s), t.older(s, r)
	heard := t.heardAll(s)
	worst := 0
	for _, in := range t.members(s.Asked.Key) {
		side := &o.Old
		if in.Version == r.To || r.State == fleet.RolloutRollingBack && in.Version != r.From || r.State == fleet.RolloutRollbackPaused && in.Version != r.From {
			side = &o.New
		}
		if in.Goal != fleet.GoalRun {
			side.Leaving++
			if in.Lost {
				side.Lost++
			}
			continue
		}
		side.Present++
		if in.Ready {
			side.Ready++
		}
		if heard && t.inEffect(s, r, in) {
			side.Serving++
		}
		if in.Version != r.To {
			continue
		}
		restarts, why := t.restarts(in)
		if o.Restarts += restarts; restarts > worst {
			worst, o.Crashed = restarts, why
		}
		if !in.Ready && t.now.Sub(in.since()) > r.Spec.HealthyWithin.D() && t.isUp(in.Host) {
			o.Unready = fmt.Sprintf("instance %s on %s isn't ready after %s%s", in.ID, in.Host, r.Spec.HealthyWithin.D(), t.reasonOf(in))
		}
	}
	o.Jobs = t.jobs(s, r, o.Unprepared == "" && o.Unfetched == "")
	o.Verdict = t.verdict(s, r)
	return o
}

func (t *tx) isUp(host string) bool {
	l := t.live.get(host)
	return l != nil && l.State == fleet.HostUp
}

func (t *tx) reasonOf(in *Instance) string {
	if l := t.live.get(in.Host); l != nil && l.instances[in.ID] != nil && l.instances[in.ID].Reason != "" {
		return ": " + l.instances[in.ID].Reason
	}
	return ""
}

// restarts are how often an instance ended by itself.
func (t *tx) restarts(in *Instance) (n int, why string) {
	l := t.live.get(in.Host)
	if l == nil || l.instances[in.ID] == nil {
		return 0, ""
	}
	a := l.instances[in.ID]
	if n = a.Restarts; a.Phase == fleet.PhaseExited {
		n++
	}
	why = fmt.Sprintf("instance %s on %s ended by itself", in.ID, in.Host)
	if a.Reason != "" {
		why += ": " + a.Reason
	}
	return n, why
}

// stale names the balancers of a service whose agents are silent while they
// themselves may live: what they do can't be known.
func (t *tx) stale(s *Service) string {
	var silent []string
	for _, key := range t.balancersOf(s) {
		if l := t.live.get(key.Host); l != nil && l.State != fleet.HostUnknown && !t.driven(key) && !t.unreachable(key) {
			silent = append(silent, key.String())
		}
	}
	if len(silent) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: no agent is heard that drives it (if it is gone for good: muster lb forget %s)", strings.Join(silent, ", "), silent[0])
}

// heardAll: every balancer of a service that lives is heard, and has the pool as
// published.
func (t *tx) heardAll(s *Service) bool {
	for _, key := range t.balancersOf(s) {
		if !t.driven(key) {
			if !t.unreachable(key) {
				return false
			}
			continue
		}
		p := t.pools.get(PoolKey{Host: key.Host, Service: s.Asked.Key})
		report := t.live.get(key.Host).pools[key.Name][s.Asked.Key]
		if p == nil || report == nil || report.Generation < p.Pool.Generation {
			return false
		}
	}
	return true
}

// inEffect: an instance is in every balancer as a rollout wants it now: with
// traffic, or known and checked where its version is to have none yet.
func (t *tx) inEffect(s *Service, r *fleet.Rollout, in *Instance) bool {
	if !in.Ready {
		return false
	}
	if !t.idle(s, r, in) {
		return t.serving(s, in)
	}
	for _, key := range t.balancersOf(s) {
		if t.driven(key) && check(t.live.get(key.Host).pools[key.Name][in.Service], in.ID) != fleet.CheckPassing {
			return false
		}
	}
	return true
}

// idle: a rollout wants an instance to have no traffic now, though it is ready.
func (t *tx) idle(s *Service, r *fleet.Rollout, in *Instance) bool {
	if r == nil {
		return false
	}
	w := rollout.Wants(r, s.Asked.Count, t.now).Weight
	return w == 0 && in.Version == r.To || w == 100 && in.Version != r.To
}

// hasFormer: instances of the version that a rollout came from are still there.
func (t *tx) hasFormer(s *Service) bool {
	for _, in := range t.members(s.Asked.Key) {
		if in.Goal == fleet.GoalRun && in.Version != s.Version {
			return true
		}
	}
	return false
}

// weights are those of the new version's instances and of all others.
func (t *tx) weights(s *Service) (news, olds int) {
	r := s.Rollout
	if r == nil {
		return rollout.Weights(0, 0, rollout.Natural)
	}
	w := rollout.Wants(r, s.Asked.Count, t.now)
	for _, in := range t.members(s.Asked.Key) {
		switch {
		case in.Goal != fleet.GoalRun || !in.Ready:
		case in.Version == r.To:
			news++
		default:
			olds++
		}
	}
	if w.Back && olds < s.Asked.Count { // not whole: all carry on until it is
		w.Weight = rollout.Natural
	}
	if w.Weight == 0 && olds == 0 || w.Weight == 100 && news == 0 {
		return rollout.Weights(0, 0, rollout.Natural)
	}
	return rollout.Weights(max(news, 1), max(olds, 1), w.Weight)
}
