package turn

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

var migrate = fleet.ServiceKey{Project: "shop", Name: "migrate"}

// migrating asks for a version of the service, with a one-shot service that its
// rollouts run.
func (w *world) migrating(number int, spec *fleet.RolloutSpec) {
	w.t.Helper()
	job := webService(0, "migrate:1")
	job.Key, job.Mode, job.Balancing, job.Spec.Publish = migrate, fleet.ModeJob, nil, nil
	job.Spec.Restart = fleet.Restart{Policy: fleet.RestartNo}
	s := webService(4, "web:"+string(rune('0'+number)))
	s.Rollout = spec
	if reply := w.apply(s, job); reply.Err != nil {
		w.t.Fatal(reply.Err)
	}
}

func (w *world) working() (n int) {
	for _, in := range w.s.Instances {
		if in.Service == migrate {
			n++
		}
	}
	return n
}

func (w *world) end(code int) {
	for _, h := range w.hosts {
		h.ended = map[fleet.ServiceKey]int{migrate: code}
	}
}

func (w *world) begin() {
	for _, h := range w.hosts {
		h.ended = nil
	}
}

func TestJobsRunAtTheirTime(t *testing.T) {
	spec := canary(25)
	spec.Before, spec.Each, spec.After = []string{"migrate"}, []string{"migrate"}, []string{"migrate"}
	w := upgrading(t, spec)
	w.migrating(1, spec)
	w.pass(3 * time.Second)
	if w.working() != 0 {
		t.Fatal("it runs without a rollout")
	}
	w.migrating(2, spec)
	for _, at := range []string{"before", "step 1", "step 2", "after"} {
		for range 30 {
			if w.pass(time.Second); w.working() > 0 {
				break
			}
		}
		jobs := w.rollout().Jobs
		if w.working() != 1 || jobs[len(jobs)-1].At != at {
			t.Fatalf("%s: %d run: %+v", at, w.working(), w.rollout())
		}
		is := w.traffic()
		w.pass(15 * time.Second)
		if now := w.rollout().Jobs; len(now) != len(jobs) || w.traffic() != is {
			t.Fatalf("%s: it isn't waited for: %s, was %s", at, w.traffic(), is)
		}
		w.end(0)
		w.pass(time.Second)
		w.begin()
		w.pass(2 * time.Second)
		if id := jobs[len(jobs)-1].Instance; w.s.Instances[id] != nil {
			t.Fatalf("%s: it stays", at)
		}
	}
	w.pass(20 * time.Second)
	w.wantRollout(fleet.RolloutSucceeded)
	if v := w.wantState(fleet.ServiceConverged); v.Version != 2 {
		t.Errorf("version %d", v.Version)
	}
}

func TestAJobThatFailsTakesTheRolloutBack(t *testing.T) {
	for name, spec := range map[string]*fleet.RolloutSpec{"rolling": {}, "canary": canary(25)} {
		t.Run(name, func(t *testing.T) {
			spec.Before = []string{"migrate"}
			w := upgrading(t, spec)
			w.migrating(2, spec)
			w.pass(4 * time.Second)
			if w.working() != 1 {
				t.Fatalf("%d run", w.working())
			}
			w.wantTraffic("v1 100% by 4")
			w.end(3)
			w.pass(5 * time.Second)
			if r := w.wantRollout(fleet.RolloutRolledBack); !strings.Contains(r.Why, "shop/migrate (before) ended with code 3") {
				t.Errorf("why: %s", r.Why)
			}
			if v := w.wantState(fleet.ServiceConverged); v.Version != 1 || w.working() != 0 {
				t.Errorf("version %d, %d jobs", v.Version, w.working())
			}
		})
	}
}

// A rollout that paused because of a job runs it again when a person says so.
func TestAJobThatFailedIsRetried(t *testing.T) {
	spec := canary(25)
	spec.Each, spec.OnFailure = []string{"migrate"}, fleet.OnFailurePause
	w := upgrading(t, spec)
	w.migrating(2, spec)
	w.end(3)
	w.pass(15 * time.Second)
	if r := w.wantRollout(fleet.RolloutPaused); !strings.Contains(r.Why, "ended with code 3") {
		t.Fatalf("why: %s", r.Why)
	}
	w.end(0)
	w.steer(fleet.DoRetry)
	w.pass(time.Minute)
	w.wantRollout(fleet.RolloutSucceeded)
}

