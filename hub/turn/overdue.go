package turn

import (
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// overdue says which phase of an instance has lasted too long, and the way
// out; empty: none has. The text stays the same while that lasts, so that it
// becomes one event. What keeps an instance on a host that isn't heard is
// giveUp's to say.
func (t *tx) overdue(s *Service, in *Instance) string {
	l := t.live.get(in.Host)
	if s.Asked.Mode == fleet.ModeJob || l == nil || l.State != fleet.HostUp || t.maintained(in.Host) || t.outdated(s, in) && in.Goal == fleet.GoalRun {
		return ""
	}
	waited := t.now.Sub(in.since())
	var what string
	switch {
	case in.Goal == fleet.GoalStop && waited > t.s.opts.StopAfter+t.stopGrace(in):
		what = fmt.Sprintf("is to stop and isn't gone after %s; muster host %s shows what its engine says", t.s.opts.StopAfter+t.stopGrace(in), in.Host)
	case in.Goal != fleet.GoalRun || waited <= t.s.opts.ReadyAfter:
		return ""
	case !in.Ready:
		what = fmt.Sprintf("isn't ready after %s; see muster logs %s, and apply what works: it takes over at once", t.s.opts.ReadyAfter, in.ID)
	case s.Converged != s.Generation:
		silent := t.withoutTraffic(s, in)
		if len(silent) == 0 || t.idle(s, in) {
			return ""
		}
		what = fmt.Sprintf("is ready and has no traffic from %s after %s; see muster lb show %s, and if a balancer is gone for good: muster lb forget %s",
			strings.Join(silent, ", "), t.s.opts.ReadyAfter, in.Service, silent[0])
	default:
		return ""
	}
	return fmt.Sprintf(heldPrefix+"instance %s on %s %s", in.ID, in.Host, what)
}

// since is when the instance came to where it is now.
func (in *Instance) since() time.Time {
	if in.Goal == fleet.GoalRun && in.ReadyAt.After(in.GoalAt) {
		return in.ReadyAt
	}
	return in.GoalAt
}

func (t *tx) stopGrace(in *Instance) time.Duration {
	if v := t.versionOf(in); v != nil {
		return v.Spec.StopWithin()
	}
	return 0
}

// barrierWaits says in words which balancers an instance that leaves waits
// for. After the time that draining may take a person has to know.
func (t *tx) barrierWaits(s *Service, in *Instance, waits []fleet.BalancerKey) string {
	limit := t.s.opts.BarrierAfter + fleet.DefaultDrainTimeout
	if s.Asked.Balancing != nil {
		limit = t.s.opts.BarrierAfter + s.Asked.Balancing.DrainTimeout.Or(fleet.DefaultDrainTimeout)
	}
	if t.now.Sub(in.GoalAt) <= limit {
		return t.draining(in)
	}
	names := make([]string, 0, len(waits))
	for _, key := range waits {
		names = append(names, key.String())
	}
	return fmt.Sprintf(heldPrefix+"instance %s on %s isn't stopped, because %s may still send to it; see muster lb show %s, and if a balancer is gone for good: muster lb forget %s",
		in.ID, in.Host, strings.Join(names, ", "), in.Service, names[0])
}
