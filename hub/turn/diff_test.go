package turn

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/shared/fleet"
)

func TestHowAServiceIsRolledOutMakesNoNewVersion(t *testing.T) {
	w := newWorld(t, "web1").join()
	w.apply(webService(1, "web:1"))
	asked := webService(1, "web:1")
	asked.Keep = 20
	asked.Rollout = &fleet.RolloutSpec{
		Strategy: fleet.StrategyCanary,
		Steps:    []fleet.RolloutStep{{Weight: 5, Hold: fleet.Duration(time.Minute)}, {Weight: 100}},
		Monitor:  new(fleet.Duration(0)),
		Verify:   fleet.Verify{Success: 99.5},
		Before:   []string{"migrate"},
	}
	change := w.apply(asked).Result.Plan.Services[0]
	want := fleet.ServiceChange{Service: web, Action: fleet.ActionChange, Version: 1, Fields: []fleet.FieldChange{
		{Path: "keep", To: "20"},
		{Path: "rollout.before", To: `["migrate"]`},
		{Path: "rollout.monitor", To: "0s"},
		{Path: "rollout.steps", To: `[{"hold":"1m0s","weight":5},{"weight":100}]`},
		{Path: "rollout.strategy", To: "canary"},
		{Path: "rollout.verify.success", To: "99.5"},
	}}
	if diff := cmp.Diff(want, change); diff != "" {
		t.Error(diff)
	}
	if s := w.s.Services[web]; s.Asked.Rollout == nil || s.Asked.Keep != 20 || s.Version != 1 {
		t.Errorf("it is at version %d, and asked for is %+v", s.Version, s.Asked)
	}
	asked.Rollout = &fleet.RolloutSpec{Strategy: fleet.StrategyBlueGreen, Verify: fleet.Verify{Success: 99.5}, Before: []string{"migrate"}}
	want.Fields = []fleet.FieldChange{
		{Path: "rollout.monitor", From: "0s"},
		{Path: "rollout.steps", From: `[{"hold":"1m0s","weight":5},{"weight":100}]`},
		{Path: "rollout.strategy", From: "canary", To: "blue-green"},
	}
	if diff := cmp.Diff(want, w.apply(asked).Result.Plan.Services[0]); diff != "" {
		t.Error(diff)
	}
	if again := w.apply(asked).Result; again.Changed {
		t.Errorf("the same again changes %+v", again.Plan.Services)
	}
}

func TestAJobRunsNotByItself(t *testing.T) {
	w := newWorld(t, "web1").join()
	w.apply(fleet.Service{Key: web, Mode: fleet.ModeJob, CountStated: true, Spec: fleet.Spec{Image: "web:1"}})
	w.pass(5 * time.Second)
	if v := w.wantState(fleet.ServiceConverged); v.Desired != 0 || len(v.Instances) != 0 {
		t.Errorf("it has %d of %d", len(v.Instances), v.Desired)
	}
}
