package rollout

import (
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Defaults of a rollout, as fleet.RolloutSpec and fleet.Verify state them.
const (
	monitor  = 10 * time.Second
	keep     = time.Minute
	interval = 10 * time.Second
	requests = 20
	success  = 99
	slower   = 2
)

var canary = []int{5, 25, 50, 100}

// Resolved is a rollout's specification with everything stated. nil is a rolling
// by default.
func Resolved(spec *fleet.RolloutSpec, count int) fleet.RolloutSpec {
	var r fleet.RolloutSpec
	if spec != nil {
		r = *spec
	}
	if r.Strategy == "" {
		r.Strategy = fleet.StrategyRolling
	}
	r.OnFailure = or(r.OnFailure, fleet.OnFailureRollback)
	r.Monitor = orPointer(r.Monitor, fleet.Duration(monitor))
	r.Keep = orPointer(r.Keep, fleet.Duration(keep))
	r.HealthyWithin = or(r.HealthyWithin, fleet.Duration(fleet.DefaultHealthyWithin))
	r.ProgressWithin = or(r.ProgressWithin, fleet.Duration(fleet.DefaultProgressWithin))
	r.Batch = or(r.Batch, (count+3)/4)
	if r.Rollback != nil {
		back := *r.Rollback
		back.Batch, back.Monitor = or(back.Batch, (count+3)/4), orPointer(back.Monitor, fleet.Duration(monitor))
		r.Rollback = &back
	}
	r.Verify = verify(r.Verify, r.Strategy)
	r.Steps = steps(r)
	return r
}

func verify(v fleet.Verify, strategy string) fleet.Verify {
	v.Off = orPointer(v.Off, strategy == fleet.StrategyRolling || strategy == fleet.StrategyRecreate)
	v.Interval = or(v.Interval, fleet.Duration(interval))
	v.Requests = or(v.Requests, requests)
	v.Success = or(v.Success, success)
	v.Slower = or(v.Slower, slower)
	return v
}

// steps are those of a canary, whose last has all traffic; or those of blue-green,
// which is a canary in two steps.
func steps(r fleet.RolloutSpec) []fleet.RolloutStep {
	out := slices.Clone(r.Steps)
	switch r.Strategy {
	case fleet.StrategyCanary:
		if len(out) == 0 {
			for _, weight := range canary {
				out = append(out, fleet.RolloutStep{Weight: weight})
			}
		}
		for i := range out {
			out[i].Hold = or(out[i].Hold, r.Verify.Interval)
		}
	case fleet.StrategyBlueGreen:
		out = []fleet.RolloutStep{{Weight: 0}, {Weight: 100}}
	default:
		out = nil
	}
	return out
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

func orPointer[T any](value *T, otherwise T) *T {
	if value == nil {
		return &otherwise
	}
	return value
}
