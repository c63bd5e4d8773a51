package compose

import (
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/shared/fleet"
)

// mapUpdate reads update_config, as Swarm has it. What it doesn't state has
// Muster's default, not Swarm's.
func mapUpdate(p *problems, path string, c *types.UpdateConfig, strategy string) pace {
	out := pace{path: path}
	if c == nil {
		return out
	}
	checkRatio(p, path, c)
	out.onFailure = mapFailureAction(p, join(path, "failure_action"), c.FailureAction)
	out.monitor = mapWait(p, join(path, "monitor"), c.Monitor)
	batch := mapParallelism(p, path, c)
	delay := mapWait(p, join(path, "delay"), c.Delay)
	order := mapOrder(p, path, c)
	if strategy == fleet.StrategyRolling {
		out.batch, out.delay, out.order = batch, delay, order
		return out
	}
	for key, stated := range (pace{batch: batch, delay: delay, order: order}).stated() {
		if stated {
			p.warn(join(path, key), "ignored: it has no meaning for strategy %s", strategy)
		}
	}
	return out
}

// fit leaves out, with a warning, what can't be for the service.
func (x *pace) fit(p *problems, service *fleet.Service) {
	if why := whyAlone(service); why != "" && x.order != nil && *x.order == startFirst {
		p.warn(join(x.path, "order"), "ignored: the old instance stops first, as %s", why)
		x.order = nil
	}
	if service.Mode == fleet.ModeGlobal && x.delay != nil {
		p.warn(join(x.path, "delay"), "ignored: a global service is replaced host by host, without steps")
		x.delay = nil
	}
	if why := whyOneByOne(service); why != "" && x.batch != nil && *x.batch > 1 {
		p.warn(join(x.path, "parallelism"), "ignored: no two are replaced at the same time, as %s", why)
		x.batch = nil
	}
}

// mapParallelism reads how many are replaced at a time; 0 is all of them,
// however many there are.
func mapParallelism(p *problems, path string, c *types.UpdateConfig) *int {
	switch n := c.Parallelism; {
	case n == nil:
		return nil
	case *n == 0:
		return new(fleet.MaxBatch)
	case *n > fleet.MaxBatch:
		p.invalid(join(path, "parallelism"), "must be a number from 0 to %d", fleet.MaxBatch)
		return nil
	default:
		return new(int(*n))
	}
}

func mapOrder(p *problems, path string, c *types.UpdateConfig) *string {
	switch c.Order {
	case "":
		return nil
	case startFirst, stopFirst:
		return &c.Order
	default:
		p.invalid(join(path, "order"), "%q is not supported", c.Order).WithHint("use %s or %s", startFirst, stopFirst)
		return nil
	}
}

func mapFailureAction(p *problems, path, action string) *string {
	switch action {
	case "":
		return nil
	case fleet.OnFailurePause, fleet.OnFailureRollback:
		return &action
	case "continue":
		p.warn(path, "a rollout never goes on over a failure: it pauses instead, until a person decides")
		return new(fleet.OnFailurePause)
	default:
		p.invalid(path, "%q is not supported", action).WithHint("use rollback or pause")
		return nil
	}
}

// mapWait reads a duration that is the default if it is 0.
func mapWait(p *problems, path string, d types.Duration) *fleet.Duration {
	if wait := mapTiming(p, path, &d); wait != 0 {
		return &wait
	}
	return nil
}

func checkRatio(p *problems, path string, c *types.UpdateConfig) {
	switch ratio := c.MaxFailureRatio; {
	case !(ratio >= 0 && ratio <= 1):
		p.invalid(join(path, "max_failure_ratio"), "must be a number from 0 to 1, not %v", ratio)
	case ratio > 0:
		p.warn(join(path, "max_failure_ratio"), "ignored: the first instance that fails is a failure of the rollout")
	}
}

// mapRollback reads rollback_config; nil where it says nothing else than
// update_config. A rollout whose way back fails always pauses.
func mapRollback(p *problems, path string, c *types.UpdateConfig, update pace, service *fleet.Service, strategy string) *fleet.Pace {
	if c == nil {
		return nil
	}
	checkRatio(p, path, c)
	back := pace{
		path: path, batch: mapParallelism(p, path, c), order: mapOrder(p, path, c),
		delay: mapWait(p, join(path, "delay"), c.Delay), monitor: mapWait(p, join(path, "monitor"), c.Monitor),
	}
	switch action := c.FailureAction; action {
	case "", fleet.OnFailurePause:
	case "continue":
		mapFailureAction(p, join(path, "failure_action"), action)
	default:
		p.invalid(join(path, "failure_action"), "%q is not supported", action).WithHint("use pause")
	}
	if strategy != fleet.StrategyRolling {
		for key, stated := range back.stated() {
			if stated {
				p.warn(join(path, key), "ignored: it has no meaning for strategy %s", strategy)
			}
		}
		return nil
	}
	back.fit(p, service)
	if !differs(back.batch, update.batch) && !differs(back.order, update.order) && !differs(back.delay, update.delay) && !differs(back.monitor, update.monitor) {
		return nil
	}
	var spec fleet.RolloutSpec
	back.fill(&spec)
	return &fleet.Pace{Batch: spec.Batch, StopFirst: spec.StopFirst, Delay: spec.Delay, Monitor: spec.Monitor}
}

// differs reports whether something is stated that isn't what the other says.
func differs[T comparable](stated, other *T) bool {
	return stated != nil && (other == nil || *stated != *other)
}
