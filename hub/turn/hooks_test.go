package turn

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

const atHook = "http://ci.example/hook"

// hooked is a canary that asks a hook at each point.
func hooked() *fleet.RolloutSpec {
	spec := canary(25)
	spec.Before, spec.Each, spec.After = []string{atHook}, []string{atHook}, []string{atHook}
	return spec
}

func TestHooksAreAskedAtTheirTime(t *testing.T) {
	w := upgrading(t, hooked())
	w.version(2, hooked())
	var at []string
	w.asking(60, func(ask JudgeAsk) string {
		if ask.Hook != atHook {
			t.Fatalf("%q is asked", ask.Hook)
		}
		at = append(at, ask.At)
		return JudgeContinue
	})
	w.wantRollout(fleet.RolloutSucceeded)
	if want := []string{"before", "step 1", "step 2", "after"}; !slices.Equal(at, want) {
		t.Errorf("asked %v, want %v", at, want)
	}
}

func TestAHookThatSaysBackTakesTheRolloutBack(t *testing.T) {
	for _, where := range []string{"before", "step 1", "after"} {
		t.Run(where, func(t *testing.T) {
			w := upgrading(t, hooked())
			w.version(2, hooked())
			w.asking(60, func(ask JudgeAsk) string {
				if ask.At == where {
					return JudgeBack
				}
				return JudgeContinue
			})
			if r := w.wantRollout(fleet.RolloutRolledBack); !strings.Contains(r.Why, atHook+" ("+where+") says back") {
				t.Errorf("why: %s", r.Why)
			}
			w.wantTraffic("v1 100% by 4")
		})
	}
}

// A hook that holds, or can't be asked, is asked again at each interval, also by
// another run of the hub; and one that paused the rollout, on a retry.
func TestAHookIsAskedUntilItSaysSomething(t *testing.T) {
	w := upgrading(t, hooked())
	w.version(2, hooked())
	if asked := w.asking(35, func(JudgeAsk) string { return JudgeHold }); asked != 4 {
		t.Errorf("asked %d times in 35 s, want 4", asked)
	}
	w.wantRollout(fleet.RolloutPreparing)
	w.restart()
	if asked := w.asking(5, func(JudgeAsk) string { return "" }); asked != 1 {
		t.Errorf("a new hub asks %d times", asked)
	}
	w.wantReason(atHook + " (before) doesn't say continue: a test")
	w.asking(90, func(JudgeAsk) string { return JudgeContinue })
	w.wantRollout(fleet.RolloutSucceeded)

	spec := hooked()
	spec.OnFailure = fleet.OnFailurePause
	w.version(3, spec)
	w.asking(5, func(JudgeAsk) string { return JudgeBack })
	w.wantRollout(fleet.RolloutPaused)
	w.steer(fleet.DoRetry)
	w.asking(90, func(JudgeAsk) string { return JudgeContinue })
	w.wantRollout(fleet.RolloutSucceeded)
	w.pass(time.Second)
}
