package rollout

import "github.com/musterhq/muster/shared/fleet"

// Sound is a rollout as the rest of this package takes it, whoever wrote it down:
// what its specification leaves open is filled in, and its step is one of those.
func Sound(r fleet.Rollout, count int) fleet.Rollout {
	if v := r.Spec.Verify; v.Off == nil || r.Spec.Monitor == nil || r.Spec.Keep == nil {
		r.Spec = Resolved(&r.Spec, count)
	}
	if r.Beside() && len(r.Spec.Steps) == 0 {
		r.Spec.Steps = []fleet.RolloutStep{{Weight: 100}}
	}
	if r.Step = max(r.Step, 0); r.Beside() {
		r.Step = min(r.Step, len(r.Spec.Steps)-1)
	}
	r.Weight = min(max(r.Weight, 0), 100)
	return r
}
