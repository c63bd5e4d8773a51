package simtest

import (
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// upgradesBy makes up how a service moves to a new version: mostly in some other
// way than by default.
func (c *chaos) upgradesBy(w *wish) {
	d := c.chance("rollouts")
	monitor, keep := fleet.Duration(d.between(0, 5*time.Second)), fleet.Duration(d.between(0, 20*time.Second))
	spec := &fleet.RolloutSpec{
		Monitor: &monitor, Keep: &keep,
		HealthyWithin: fleet.Duration(20 * time.Second), ProgressWithin: fleet.Duration(time.Minute),
		Manual: d.IntN(8) == 0,
	}
	if d.IntN(4) == 0 {
		spec.OnFailure = fleet.OnFailurePause
	}
	off := d.IntN(2) == 0
	spec.Verify = fleet.Verify{Off: &off, Interval: fleet.Duration(3 * time.Second), Requests: 5}
	beside := w.Balancing != nil && w.Mode == fleet.ModeReplicated && !w.Spec.Pinned() && len(w.Spec.FixedPorts()) == 0
	switch p := d.IntN(8); {
	case p == 0:
		return
	case p < 4 && beside:
		spec.Strategy = fleet.StrategyCanary
		for _, weight := range []int{5, 30, 60} {
			if d.IntN(2) == 0 {
				spec.Steps = append(spec.Steps, fleet.RolloutStep{Weight: weight})
			}
		}
		spec.Steps = append(spec.Steps, fleet.RolloutStep{Weight: 100})
	case p < 6 && beside:
		spec.Strategy = fleet.StrategyBlueGreen
	case p == 6 && w.Mode == fleet.ModeReplicated:
		spec.Strategy = fleet.StrategyRecreate
	case w.Mode == fleet.ModeReplicated:
		spec.Batch = d.IntN(3)
		spec.Delay = fleet.Duration(time.Duration(d.IntN(3)) * time.Second)
		spec.StopFirst = d.IntN(4) == 0
	default:
		spec.Manual = false
	}
	if w.Balancing == nil {
		spec.Verify = fleet.Verify{}
	}
	w.Rollout = spec
}

// steer is a person's order about a rollout.
func (c *chaos) steer() {
	d := c.chance("rollouts")
	w := c.wishes[d.IntN(len(c.wishes))]
	command := fleet.Command{Service: w.Key}
	if r := c.checker.services[w.Key].Rollout; r != nil && d.IntN(4) > 0 {
		command.Rollout = r.ID
	}
	command.Do = []string{
		fleet.DoPromote, fleet.DoPromote, fleet.DoPause, fleet.DoResume, fleet.DoAbort, fleet.DoRetry, fleet.DoRollback,
	}[d.IntN(7)]
	command.Fully = d.IntN(2) == 0
	c.order(command)
}

// promote has every rollout that waits for a person go on, from now on.
func (c *chaos) promote() {
	if !c.urging {
		c.urging = true
		c.urge()
	}
}

func (c *chaos) urge() {
	c.after(5*time.Second, c.urge)
	if !c.hub.up {
		return
	}
	for _, w := range c.wishes {
		r := c.checker.services[w.Key].Rollout
		switch {
		case r == nil || r.Over():
		case r.State == fleet.RolloutPaused && r.PauseReason == fleet.PauseFailure:
			c.order(fleet.Command{Do: fleet.DoRetry, Service: w.Key})
		case r.State == fleet.RolloutPaused:
			c.order(fleet.Command{Do: fleet.DoPromote, Service: w.Key, Fully: true})
		}
	}
}

// stays: while a rollout hasn't given all traffic to the new version, none of the
// old one's instances leaves for it.
func (k *checker) stays(before, in *turn.Instance) {
	s := k.services[in.Service]
	r := s.Rollout
	if before.Goal != fleet.GoalRun || in.Goal == fleet.GoalRun || in.Lost || r == nil || !r.Beside() || s.Removing || in.Version != r.From {
		return
	}
	if r.Over() {
		return
	}
	left := 0
	for _, other := range k.instances {
		if other.Service == in.Service && other.Version == r.From && other.Goal == fleet.GoalRun {
			left++
		}
	}
	if left < wanted(&s) && !stoppedOn(&s, in.Host) {
		k.sim.violate("%s leaves while its rollout is %s at %d %%, and only %d of %d stay", in, r.State, r.Weight, left, wanted(&s))
	}
}

// shares: a pool gives the new version no traffic before its image was fetched
// everywhere, and none once it goes back and the old one is whole.
func (k *checker) shares(p *fleet.Pool) {
	r := k.services[p.Service].Rollout
	if r == nil || !r.Beside() {
		return
	}
	news, olds := 0, 0
	for _, e := range p.Endpoints {
		switch {
		case e.State != fleet.EndpointReady:
		case e.Version == r.To:
			news += e.Weight
		default:
			olds += e.Weight
		}
	}
	switch {
	case r.State == fleet.RolloutPreparing && news > 0 && olds > 0 && !r.Back:
		k.sim.violate("%s gets traffic in version %d, which is being prepared", p.Service, r.To)
	case r.State == fleet.RolloutProgressing && r.Weight == 0 && news > 0 && olds > 0:
		k.sim.violate("%s gets traffic in version %d before its first step", p.Service, r.To)
	case r.State == fleet.RolloutProgressing && r.Weight > 0 && r.Weight < 100 && news > 0 && olds > 0:
		if share := 100 * news / (news + olds); share > r.Weight+35 {
			k.sim.violate("%s gets %d %% of the traffic in version %d, which is to have %d %%", p.Service, share, r.To, r.Weight)
		}
	}
}
