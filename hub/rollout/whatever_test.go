package rollout

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/shared/fleet"
)

var states = []string{
	fleet.RolloutPreparing, fleet.RolloutProgressing, fleet.RolloutPaused, fleet.RolloutPromoting, fleet.RolloutSucceeded,
	fleet.RolloutRollingBack, fleet.RolloutRolledBack, fleet.RolloutRollbackPaused,
}

var strategies = []string{fleet.StrategyRolling, fleet.StrategyRecreate, fleet.StrategyCanary, fleet.StrategyBlueGreen}

// record is any that a store may have, whoever wrote it.
func record(t *rapid.T) fleet.Rollout {
	r := fleet.Rollout{
		ID: 7, From: 1, To: 2, Began: began, Since: began, Back: rapid.Bool().Draw(t, "back"),
		State:       rapid.SampledFrom(append(states, "", "unheard of")).Draw(t, "state"),
		PausedIn:    rapid.SampledFrom(append(states, "")).Draw(t, "paused in"),
		PauseReason: rapid.SampledFrom([]string{"", fleet.PauseManual, fleet.PauseInconclusive, fleet.PauseBalancer, fleet.PauseFailure}).Draw(t, "reason"),
		Step:        rapid.IntRange(-1, 5).Draw(t, "step"), Weight: rapid.IntRange(-1, 101).Draw(t, "weight"), Promoted: rapid.IntRange(0, 5).Draw(t, "promoted"),
	}
	if rapid.Bool().Draw(t, "served") {
		r.Served = began
	}
	r.Spec.Strategy = rapid.SampledFrom(append(strategies, "")).Draw(t, "strategy")
	for range rapid.IntRange(0, 3).Draw(t, "steps") {
		r.Spec.Steps = append(r.Spec.Steps, fleet.RolloutStep{Weight: rapid.IntRange(0, 100).Draw(t, "of")})
	}
	if rapid.Bool().Draw(t, "resolved") {
		r.Spec = Resolved(&r.Spec, rapid.IntRange(0, 5).Draw(t, "resolved for"))
	}
	return r
}

// Whatever a store has and whatever is observed, there is a next step, the same one
// each time, and every order has an answer.
func TestAnyRecordHasANextStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, now := record(t), began.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "s"))*time.Second)
		count := rapid.IntRange(0, 4).Draw(t, "count")
		o := observed(t, count)
		before := written(t, r)
		next := Step(r, o, now)
		if again := Step(r, o, now); written(t, next) != written(t, again) || written(t, r) != before {
			t.Fatalf("the same step isn't the same:\n%+v\n%+v", next, again)
		}
		for _, r := range []fleet.Rollout{r, next} {
			if w := Wants(&r, count, now); w.New < 0 || w.New > count || w.Old < 0 || w.Old > count || w.Most < 0 || w.Weight < Natural || w.Weight > 100 {
				t.Fatalf("%+v wants %+v", r, w)
			}
			ordered(t, r, now)
		}
	})
}

func written(t *rapid.T, r fleet.Rollout) string {
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// reached is a rollout after anything may have happened to it.
func reached(t *rapid.T) (r fleet.Rollout, count int, now time.Time) {
	off := rapid.Bool().Draw(t, "off")
	spec := fleet.RolloutSpec{
		Strategy: rapid.SampledFrom(strategies).Draw(t, "strategy"), Manual: rapid.Bool().Draw(t, "manual"),
		OnFailure: rapid.SampledFrom([]string{"", fleet.OnFailurePause}).Draw(t, "on failure"),
		Delay:     fleet.Duration(rapid.IntRange(0, 5).Draw(t, "delay")) * fleet.Duration(time.Second),
		Verify:    fleet.Verify{Off: &off},
	}
	count, now = rapid.IntRange(0, 5).Draw(t, "count"), began
	r = Begin(7, 1, 2, &spec, count, now)
	if rapid.IntRange(0, 4).Draw(t, "to an older one") == 0 {
		r = Back(r, rapid.Bool().Draw(t, "whole"))
	}
	for range rapid.IntRange(0, 40).Draw(t, "long") {
		now = now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "s")) * time.Second)
		before := r
		if r = Step(r, observed(t, count), now); r.Back && r.State == fleet.RolloutRollingBack && before.State != r.State {
			t.Fatalf("going back is itself taken back: %s", r.Why)
		}
		if rapid.IntRange(0, 3).Draw(t, "ordered") == 0 {
			r = ordered(t, r, now)
		}
		wantForward(t, &before, &r)
	}
	return r, count, now
}

// wantForward: nothing is taken from the new version but all of it, by going back.
func wantForward(t *rapid.T, before, r *fleet.Rollout) {
	back := slices.Contains([]string{fleet.RolloutRollingBack, fleet.RolloutRolledBack, fleet.RolloutRollbackPaused}, r.State)
	if r.Step < before.Step || r.Promoted < before.Promoted || r.Weight < before.Weight && !back || back && r.Weight != 0 && r.Beside() {
		t.Fatalf("from step %d, %d %%, promoted %d to step %d, %d %%, promoted %d (%s)", before.Step, before.Weight, before.Promoted, r.Step, r.Weight, r.Promoted, r.State)
	}
}

// From wherever it gets a person has it go back, or on to its end, once all that it
// waits for is there.
func TestThereIsAlwaysAWayOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, count, now := reached(t)
		if r.Over() {
			return
		}
		old := Side{Present: count, Ready: count, Serving: count}
		well := Verdict{Result: Passes}
		back, err := Abort(r, "ann", now)
		if err != nil {
			t.Fatalf("%s (%s) can't be aborted: %v", r.State, r.PauseReason, err)
		}
		if back = Step(back, Observed{Count: count, Old: old, Verdict: well, Jobs: well}, now); back.State != fleet.RolloutRolledBack {
			t.Fatalf("aborted in %s it is %s", r.State, back.State)
		}
		if r.State == fleet.RolloutRollingBack || r.State == fleet.RolloutRollbackPaused {
			return
		}
		on := r
		if r.PauseReason == fleet.PauseFailure {
			on, err = Retry(on, 0, now)
		}
		for range 60 {
			if on.State == fleet.RolloutPaused || on.State == fleet.RolloutProgressing {
				if on, err = Promote(on, true, now); err != nil {
					break
				}
			}
			now = now.Add(20 * time.Second)
			on = Step(on, Observed{Count: count, New: old, Verdict: well, Jobs: well}, now)
		}
		if err != nil || on.State != fleet.RolloutSucceeded {
			t.Fatalf("from %s (%s) it gets to %s (%s): %v", r.State, r.PauseReason, on.State, on.Why, err)
		}
	})
}

// No other two weights come nearer to the share that is wanted.
func TestNoWeightsAreNearer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		news, olds, percent := rapid.IntRange(1, 40).Draw(t, "new"), rapid.IntRange(1, 40).Draw(t, "old"), rapid.IntRange(1, 99).Draw(t, "percent")
		off := func(n, o int) float64 {
			return math.Abs(100*float64(news*n)/float64(news*n+olds*o) - float64(percent))
		}
		best := math.Inf(1)
		for n := 1; n <= maxWeight; n++ {
			for o := 1; o <= maxWeight; o++ {
				best = min(best, off(n, o))
			}
		}
		if n, o := Weights(news, olds, percent); off(n, o) > best+1e-9 {
			t.Fatalf("%d and %d have weights %d and %d: off by %g, and %g is possible", news, olds, n, o, off(n, o), best)
		}
	})
}
