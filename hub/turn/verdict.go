package turn

import (
	"time"

	"github.com/musterhq/muster/hub/rollout"
	"github.com/musterhq/muster/shared/fleet"
)

// window is the time over which a step of a rollout is judged.
type window struct {
	rollout uint64
	since   time.Time // when all of the step served
	hosts   map[string]counted
	judged  time.Time // last
	verdict rollout.Verdict
}

// counted is what a host's balancers had counted when the window began.
type counted struct {
	agentStart string
	counts     map[string]fleet.EndpointCounts // by balancer and instance
}

// verdict is what judges say of a rollout's step, and what the balancers have
// counted since all of it served.
func (t *tx) verdict(s *Service, r *fleet.Rollout) rollout.Verdict {
	judged := t.judge(s, r)
	if counted := t.byCounts(s, r); judged.Result == rollout.Passes || counted.Result == rollout.Fails {
		return counted
	}
	return judged
}

func (t *tx) byCounts(s *Service, r *fleet.Rollout) rollout.Verdict {
	if *r.Spec.Verify.Off || r.Beside() && r.Weight == 0 || s.Asked.Balancing == nil {
		return rollout.Verdict{Result: rollout.Passes}
	}
	if r.Served.IsZero() {
		return rollout.Verdict{Result: rollout.Inconclusive, Why: "it doesn't serve yet"}
	}
	news, olds := t.countsOf(s, r)
	if r.Stable != nil && olds.Requests == 0 {
		olds = rollout.Counts{Requests: r.Stable.Requests, Failed: r.Stable.Failed, Earlier: true}
	}
	w := t.windows.get(s.Asked.Key)
	due := w.judged.Add(r.Spec.Verify.Interval.D())
	if w.judged.IsZero() {
		due = earlier(w.since.Add(r.Spec.Verify.Interval.D()), rollout.HeldUntil(r))
	}
	if t.now.Before(due) {
		if plain := rollout.Judge(r.Spec.Verify, news, olds, rollout.Slightest); plain.Result == rollout.Fails {
			return plain
		}
		return w.verdict
	}
	w = t.windows.edit(s.Asked.Key)
	w.judged, w.verdict = t.now, rollout.Judge(r.Spec.Verify, news, olds, rollout.Reasonable)
	return w.verdict
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// remember keeps what was counted of the old version at the step that a rollout
// leaves: once the new one has all traffic, nothing is counted of it any more.
func (t *tx) remember(s *Service, before, next *fleet.Rollout) {
	if before.Served.IsZero() || before.State != fleet.RolloutProgressing || before.Step == next.Step && before.State == next.State {
		return
	}
	if _, olds := t.countsOf(s, before); olds.Requests > 0 {
		next.Stable = &fleet.RequestCounts{Requests: olds.Requests, Failed: olds.Failed}
	}
}

// measured: what the balancers count of a service is wanted, as its rollout is
// judged by it.
func measured(s *Service) bool {
	return s.Rollout != nil && !s.Rollout.Over() && !*s.Rollout.Spec.Verify.Off
}

// countsOf are the requests of both versions in the window, which begins when it
// is first asked for.
func (t *tx) countsOf(s *Service, r *fleet.Rollout) (news, olds rollout.Counts) {
	key := s.Asked.Key
	w := t.windows.get(key)
	if w == nil || w.rollout != r.ID || !w.since.Equal(r.Served) {
		w = &window{rollout: r.ID, since: r.Served, hosts: map[string]counted{}, verdict: rollout.Verdict{Result: rollout.Inconclusive, Why: "it isn't judged yet"}}
		t.windows.put(key, w)
	}
	for _, balancer := range t.balancersOf(s) {
		l := t.live.get(balancer.Host)
		if l == nil || l.Metrics == nil {
			continue
		}
		base, known := w.hosts[balancer.Host]
		if !known && l.Measured.Before(w.since) { // what came since belongs to an earlier time
			continue
		}
		if !known || base.agentStart != l.Metrics.AgentStart {
			base = counted{agentStart: l.Metrics.AgentStart, counts: byEndpoint(l.Metrics, key)}
			w = t.windows.edit(key)
			w.hosts = with(w.hosts, balancer.Host, base)
		}
		for name, now := range byEndpoint(l.Metrics, key) {
			side := &olds
			if now.Version == r.To {
				side = &news
			}
			was := base.counts[name]
			n := now.Requests - min(was.Requests, now.Requests)
			side.AverageMS += float64(n) * float64(now.AverageMS)
			side.Requests += n
			side.Failed += now.Failed - min(was.Failed, now.Failed)
		}
	}
	for _, side := range []*rollout.Counts{&news, &olds} {
		if side.Requests > 0 {
			side.AverageMS /= float64(side.Requests)
		}
	}
	return news, olds
}

func byEndpoint(m *fleet.Metrics, service fleet.ServiceKey) map[string]fleet.EndpointCounts {
	out := map[string]fleet.EndpointCounts{}
	for i := range m.Pools {
		if p := &m.Pools[i]; p.Service == service {
			for _, e := range p.Endpoints {
				out[p.Balancer+"/"+e.Instance] = e
			}
		}
	}
	return out
}
