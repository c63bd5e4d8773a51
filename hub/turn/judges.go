package turn

import (
	"fmt"
	"slices"
	"time"

	"github.com/musterhq/muster/hub/rollout"
	"github.com/musterhq/muster/shared/fleet"
)

// What a judge can say.
const (
	JudgeContinue = "continue"
	JudgeHold     = "hold"
	JudgeBack     = "back"
)

// JudgeAsk has the hub's shell ask somebody outside about a rollout; it answers
// JudgedIn.
type JudgeAsk struct {
	Service fleet.ServiceKey
	Rollout fleet.Rollout // as it is, for the judge to see
	Index   int           // of its Spec.Verify.Judges; without meaning for a hook
	Hook    string        // the URL of one that is due; empty: a judge is asked
	At      string        // where the hook is due: "before", "step 2" or "after"
}

// Answer is what that judge said; no verdict: it couldn't be asked, or didn't know.
func (a JudgeAsk) Answer(verdict, reason string) JudgedIn {
	return JudgedIn{
		Service: a.Service, Rollout: a.Rollout.ID, Served: a.Rollout.Served, Index: a.Index, Hook: a.Hook, At: a.At,
		Verdict: verdict, Reason: reason,
	}
}

// JudgedIn is what a judge said.
type JudgedIn struct {
	Service fleet.ServiceKey
	Rollout uint64    // its id
	Served  time.Time // as the rollout had it: it is about that step
	Index   int
	Hook    string
	At      string
	Verdict string
	Reason  string

	asked time.Time
}

func (JudgedIn) input() {}

// judgment is what judges have said about a step of a rollout.
type judgment struct {
	rollout uint64
	served  time.Time // when all of the step served
	asked   time.Time // last
	open    int       // of those questions, not answered yet
	said    map[int]JudgedIn
}

// unanswered is after how long nobody waits for an answer any more.
const unanswered = 10 * time.Second

// judge joins what the judges say. They are asked at each interval, and once more at
// the end of the step: nobody passes it on what was said at its beginning.
func (t *tx) judge(s *Service, r *fleet.Rollout) rollout.Verdict {
	judges := r.Spec.Verify.Judges
	if len(judges) == 0 {
		return rollout.Verdict{Result: rollout.Passes}
	}
	if r.Served.IsZero() {
		return rollout.Verdict{Result: rollout.Inconclusive, Why: "it doesn't serve yet"}
	}
	key, end := s.Asked.Key, rollout.HeldUntil(r)
	j := t.judgments.get(key)
	if j == nil || j.rollout != r.ID || !j.served.Equal(r.Served) {
		j = &judgment{rollout: r.ID, served: r.Served}
		t.judgments.put(key, j)
	}
	atEnd := !t.now.Before(end)
	waited := t.now.Sub(j.asked)
	if (waited >= r.Spec.Verify.Interval.D() || atEnd && j.asked.Before(end)) && (j.open == 0 || waited >= unanswered) {
		j = t.judgments.edit(key)
		j.asked, j.open = t.now, len(judges)
		for i := range judges {
			t.out.Judge = append(t.out.Judge, JudgeAsk{Service: key, Rollout: *r, Index: i})
		}
	}
	verdict := rollout.Verdict{Result: rollout.Passes}
	for i := range judges {
		said, heard := j.said[i]
		switch {
		case said.Verdict == JudgeBack:
			return rollout.Verdict{Result: rollout.Fails, Why: fmt.Sprintf("judge %d says back: %s", i+1, said.Reason)}
		case said.Verdict == JudgeHold:
			verdict = rollout.Verdict{Result: rollout.Held, Why: fmt.Sprintf("judge %d says hold: %s", i+1, said.Reason)}
		case !heard, said.Verdict == JudgeContinue && atEnd && said.asked.Before(end):
			verdict = rollout.Verdict{Result: rollout.Held, Why: fmt.Sprintf("judge %d is being asked", i+1)}
		case said.Verdict != JudgeContinue:
			verdict = rollout.Verdict{Result: rollout.Held, Why: fmt.Sprintf("judge %d can't say: %s", i+1, said.Reason)}
		}
	}
	return verdict
}

// judged takes what a judge said, if that is still what was asked.
func (t *tx) judged(in JudgedIn) {
	if in.Hook != "" {
		t.hooked(in)
		return
	}
	j := t.judgments.get(in.Service)
	if j == nil || j.rollout != in.Rollout || !j.served.Equal(in.Served) {
		return
	}
	if !slices.Contains([]string{JudgeContinue, JudgeHold, JudgeBack}, in.Verdict) {
		in.Verdict = ""
	}
	j = t.judgments.edit(in.Service)
	in.Reason, in.asked = fleet.Clip(in.Reason, fleet.MaxReason/4), j.asked
	j.said, j.open = with(j.said, in.Index, in), max(0, j.open-1)
	t.touch(in.Service)
}
