package rollout

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/shared/fleet"
)

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Whatever is observed, a rollout keeps to its rules: it gives no version traffic
// before its instances are ready, nor more than a step says; it succeeds only after
// all serve, for as long as it is watched; and it goes back one way only.
func TestWhateverIsObserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		off := rapid.Bool().Draw(t, "off")
		spec := fleet.RolloutSpec{
			Strategy: rapid.SampledFrom([]string{fleet.StrategyRolling, fleet.StrategyRecreate, fleet.StrategyCanary, fleet.StrategyBlueGreen}).Draw(t, "strategy"),
			Manual:   rapid.Bool().Draw(t, "manual"),
			Delay:    fleet.Duration(rapid.IntRange(0, 5).Draw(t, "delay")) * fleet.Duration(time.Second),
			Verify:   fleet.Verify{Off: &off},
		}
		if rapid.Bool().Draw(t, "pauses") {
			spec.OnFailure = fleet.OnFailurePause
		}
		count, now := rapid.IntRange(1, 6).Draw(t, "count"), began
		r := Begin(7, 1, 2, &spec, count, now)
		served := time.Time{} // since when all of the new version has served
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20_000).Draw(t, "ms")) * time.Millisecond)
			o := observed(t, count)
			if o.New.Serving < count {
				served = time.Time{}
			} else if served.IsZero() {
				served = now
			}
			before := r
			r = Step(r, o, now)
			if again := Step(before, o, now); fmt.Sprint(again) != fmt.Sprint(r) {
				t.Fatalf("the same step isn't the same:\n%+v\n%+v", again, r)
			}
			wantRules(t, before, r, o, now.Sub(served), !served.IsZero())
			if rapid.IntRange(0, 3).Draw(t, "ordered") == 0 {
				r = ordered(t, r, now)
			}
			wantTargets(t, &r, count, now)
		}
	})
}

func observed(t *rapid.T, count int) Observed {
	side := func(name string) Side {
		present := rapid.IntRange(0, count+1).Draw(t, name)
		ready := rapid.IntRange(0, present).Draw(t, name+" ready")
		return Side{Present: present, Ready: ready, Serving: rapid.IntRange(0, ready).Draw(t, name+" serving"), Leaving: rapid.IntRange(0, 1).Draw(t, name+" leaving")}
	}
	words := func(name string) string { return rapid.SampledFrom([]string{"", "", "", name}).Draw(t, name) }
	verdict := Verdict{Result: rapid.SampledFrom([]string{Passes, Passes, Passes, Inconclusive, Fails}).Draw(t, "verdict"), Why: "a verdict"}
	o := Observed{
		Count: count, New: side("new"), Old: side("old"), Unprepared: words("unprepared"), Unfetched: words("unfetched"),
		Unready: words("unready"), Stale: words("stale"), Verdict: verdict,
		Jobs: Verdict{Result: rapid.SampledFrom([]string{Passes, Passes, Passes, Inconclusive, Fails}).Draw(t, "jobs"), Why: "a job"},
	}
	if rapid.IntRange(0, 9).Draw(t, "all well") > 3 {
		o = Observed{Count: count, New: Side{Present: count, Ready: count, Serving: count}, Verdict: Verdict{Result: Passes}, Jobs: Verdict{Result: Passes}}
	}
	return o
}

func ordered(t *rapid.T, r fleet.Rollout, now time.Time) fleet.Rollout {
	var err error
	before := fmt.Sprint(r)
	switch rapid.SampledFrom([]string{"promote", "fully", "pause", "resume", "abort", "retry"}).Draw(t, "order") {
	case "promote":
		r, err = Promote(r, false, now)
	case "fully":
		r, err = Promote(r, true, now)
	case "pause":
		r, err = Pause(r, "ann", now)
	case "resume":
		r, err = Resume(r, now)
	case "abort":
		r, err = Abort(r, "ann", now)
	case "retry":
		r, err = Retry(r, 0, now)
	}
	if err != nil && fmt.Sprint(r) != before {
		t.Fatalf("a refused order changes it: %v", err)
	}
	return r
}

