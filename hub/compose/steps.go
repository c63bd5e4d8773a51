package compose

import (
	"github.com/musterhq/muster/shared/fleet"
)

const stepsHint = "write it like [5, 25, 100] or [{weight: 5, hold: 1m}, 100]"

// readSteps reads the steps of a canary: weights, or mappings with one. The
// last one, with all the traffic, needn't be stated.
func readSteps(f *fields) []fleet.RolloutStep {
	list := f.list("steps", fleet.MaxSteps, stepsHint)
	var out []fleet.RolloutStep
	weight, instances := 0, 0
	for i, item := range list {
		at := index(f.at("steps"), i)
		step, ok := readStep(f.p, at, item)
		if !ok {
			return nil
		}
		if step.Weight <= weight {
			f.p.invalid(at, "has weight %d, and the step before it has %d: each gives the new version more", step.Weight, weight)
		}
		if step.Instances != 0 && step.Instances < instances {
			f.p.invalid(join(at, "instances"), "is %d, less than the %d before it: no step takes any away", step.Instances, instances)
		}
		weight, instances = step.Weight, max(instances, step.Instances)
		out = append(out, step)
	}
	switch {
	case len(out) == 0 || weight == 100:
	case len(out) == fleet.MaxSteps:
		f.p.invalid(f.at("steps"), "has %d steps and none at 100, which would be one more; the limit is %d", len(out), fleet.MaxSteps)
	default:
		out = append(out, fleet.RolloutStep{Weight: 100})
	}
	return out
}

func readStep(p *problems, path string, item any) (fleet.RolloutStep, bool) {
	if tree, ok := item.(map[string]any); ok {
		f, _ := newFields(p, path, tree)
		step := fleet.RolloutStep{
			Weight:    f.number("weight", 100),
			Instances: f.number("instances", fleet.MaxBatch),
			Hold:      f.duration("hold"),
			Manual:    f.yes("manual"),
		}
		f.done()
		if !f.has("weight") {
			p.invalid(f.at("weight"), "missing").WithHint("say how many percent of the traffic the new version gets")
		}
		if step.Weight == 100 && step.Instances != 0 {
			p.invalid(f.at("instances"), "has no meaning at weight 100: there are as many as the service has").WithHint("leave it out")
		}
		return step, step.Weight != 0
	}
	n, ok := integer(item)
	if !ok || n < 1 || n > 100 {
		p.invalid(path, "must be a weight from 1 to 100, not %v", item).WithHint(stepsHint)
		return fleet.RolloutStep{}, false
	}
	return fleet.RolloutStep{Weight: n}, true
}

// checkInstances refuses a step with more new instances than there ever are.
func checkInstances(f *fields, steps []fleet.RolloutStep, service *fleet.Service) {
	for i, step := range steps {
		if service.CountStated && step.Instances > service.Count {
			f.p.invalid(join(index(f.at("steps"), i), "instances"), "is %d, more than the service's count of %d", step.Instances, service.Count)
		}
	}
}
