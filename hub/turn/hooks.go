package turn

import (
	"fmt"
	"time"

	"github.com/musterhq/muster/hub/rollout"
	"github.com/musterhq/muster/shared/fleet"
)

// hook is the last question to a hook that a rollout has come to.
type hook struct {
	rollout  uint64
	at, url  string
	asked    time.Time
	answered bool
	verdict  string
	reason   string
}

// hook asks a hook that is due, at each interval until it has said continue or back.
// That it continues is kept, so that it isn't asked again.
func (t *tx) hook(s *Service, r *fleet.Rollout, at, url string) rollout.Verdict {
	key := s.Asked.Key
	h := t.hooks.get(key)
	if h == nil || h.rollout != r.ID || h.at != at || h.url != url {
		h = &hook{rollout: r.ID, at: at, url: url}
		t.hooks.put(key, h)
	}
	waited := t.now.Sub(h.asked)
	if h.verdict != JudgeBack && (h.answered && waited >= r.Spec.Verify.Interval.D() || !h.answered && waited >= unanswered) {
		h = t.hooks.edit(key)
		h.asked, h.answered = t.now, false
		t.out.Judge = append(t.out.Judge, JudgeAsk{Service: key, Rollout: *r, Hook: url, At: at})
	}
	switch {
	case h.verdict == JudgeBack:
		return rollout.Verdict{Result: rollout.Fails, Why: fmt.Sprintf("%s (%s) says back: %s", url, at, h.reason)}
	case h.reason != "":
		return rollout.Verdict{Result: rollout.Inconclusive, Why: fmt.Sprintf("%s (%s) doesn't say continue: %s", url, at, h.reason)}
	}
	return rollout.Verdict{Result: rollout.Inconclusive, Why: fmt.Sprintf("%s is being asked (%s)", url, at)}
}

// hooked takes a hook's answer, if the rollout still waits for it.
func (t *tx) hooked(in JudgedIn) {
	h, s := t.hooks.get(in.Service), t.services.get(in.Service)
	if s == nil || s.Rollout == nil || s.Rollout.ID != in.Rollout || h == nil || h.rollout != in.Rollout || h.at != in.At || h.url != in.Hook {
		return
	}
	h = t.hooks.edit(in.Service)
	h.answered, h.verdict, h.reason = true, in.Verdict, fleet.Clip(in.Reason, fleet.MaxReason/4)
	if in.Verdict == JudgeContinue && findJob(s.Rollout, in.At, in.Hook) == nil {
		next := *s.Rollout
		next.Jobs = append(stillOfUse(&next, in.At), fleet.RolloutJob{At: in.At, Service: in.Hook, Done: true})
		t.services.edit(in.Service).Rollout = &next
	}
	t.touch(in.Service)
}