func wantRules(t *rapid.T, before, r fleet.Rollout, o Observed, servedFor time.Duration, serves bool) {
	if before.Over() && fmt.Sprint(before) != fmt.Sprint(r) {
		t.Fatalf("it is over, and goes on: %+v", r)
	}
	if before.State == fleet.RolloutRollingBack && r.State != fleet.RolloutRollingBack && r.State != fleet.RolloutRolledBack && r.State != fleet.RolloutRollbackPaused {
		t.Fatalf("it goes back, and then is %s", r.State)
	}
	if r.State == fleet.RolloutSucceeded && before.State != r.State {
		if before.State != fleet.RolloutPromoting || !serves || servedFor < r.Spec.Monitor.D() {
			t.Fatalf("it succeeds from %s after %s", before.State, servedFor)
		}
	}
	if r.Step > before.Step+1 || r.Step < before.Step {
		t.Fatalf("from step %d to %d", before.Step, r.Step)
	}
	if r.Step > before.Step && (o.Verdict.Result == Fails || o.Stale != "" || o.Unready != "") {
		t.Fatalf("it goes on in spite of %+v", o)
	}
	if r.Beside() && r.Weight > before.Weight && o.New.Ready < instances(r.Spec.Steps[r.Step], o.Count) {
		t.Fatalf("%d %% for %d instances that are ready", r.Weight, o.New.Ready)
	}
	if r.Beside() && r.State == fleet.RolloutProgressing && r.Weight > r.Spec.Steps[r.Step].Weight {
		t.Fatalf("%d %% at a step of %d %%", r.Weight, r.Spec.Steps[r.Step].Weight)
	}
	if r.State == fleet.RolloutPaused && r.PauseReason == "" {
		t.Fatalf("paused without a reason: %+v", r)
	}
}

// wantTargets: the old side stays whole until the new one has succeeded.
func wantTargets(t *rapid.T, r *fleet.Rollout, count int, now time.Time) {
	w := Wants(r, count, now)
	if r.Beside() && (w.Beside || w.Still) && !w.Kept && w.Old < count {
		t.Fatalf("%s wants %d old ones of %d", r.State, w.Old, count)
	}
	if r.Beside() && !w.Beside && !w.Still && !w.Back && !r.Over() {
		t.Fatalf("%s (%s) replaces old ones", r.State, r.PausedIn)
	}
	if w.Weight > 100 || w.New > count {
		t.Fatalf("wants %+v", w)
	}
}

func TestWeightsAreNearest(t *testing.T) {
	for news := 1; news <= 12; news++ {
		for olds := 1; olds <= 12; olds++ {
			for percent := 1; percent <= 99; percent++ {
				n, o := Weights(news, olds, percent)
				if n < 1 || n > maxWeight || o < 1 || o > maxWeight {
					t.Fatalf("%d and %d of %d %%: weights %d and %d", news, olds, percent, n, o)
				}
				share := 100 * float64(news*n) / float64(news*n+olds*o)
				if off := math.Abs(share - float64(percent)); off > 0.35 && n != 1 && o != 1 && n != maxWeight && o != maxWeight {
					t.Errorf("%d and %d: %.2f %%, want %d %%", news, olds, share, percent)
				}
			}
		}
	}
	for _, c := range []struct{ news, olds, percent, new, old int }{
		{1, 4, 0, 0, even}, {4, 4, 100, even, 0}, {0, 4, 50, even, even}, {4, 0, 50, even, even}, {2, 2, Natural, even, even}, {1, 1, 50, 1, 1},
	} {
		if n, o := Weights(c.news, c.olds, c.percent); n != c.new || o != c.old {
			t.Errorf("Weights(%d, %d, %d) = %d, %d", c.news, c.olds, c.percent, n, o)
		}
	}
}

