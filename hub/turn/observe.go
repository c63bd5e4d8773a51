package turn

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/hub/rollout"
	"github.com/musterhq/muster/shared/fleet"
)

// observe is what a service's rollout goes by.
func (t *tx) observe(s *Service, r *fleet.Rollout) rollout.Observed {
	o := rollout.Observed{Count: t.wanted(s)}
	o.Unprepared, o.Unfetched = t.unprepared(s)
	o.Stale, o.Older = t.stale(s), t.older(s, r)
	heard, w := t.heardAll(s, r.Unheard), t.weightsOf(s, r)
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
		if heard && t.inEffect(s, w, in) {
			side.Serving++
		}
		if in.Version != r.To {
			continue
		}
		restarts, why := t.restarts(in)
		if o.Restarts += restarts; restarts > worst {
			worst, o.Crashed = restarts, why
		}
		if waits := t.now.Sub(later(in.since(), r.Since)); !in.Ready && waits > r.Spec.HealthyWithin.D() && t.isUp(in.Host) { // from when somebody looked
			o.Unready = fmt.Sprintf("instance %s on %s isn't ready after %s%s", in.ID, in.Host, r.Spec.HealthyWithin.D(), t.reasonOf(in))
		}
	}
	o.Jobs = t.jobs(s, r, o.Unprepared == "" && o.Unfetched == "")
	o.Verdict = t.verdict(s, r)
	t.holdBack(s, r, &o)
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
// themselves may live, and those that don't take their pool: what they do can't be
// known.
func (t *tx) stale(s *Service) string {
	var silent, behind []string
	for _, key := range t.balancersOf(s) {
		l := t.live.get(key.Host)
		switch {
		case l == nil || l.State == fleet.HostUnknown || t.unreachable(key):
		case !t.driven(key):
			silent = append(silent, key.String())
		default:
			if why := t.refuses(key, s.Asked.Key); why != "" {
				behind = append(behind, fmt.Sprintf("%s doesn't take its pool: %s", key, why))
			}
		}
	}
	if len(silent) > 0 {
		behind = append(behind, fmt.Sprintf("%s: no agent is heard that drives it (if it is gone for good: muster lb forget %s)", strings.Join(silent, ", "), silent[0]))
	}
	return strings.Join(behind, "; ")
}

// refuses says why a balancer that is heard keeps an older pool of a service.
func (t *tx) refuses(key fleet.BalancerKey, service fleet.ServiceKey) string {
	p, l := t.pools.get(PoolKey{Host: key.Host, Service: service}), t.live.get(key.Host)
	report := l.pools[key.Name][service]
	if p == nil || report == nil || report.Generation >= p.Pool.Generation {
		return ""
	}
	return cmp.Or(report.Problem, troubles(l.Actual)[key.Name])
}

// heardAll: every balancer of a service that lives is heard, or needn't be, and has
// the pool as published.
func (t *tx) heardAll(s *Service, unheard bool) bool {
	for _, key := range t.balancersOf(s) {
		if !t.driven(key) {
			if !unheard && !t.unreachable(key) {
				return false
			}
			continue
		}
		p := t.pools.get(PoolKey{Host: key.Host, Service: s.Asked.Key})
		report := t.live.get(key.Host).pools[key.Name][s.Asked.Key]
		if p == nil || report == nil || report.Generation < p.Pool.Generation && !unheard {
			return false
		}
	}
	return true
}

// inEffect: an instance is in every balancer as a rollout wants it now: with
// traffic, or known and checked where its version is to have none yet.
func (t *tx) inEffect(s *Service, w weights, in *Instance) bool {
	if !in.Ready {
		return false
	}
	if w.of(in.Version) > 0 {
		return t.serving(s, in)
	}
	for _, key := range t.balancersOf(s) {
		if t.driven(key) && check(t.live.get(key.Host).pools[key.Name][in.Service], in.ID) != fleet.CheckPassing {
			return false
		}
	}
	return true
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

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
