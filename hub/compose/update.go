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
	for key, stated := range map[string]bool{"parallelism": batch != nil, "delay": delay != nil, "order": order != nil} {
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

// warnRollback tells what of rollback_config isn't carried out: a rollout goes
// back the way it went on, and pauses where that fails.
func warnRollback(p *problems, path string, c *types.UpdateConfig, update pace) {
	if c == nil {
		return
	}
	const sameWay = "ignored: a rollout goes back the way it goes on"
	warn := func(key string, ignored bool, why string) {
		if ignored {
			p.warn(join(path, key), "%s", why)
		}
	}
	checkRatio(p, path, c)
	warn("parallelism", differs(mapParallelism(p, path, c), update.batch), sameWay)
	warn("order", differs(mapOrder(p, path, c), update.order), sameWay)
	warn("delay", differs(mapWait(p, join(path, "delay"), c.Delay), update.delay), sameWay)
	warn("monitor", mapWait(p, join(path, "monitor"), c.Monitor) != nil, "ignored: the version that is gone back to isn't watched anew")
	switch action := c.FailureAction; action {
	case "", fleet.OnFailurePause:
	case "continue":
		mapFailureAction(p, join(path, "failure_action"), action)
	default:
		p.invalid(join(path, "failure_action"), "%q is not supported", action).WithHint("use pause")
	}
}

// differs reports whether something is stated that isn't what the other says.
func differs[T comparable](stated, other *T) bool {
	return stated != nil && (other == nil || *stated != *other)
}
