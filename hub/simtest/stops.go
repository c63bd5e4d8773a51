package simtest

import (
	"slices"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// stopSome is a person's order to stop a service, or to stop or restart it on one
// host. What is stopped is mostly started again.
func (c *chaos) stopSome() {
	d := c.chance("stops")
	command := fleet.Command{Do: fleet.DoStop, Service: c.wishes[d.IntN(len(c.wishes))].Key}
	switch d.IntN(4) {
	case 0:
	case 1:
		command.Do = fleet.DoRestart
		fallthrough
	default:
		command.Host = c.names[d.IntN(len(c.names))]
	}
	if !c.order(command) || command.Do == fleet.DoRestart {
		return
	}
	command.Do, command.ID = fleet.DoStart, ""
	c.later(func() { c.send(command) })
}

// startAll takes back every stop.
func (c *chaos) startAll() {
	for _, w := range c.wishes {
		s := c.checker.services[w.Key]
		if s.Stopped {
			c.order(fleet.Command{Do: fleet.DoStart, Service: w.Key})
		}
		for _, host := range s.StoppedOn {
			c.order(fleet.Command{Do: fleet.DoStart, Service: w.Key, Host: host})
		}
	}
}

// wanted is how many instances of a service are to run by what was asked for, at
// the least: those that rest don't count.
func wanted(s *turn.Service) int {
	if s.Stopped {
		return 0
	}
	return max(0, s.Asked.Count-len(s.Resting))
}

func stoppedOn(s *turn.Service, host string) bool { return slices.Contains(s.StoppedOn, host) }

// runsWhereStopped: nothing comes where a person has stopped its service, unless a
// host had it already.
func (k *checker) runsWhereStopped(in *turn.Instance) {
	s, known := k.services[in.Service]
	if known && !k.adopted[in.Cause] && (s.Stopped || stoppedOn(&s, in.Host)) {
		k.sim.violate("%s comes, and its service is stopped there", in)
	}
}

// asWanted is a service with what was wanted of it when its turn began: what is
// started comes after what the turn decides about a rollout.
func asWanted(before, now *turn.Service) *turn.Service {
	out := *now
	out.Stopped = now.Stopped || before.Stopped
	if len(before.Resting) > len(now.Resting) {
		out.Resting = before.Resting
	}
	return &out
}