func TestJudge(t *testing.T) {
	v := Resolved(&fleet.RolloutSpec{Strategy: fleet.StrategyCanary}, 4).Verify
	off := true
	for _, c := range []struct {
		name     string
		verify   fleet.Verify
		new, old Counts
		want     string
		why      string
	}{
		{"it isn't judged", fleet.Verify{Off: &off}, Counts{Requests: 100, Failed: 100, AverageMS: 0}, Counts{}, Passes, ""},
		{"too few", v, Counts{Requests: 19, Failed: 0, AverageMS: 5}, Counts{Requests: 1000, Failed: 0, AverageMS: 5}, Inconclusive, "19 requests of at least 20"},
		{"all well", v, Counts{Requests: 100, Failed: 0, AverageMS: 5}, Counts{Requests: 1000, Failed: 0, AverageMS: 5}, Passes, ""},
		{"one of twenty may be chance", v, Counts{Requests: 20, Failed: 1, AverageMS: 5}, Counts{Requests: 1000, Failed: 0, AverageMS: 5}, Inconclusive, "may be chance"},
		{"five of a hundred are none", v, Counts{Requests: 100, Failed: 5, AverageMS: 5}, Counts{Requests: 1000, Failed: 0, AverageMS: 5}, Fails, "5 of 100 requests failed"},
		{"the old one does no better", v, Counts{Requests: 100, Failed: 5, AverageMS: 5}, Counts{Requests: 1000, Failed: 60, AverageMS: 5}, Passes, ""},
		{"nothing to compare with", v, Counts{Requests: 100, Failed: 5, AverageMS: 5}, Counts{}, Fails, "at least 99 % are to"},
		{"slower", v, Counts{Requests: 100, Failed: 0, AverageMS: 200}, Counts{Requests: 1000, Failed: 0, AverageMS: 60}, Fails, "a request takes 200 ms, the old version's 60 ms"},
		{"slower by little", v, Counts{Requests: 100, Failed: 0, AverageMS: 50}, Counts{Requests: 1000, Failed: 0, AverageMS: 5}, Passes, ""},
		{"slower than nobody", v, Counts{Requests: 100, Failed: 0, AverageMS: 500}, Counts{Requests: 99, Failed: 0, AverageMS: 5}, Passes, ""},
		{"slower, by few requests", v, Counts{Requests: 99, Failed: 0, AverageMS: 500}, Counts{Requests: 1000, Failed: 0, AverageMS: 5}, Inconclusive, "a request takes 500 ms, the old version's 5 ms, by 99 requests of at least 100, which may be chance"},
		{"slower, by few requests, than before", v, Counts{Requests: 99, Failed: 0, AverageMS: 500}, Counts{Requests: 1000, Failed: 0, AverageMS: 5, Earlier: true}, Passes, ""},
	} {
		got := Judge(c.verify, c.new, c.old, Reasonable)
		if got.Result != c.want || !strings.Contains(got.Why, c.why) || (got.Why == "") != (c.why == "") {
			t.Errorf("%s: %+v, want %s: %s", c.name, got, c.want, c.why)
		}
	}
}

// Between two intervals only what is plain ends a rollout.
func TestJudgeLeavesRoomForChanceBetweenIntervals(t *testing.T) {
	v := Resolved(&fleet.RolloutSpec{Strategy: fleet.StrategyCanary}, 1).Verify
	stable := Counts{Requests: 1000}
	few, many := Counts{Requests: 44, Failed: 2}, Counts{Requests: 44, Failed: 22}
	if got := Judge(v, few, stable, Reasonable); got.Result != Fails {
		t.Errorf("at an interval: %+v", got)
	}
	if got := Judge(v, few, stable, Slightest); got.Result == Fails {
		t.Errorf("between: %+v", got)
	}
	if got := Judge(v, many, stable, Slightest); got.Result != Fails {
		t.Errorf("plain: %+v", got)
	}
	whole := v
	whole.Success = 100
	for n := uint64(20); n < 2000; n++ {
		if got := Judge(whole, Counts{Requests: n}, Counts{}, Reasonable); got.Result != Passes {
			t.Fatalf("none of %d failed: %+v", n, got)
		}
	}
}