func TestJudgesAreHeard(t *testing.T) {
	for verdict, want := range map[string]string{JudgeContinue: fleet.RolloutSucceeded, JudgeHold: fleet.RolloutProgressing, JudgeBack: fleet.RolloutRolledBack, "": fleet.RolloutProgressing} {
		t.Run(verdict, func(t *testing.T) {
			spec := canary(25)
			spec.Verify.Judges = []fleet.Judge{{HTTP: "http://judge.example/"}}
			w := upgrading(t, spec)
			w.version(2, spec)
			asked := 0
			for range 60 {
				w.now = w.now.Add(time.Second)
				var inputs []Input
				for _, id := range sorted(w.hosts, byText) {
					inputs = append(inputs, w.report(w.hosts[id])...)
				}
				for _, ask := range w.step(append(inputs, Tick{})...).Judge {
					asked++
					w.step(ask.Answer(verdict, "a test"))
				}
			}
			w.wantRollout(want)
			if asked == 0 || asked > 8 {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}

// A job that failed runs anew.
func TestARetryRunsAFailedJobAgain(t *testing.T) {
	spec := canary(25)
	spec.Before, spec.OnFailure = []string{"migrate"}, fleet.OnFailurePause
	w := upgrading(t, spec)
	w.migrating(2, spec)
	w.pass(4 * time.Second)
	w.end(3)
	w.pass(5 * time.Second)
	w.wantRollout(fleet.RolloutPaused)
	w.begin()
	w.steer(fleet.DoRetry)
	w.pass(3 * time.Second)
	w.end(0)
	w.pass(2 * time.Second)
	w.begin()
	w.pass(time.Minute)
	w.wantRollout(fleet.RolloutSucceeded)
}

// Jobs of each step run in every strategy, after each batch where there are no steps.
func TestJobsOfEachStepRunInEveryStrategy(t *testing.T) {
	for strategy, want := range map[string]int{fleet.StrategyRolling: 4, fleet.StrategyRecreate: 1, fleet.StrategyBlueGreen: 2} {
		t.Run(strategy, func(t *testing.T) {
			off := true
			spec := &fleet.RolloutSpec{Strategy: strategy, Each: []string{"migrate"}, Verify: fleet.Verify{Off: &off}}
			w := upgrading(t, spec)
			w.migrating(2, spec)
			ran := map[string]bool{}
			for range 120 {
				w.pass(time.Second)
				for _, job := range w.rollout().Jobs {
					ran[job.Instance] = true
				}
				w.end(0)
			}
			w.wantRollout(fleet.RolloutSucceeded)
			if len(ran) != want {
				t.Errorf("%d ran, want %d", len(ran), want)
			}
		})
	}
}

// A judge is heard about what a step shows, not about its beginning alone.
func TestAJudgeIsAskedAtTheEndOfAStep(t *testing.T) {
	for name, spec := range map[string]*fleet.RolloutSpec{"canary": canary(5, 25), "watched": {Strategy: fleet.StrategyRolling}} {
		t.Run(name, func(t *testing.T) {
			spec.Verify.Judges = []fleet.Judge{{HTTP: "http://judge.example/"}}
			w := upgrading(t, spec)
			w.version(2, spec)
			w.asking(60, func(ask JudgeAsk) string {
				if w.now.Sub(ask.Rollout.Served) >= 5*time.Second { // it has seen something of it
					return JudgeBack
				}
				return JudgeContinue
			})
			if r := w.wantRollout(fleet.RolloutRolledBack); !strings.Contains(r.Why, "judge 1 says back") {
				t.Errorf("why: %s", r.Why)
			}
		})
	}
}

// What a judge says about a step counts for that one alone, and it isn't asked again
// before it has answered.
func TestLateAnswersCountForNothing(t *testing.T) {
	spec := canary(5)
	spec.Verify.Judges = []fleet.Judge{{HTTP: "http://judge.example/"}}
	w := upgrading(t, spec)
	w.version(2, spec)
	var late []JudgeAsk
	w.asking(9, func(ask JudgeAsk) string { late = append(late, ask); return JudgeContinue })
	w.asking(11, func(JudgeAsk) string { return JudgeContinue })
	if r := w.rollout(); r.Step != 1 && r.State != fleet.RolloutPromoting {
		t.Fatalf("step %d, %s", r.Step, r.Why)
	}
	w.step(late[0].Answer(JudgeBack, "late"))
	w.pass(time.Second)
	if r := w.rollout(); r.State == fleet.RolloutRollingBack || r.State == fleet.RolloutRolledBack {
		t.Error("it goes back because of a step that is over")
	}
}

// Where judges can't be asked any more, a person's word is enough.
func TestAPersonStandsInForAJudge(t *testing.T) {
	spec := canary(25)
	spec.Verify.Judges = []fleet.Judge{{HTTP: "http://judge.example/"}}
	w := upgrading(t, spec)
	w.version(2, spec)
	w.asking(12*60, func(ask JudgeAsk) string { return map[bool]string{true: JudgeContinue}[ask.Rollout.Step == 0] })
	if r := w.wantRollout(fleet.RolloutPaused); r.PauseReason != fleet.PauseInconclusive || r.PausedIn != fleet.RolloutPromoting {
		t.Fatalf("paused in %s: %s", r.PausedIn, r.Why)
	}
	w.steer(fleet.DoPromote)
	w.asking(30, func(JudgeAsk) string { return "" })
	w.wantRollout(fleet.RolloutSucceeded)
}
