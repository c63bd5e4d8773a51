package brain

import "time"

// glimpse takes in a container that the engine lists but can't tell more of:
// what was known of it counts on, as long as it runs. Nothing is done to it.
func (s *State) glimpse(inst *instance, c *Container, now time.Time) {
	seen := *c
	if last := inst.container; last != nil && last.ID == c.ID {
		seen = *last
		seen.State, seen.Problem = c.State, c.Problem
	} else {
		inst.run = ""
	}
	inst.container = &seen
	inst.ready = inst.ready && inst.run != "" && c.State == ContainerRunning
	s.know(inst, c, now)
}

// opaque says why nothing can be done to an instance's container; empty:
// something can.
func (inst *instance) opaque() string {
	if inst.container == nil || inst.container.Problem == "" {
		return ""
	}
	return "its container can't be inspected, and is left as it is until it can: " + inst.container.Problem
}
