package fleet

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// goodRollout uses every field in the oddest way that is right.
func goodRollout() *Service {
	return &Service{Keep: 100, Rollout: &RolloutSpec{
		Strategy: StrategyCanary, OnFailure: OnFailurePause, Manual: true, Batch: MaxBatch,
		Steps: []RolloutStep{{Weight: 1, Instances: MaxBatch, Hold: Duration(24 * time.Hour)}, {Weight: 100}},
		Delay: Duration(24 * time.Hour), Monitor: new(Duration), Keep: new(Duration(24 * time.Hour)), HealthyWithin: 1, ProgressWithin: 1,
		Verify: Verify{Interval: Duration(time.Second), Requests: 1, Success: 100, Slower: 0.5, Restarts: 1, Judges: []Judge{
			{HTTP: "https://a.example.com:8443/path?of=web"},
			{Prometheus: "http://[::1]:9090/base", Query: "up", Min: new(-1.0), Max: new(-1.0)},
			{Prometheus: "http://b", Query: "up", Max: new(0.0)},
		}},
		Before: []string{"a", "b"}, Each: []string{"a"}, After: []string{"a"},
	}}
}

func TestValidateRollout(t *testing.T) {
	for name, s := range map[string]*Service{
		"a right one": goodRollout(), "none": {}, "nothing stated": {Keep: 2, Rollout: &RolloutSpec{}},
	} {
		if err := s.ValidateRollout(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	judge := func(r *RolloutSpec) *Judge { return &r.Verify.Judges[0] }
	for _, test := range []struct {
		path  string
		spoil func(*RolloutSpec)
	}{
		{"strategy", func(r *RolloutSpec) { r.Strategy = "Canary" }},
		{"onFailure", func(r *RolloutSpec) { r.OnFailure = "continue" }},
		{"batch", func(r *RolloutSpec) { r.Batch = -1 }},
		{"batch", func(r *RolloutSpec) { r.Batch = MaxBatch + 1 }},
		{"delay", func(r *RolloutSpec) { r.Delay = -1 }},
		{"monitor", func(r *RolloutSpec) { *r.Monitor = Duration(25 * time.Hour) }},
		{"keep", func(r *RolloutSpec) { *r.Keep = -1 }},
		{"healthyWithin", func(r *RolloutSpec) { r.HealthyWithin = -1 }},
		{"progressWithin", func(r *RolloutSpec) { r.ProgressWithin = -1 }},
		{"steps", func(r *RolloutSpec) { r.Steps = slices.Repeat(r.Steps, 11) }},
		{"steps", func(r *RolloutSpec) { r.Steps[0].Weight = 100 }},
		{"steps", func(r *RolloutSpec) { r.Steps[1].Weight = 99 }},
		{"steps[0].weight", func(r *RolloutSpec) { r.Steps[0].Weight = 0 }},
		{"steps[1].weight", func(r *RolloutSpec) { r.Steps[1].Weight = 101 }},
		{"steps[0].instances", func(r *RolloutSpec) { r.Steps[0].Instances = -1 }},
		{"steps[0].hold", func(r *RolloutSpec) { r.Steps[0].Hold = -1 }},
		{"verify.interval", func(r *RolloutSpec) { r.Verify.Interval = -1 }},
		{"verify.requests", func(r *RolloutSpec) { r.Verify.Requests = -1 }},
		{"verify.success", func(r *RolloutSpec) { r.Verify.Success = 100.1 }},
		{"verify.success", func(r *RolloutSpec) { r.Verify.Success = math.NaN() }},
		{"verify.slower", func(r *RolloutSpec) { r.Verify.Slower = math.Inf(1) }},
		{"verify.restarts", func(r *RolloutSpec) { r.Verify.Restarts = -1 }},
		{"verify.judges", func(r *RolloutSpec) { r.Verify.Judges = make([]Judge, MaxJudges+1) }},
		{"verify.judges[0].http", func(r *RolloutSpec) { judge(r).HTTP = "" }},
		{"verify.judges[0].http", func(r *RolloutSpec) { judge(r).Prometheus = "http://b" }},
		{"verify.judges[0].http", func(r *RolloutSpec) { judge(r).Min = new(0.0) }},
		{"verify.judges[0].http", func(r *RolloutSpec) { judge(r).HTTP = "file:///etc/passwd" }},
		{"verify.judges[0].http", func(r *RolloutSpec) { judge(r).HTTP = "http://:80/" }},
		{"verify.judges[0].http", func(r *RolloutSpec) { judge(r).HTTP = "http://a/\x00" }},
		{"verify.judges[0].http", func(r *RolloutSpec) { judge(r).HTTP = "http://me@a/" }},
		{"verify.judges[0].http", func(r *RolloutSpec) { judge(r).HTTP += strings.Repeat("x", maxURL) }},
		{"verify.judges[1].query", func(r *RolloutSpec) { r.Verify.Judges[1].Query = "" }},
		{"verify.judges[1].query", func(r *RolloutSpec) { r.Verify.Judges[1].Query = strings.Repeat("x", maxQuery+1) }},
		{"verify.judges[1].min", func(r *RolloutSpec) { *r.Verify.Judges[1].Min = 1 }},
		{"verify.judges[1].prometheus", func(r *RolloutSpec) { r.Verify.Judges[1].Prometheus += "?" }},
		{"verify.judges[2].max", func(r *RolloutSpec) { r.Verify.Judges[2].Max = nil }},
		{"before[1].name", func(r *RolloutSpec) { r.Before[1] = "a/b" }},
		{"before", func(r *RolloutSpec) { r.Before[1] = "a" }},
		{"each", func(r *RolloutSpec) { r.Each = make([]string, MaxJobs+1) }},
		{"after[0].name", func(r *RolloutSpec) { r.After[0] = "" }},
	} {
		s := goodRollout()
		test.spoil(s.Rollout)
		wantPath(t, s.ValidateRollout(), "rollout."+test.path)
	}
	for _, keep := range []int{-1, 1, 101} {
		wantPath(t, (&Service{Keep: keep}).ValidateRollout(), "keep")
	}
}
