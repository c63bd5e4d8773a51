package compose

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/shared/fleet"
)

var strategies = []string{fleet.StrategyRolling, fleet.StrategyRecreate, fleet.StrategyCanary, fleet.StrategyBlueGreen}

// suits names the strategies for which a key of x-rollout has a meaning. What
// isn't here has one for all of them.
var suits = map[string][]string{
	"batch":  {fleet.StrategyRolling},
	"delay":  {fleet.StrategyRolling},
	"order":  {fleet.StrategyRolling},
	"steps":  {fleet.StrategyCanary},
	"keep":   {fleet.StrategyCanary, fleet.StrategyBlueGreen},
	"manual": {fleet.StrategyRolling, fleet.StrategyCanary, fleet.StrategyBlueGreen},
}

// mapRollout reads how a service moves to a new version: update_config, as
// Swarm has it, and x-rollout, which says more. It returns nil for what is the
// default in all.
func mapRollout(p *problems, servicePath string, d *types.DeployConfig, value any, service *fleet.Service) *fleet.RolloutSpec {
	path := join(servicePath, "deploy")
	if value == nil {
		value = map[string]any{}
	}
	f, ok := newFields(p, join(path, keyRollout), value)
	if !ok {
		return nil
	}
	spec := readRollout(f)
	stated := readPace(f)
	f.done()
	strategy := cmp.Or(spec.Strategy, fleet.StrategyRolling)
	if !slices.Contains(strategies, strategy) {
		p.invalid(f.at("strategy"), "%q is not supported", strategy).WithHint("use %s", or(strategies))
		return nil
	}
	here := stated
	if d != nil {
		update := mapUpdate(p, join(path, "update_config"), d.UpdateConfig, strategy)
		update.fit(p, service)
		spec.Rollback = mapRollback(p, join(path, "rollback_config"), d.RollbackConfig, update, service, strategy)
		here = stated.join(p, update)
	}
	here.fill(&spec)
	checkSuits(f, strategy)
	checkRoom(f, strategy, stated, service)
	checkInstances(f, spec.Steps, service)
	settleVerify(f, strategy, &spec.Verify, service.Balancing != nil)
	if reflect.DeepEqual(spec, fleet.RolloutSpec{}) {
		return nil
	}
	return &spec
}

// readRollout reads what only x-rollout can say.
func readRollout(f *fields) fleet.RolloutSpec {
	spec := fleet.RolloutSpec{
		Strategy:       f.text("strategy"),
		Steps:          readSteps(f),
		Verify:         readVerify(f),
		Manual:         f.yes("manual"),
		HealthyWithin:  f.duration("healthy_within"),
		ProgressWithin: f.duration("progress_within"),
		Keep:           f.stated("keep"),
		Before:         readJobs(f, "before"),
		Each:           readJobs(f, "each"),
		After:          readJobs(f, "after"),
	}
	healthy, progress := spec.HealthyWithin.Or(fleet.DefaultHealthyWithin), spec.ProgressWithin.Or(fleet.DefaultProgressWithin)
	if progress <= healthy {
		f.p.invalid(f.at("progress_within"), "is %s: a rollout would pause before an instance has had its %s to serve", progress, healthy).
			WithHint("state a progress_within that is longer than healthy_within")
	}
	return spec
}

// stated reads a duration for which 0s isn't the same as nothing.
func (f *fields) stated(key string) *fleet.Duration {
	d, ok := f.wait(key)
	if !ok {
		return nil
	}
	return &d
}

// checkSuits refuses what has no meaning for the strategy.
func checkSuits(f *fields, strategy string) {
	for _, key := range sortedKeys(suits) {
		if f.has(key) && !slices.Contains(suits[key], strategy) {
			f.p.invalid(f.at(key), "has no meaning for strategy %s", strategy).
				WithHint("leave it out, or use strategy: %s", or(suits[key]))
		}
	}
}

// or lists words to choose from.
func or(words []string) string {
	list := words[len(words)-1]
	for i, word := range slices.Backward(words[:len(words)-1]) {
		separator := ", "
		if i == len(words)-2 {
			separator = " or "
		}
		list = word + separator + list
	}
	return list
}

// checkRoom refuses new instances beside the old ones where that can't be, and
// shares of the traffic where no balancer gives them.
func checkRoom(f *fields, strategy string, here pace, service *fleet.Service) {
	alone := whyAlone(service)
	side := strategy == fleet.StrategyCanary || strategy == fleet.StrategyBlueGreen
	if side && service.Mode == fleet.ModeGlobal {
		alone = "a global service has one instance on each host"
	}
	switch {
	case side && alone != "":
		f.p.invalid(f.at("strategy"), "%s has all new instances beside the old ones, and %s", strategy, alone).
			WithHint("use strategy: %s or %s", fleet.StrategyRolling, fleet.StrategyRecreate)
	case side && service.Balancing == nil:
		f.p.invalid(f.at("strategy"), "%s moves the traffic on the balancers, and this service is on none", strategy).
			WithHint("add x-lb or ports, or use strategy: %s or %s", fleet.StrategyRolling, fleet.StrategyRecreate)
	case alone != "" && f.text("order") == startFirst:
		f.p.invalid(f.at("order"), "can't be: %s", alone).WithHint("leave it out: such a service stops the old instance first")
	}
	checkGlobal(f, strategy, service)
	if why := whyOneByOne(service); why != "" && here.batch != nil && *here.batch > 1 {
		f.p.invalid(f.at("batch"), "can't be: %s", why).WithHint("leave it out: such a service is replaced one by one")
	}
}

// checkGlobal refuses what has no meaning where each host is replaced when the one
// before serves.
func checkGlobal(f *fields, strategy string, service *fleet.Service) {
	if service.Mode != fleet.ModeGlobal {
		return
	}
	for _, key := range []string{"delay", "each", "manual"} {
		if f.has(key) {
			f.p.invalid(f.at(key), "has no meaning: a global service is replaced host by host, without steps").WithHint("leave it out")
		}
	}
	if strategy == fleet.StrategyRecreate {
		f.p.invalid(f.at("strategy"), "can't be: a global service is replaced host by host").WithHint("use strategy: %s with order: stop-first", fleet.StrategyRolling)
	}
}

// whyOneByOne says why no two instances are replaced at the same time; "" where
// they can be.
func whyOneByOne(service *fleet.Service) string {
	if service.Mode == fleet.ModeGlobal {
		return "a global service is replaced host by host"
	}
	return whyAlone(service)
}

// whyAlone says why an instance can't run beside its successor; "" where it can.
func whyAlone(service *fleet.Service) string {
	if service.Spec.Pinned() {
		return "an instance with a volume or bind mount has its data for itself"
	}
	if ports := service.Spec.FixedPorts(); len(ports) > 0 {
		return "port " + ports[0].String() + " of a host can't be had twice"
	}
	return ""
}
