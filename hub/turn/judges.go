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
	Index   int           // of its Spec.Verify.Judges
}

// JudgedIn is what a judge said; no Verdict: it couldn't be asked, or didn't know.
type JudgedIn struct {
	Service fleet.ServiceKey
	Rollout uint64 // its id
	Index   int
	Verdict string
	Reason  string
}

func (JudgedIn) input() {}

// judgment is what judges have said about a step of a rollout.
type judgment struct {
	rollout uint64
	since   time.Time // when all of the step served
	asked   time.Time
	said    map[int]JudgedIn
}

// judge joins what the judges say, and has them asked again when it is time.
func (t *tx) judge(s *Service, r *fleet.Rollout) rollout.Verdict {
	judges := r.Spec.Verify.Judges
	if len(judges) == 0 {
		return rollout.Verdict{Result: rollout.Passes}
	}
	if r.Served.IsZero() {
		return rollout.Verdict{Result: rollout.Inconclusive, Why: "it doesn't serve yet"}
	}
	key := s.Asked.Key
	j := t.judgments.get(key)
	if j == nil || j.rollout != r.ID || !j.since.Equal(r.Served) {
		j = &judgment{rollout: r.ID, since: r.Served}
		t.judgments.put(key, j)
	}
	if t.now.Sub(j.asked) >= r.Spec.Verify.Interval.D() {
		j = t.judgments.edit(key)
		j.asked = t.now
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
		case !heard:
			verdict = rollout.Verdict{Result: rollout.Held, Why: fmt.Sprintf("judge %d is being asked", i+1)}
		case said.Verdict != JudgeContinue:
			verdict = rollout.Verdict{Result: rollout.Held, Why: fmt.Sprintf("judge %d can't say: %s", i+1, said.Reason)}
		}
	}
	return verdict
}

// judged takes what a judge said.
func (t *tx) judged(in JudgedIn) {
	j := t.judgments.get(in.Service)
	if j == nil || j.rollout != in.Rollout {
		return
	}
	if !slices.Contains([]string{JudgeContinue, JudgeHold, JudgeBack}, in.Verdict) {
		in.Verdict = ""
	}
	in.Reason = fleet.Clip(in.Reason, fleet.MaxReason/4)
	j = t.judgments.edit(in.Service)
	j.said = with(j.said, in.Index, in)
	t.touch(in.Service)
}
