package turn

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// verified is a rollout that is judged by what the balancers count, of twenty
// requests at least.
func verified(strategy string, weights ...int) *fleet.RolloutSpec {
	off := false
	spec := &fleet.RolloutSpec{Strategy: strategy, Verify: fleet.Verify{Off: &off}}
	for _, weight := range weights {
		spec.Steps = append(spec.Steps, fleet.RolloutStep{Weight: weight})
	}
	return spec
}

var judgedSpecs = map[string]*fleet.RolloutSpec{
	"canary":     verified(fleet.StrategyCanary, 25, 100),
	"blue-green": verified(fleet.StrategyBlueGreen),
	"rolling":    verified(fleet.StrategyRolling),
	"recreate":   verified(fleet.StrategyRecreate),
}

func TestAVersionThatAnswersWellSucceeds(t *testing.T) {
	for name, spec := range judgedSpecs {
		t.Run(name, func(t *testing.T) {
			w := upgrading(t, spec)
			w.version(2, spec)
			w.pass(90 * time.Second)
			w.wantRollout(fleet.RolloutSucceeded)
		})
	}
}

// Each strategy that is judged goes back from a version whose requests fail.
func TestAVersionWhoseRequestsFailIsTakenBack(t *testing.T) {
	for name, spec := range judgedSpecs {
		t.Run(name, func(t *testing.T) {
			w := upgrading(t, spec)
			w.failing = map[int]uint64{2: 30}
			w.version(2, spec)
			w.pass(90 * time.Second)
			if r := w.wantRollout(fleet.RolloutRolledBack); !strings.Contains(r.Why, "requests failed") {
				t.Errorf("why: %s", r.Why)
			}
			w.wantTraffic("v1 100% by 4")
		})
	}
}

// Nobody takes it for success that nobody came: it waits for requests, then for a
// person.
func TestWithoutRequestsNothingIsProven(t *testing.T) {
	for name, spec := range judgedSpecs {
		t.Run(name, func(t *testing.T) {
			w := upgrading(t, spec)
			w.idle = true
			w.version(2, spec)
			w.pass(8 * time.Minute)
			if r := w.rollout(); r.State != fleet.RolloutProgressing && r.State != fleet.RolloutPromoting {
				t.Fatalf("%s (%s)", r.State, r.Why)
			}
			w.pass(4 * time.Minute)
			if r := w.wantRollout(fleet.RolloutPaused); r.PauseReason != fleet.PauseInconclusive || !strings.Contains(r.Why, "0 requests of at least 20") {
				t.Fatalf("paused (%s): %s", r.PauseReason, r.Why)
			}
			w.order(fleet.Command{Do: fleet.DoPromote, Service: web, Fully: true})
			w.pass(time.Minute)
			w.wantRollout(fleet.RolloutSucceeded)
		})
	}
}

// Whoever doesn't want the new version watched doesn't wait for requests either.
func TestUnwatchedItWaitsForNoRequests(t *testing.T) {
	var none fleet.Duration
	spec := verified(fleet.StrategyBlueGreen)
	spec.Monitor = &none
	w := upgrading(t, spec)
	w.idle = true
	w.version(2, spec)
	w.pass(20 * time.Second)
	w.wantRollout(fleet.RolloutSucceeded)
}

// What was counted before a step doesn't count for it, nor what was before the
// hub's start, nor what an agent's balancer counted before the agent's.
func TestEachStepIsJudgedByItsOwnRequests(t *testing.T) {
	for name, begin := range map[string]func(w *world){
		"the hub starts": func(w *world) { w.restart() },
		"the agent starts": func(w *world) {
			web1 := w.hosts["web1"]
			web1.start = "b"
			for id, c := range web1.counts {
				c.Requests += 1000
				web1.counts[id] = c
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec := verified(fleet.StrategyCanary, 25, 100)
			spec.Verify.Requests = 100
			w := upgrading(t, spec)
			w.version(2, spec)
			for w.rollout().Served.IsZero() {
				w.pass(time.Second)
			}
			w.idle = true
			w.pass(2 * time.Second)
			begin(w)
			w.pass(30 * time.Second)
			if r := w.wantRollout(fleet.RolloutProgressing); r.Step != 0 || !strings.Contains(r.Why, "0 requests of at least 100") {
				t.Fatalf("step %d: %s", r.Step, r.Why)
			}
		})
	}
}

// Where the old version has no traffic any more, what it did before is what the new
// one is held against.
func TestAVersionThatFailsAsEverSucceeds(t *testing.T) {
	spec := verified(fleet.StrategyCanary, 25, 100)
	w := upgrading(t, spec)
	w.failing = map[int]uint64{1: 3, 2: 3}
	w.version(2, spec)
	w.pass(3 * time.Minute)
	w.wantRollout(fleet.RolloutSucceeded)
}
