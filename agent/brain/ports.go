package brain

import (
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// choosePorts gives ports to instances that are to run and have none. It is
// done before anything else happens to them, and saved before it counts: an
// instance keeps its ports for life.
func (s *State) choosePorts(now time.Time) {
	if s.accepted == nil || !s.listed || !s.engine.Up {
		return
	}
	var taken map[int]bool
	for i := range s.accepted.desired.Instances {
		a := &s.accepted.desired.Instances[i]
		inst := s.instance(a.ID)
		spec := s.runnable(a)
		if spec == nil || inst.container != nil || inst.op != nil || inst.unsure || inst.nextTry.After(now) || hasPorts(inst.rec, spec) {
			continue
		}
		if taken == nil {
			taken = s.takenPorts(now)
		}
		chosen, ok := s.choose(inst, spec, taken)
		if !ok {
			first, last := s.portRange()
			s.fail(inst, fmt.Sprintf("no port between %d and %d is free", first, last), false, now)
			continue
		}
		inst.rec.Ports, inst.portsIn = chosen, s.saving.begun+1
		s.saveNow(now)
	}
}

// runnable returns the spec of an assignment that is to run and may.
func (s *State) runnable(a *fleet.Assignment) *fleet.Spec {
	if a.Goal != fleet.GoalRun || s.frozen(a.Service) || s.refused[fleet.VersionKey(a.Service, a.Version)] != "" {
		return nil
	}
	return s.spec(a)
}

func hasPorts(rec *Record, spec *fleet.Spec) bool {
	for _, p := range spec.Publish {
		if rec.Ports[p.Target] == 0 {
			return false
		}
	}
	return true
}

// choose picks a port for each target that has none. Where the search begins
// follows from the instance's id, so that a port is seldom used again soon.
func (s *State) choose(inst *instance, spec *fleet.Spec, taken map[int]bool) (map[int]int, bool) {
	first, last := s.portRange()
	size := last - first + 1
	chosen := map[int]int{}
	for _, p := range spec.Publish {
		switch {
		case inst.rec.Ports[p.Target] != 0:
			chosen[p.Target] = inst.rec.Ports[p.Target]
			continue
		case chosen[p.Target] != 0:
			continue
		case p.HostPort != 0:
			chosen[p.Target] = p.HostPort
			continue
		case size < 1:
			return nil, false
		}
		hash := fnv.New32a()
		fmt.Fprintf(hash, "%s:%d", inst.id, p.Target)
		start := int(hash.Sum32() % uint32(size))
		for i := 0; chosen[p.Target] == 0; i++ {
			if i == size {
				return nil, false
			}
			if port := first + (start+i)%size; !taken[port] {
				chosen[p.Target] = port
				taken[port] = true
			}
		}
	}
	return chosen, true
}

func (s *State) portRange() (first, last int) {
	return s.config.Facts.PortRangeFirst, s.config.Facts.PortRangeLast
}

// takenPorts are the ports that no instance may be given now.
func (s *State) takenPorts(now time.Time) map[int]bool {
	taken := map[int]bool{}
	mark := func(ports ...int) {
		for _, port := range ports {
			taken[port] = true
		}
	}
	for _, rec := range s.cache.Instances {
		for _, port := range rec.Ports {
			mark(port)
		}
	}
	for port, until := range s.cache.Quarantine {
		if now.Before(until) {
			mark(port)
		} else {
			delete(s.cache.Quarantine, port)
		}
	}
	for i := range s.containers {
		mark(s.containers[i].HostPorts...)
	}
	for _, spec := range s.accepted.desired.Versions {
		for _, port := range spec.FixedPorts() {
			mark(port.Number)
		}
	}
	mark(s.accepted.desired.HeldPorts...)
	mark(s.foreign.Ports...)
	return taken
}

// quarantine keeps a released port from being given away for a while.
func (s *State) quarantine(port int, now time.Time) {
	if first, last := s.portRange(); port >= first && port <= last {
		s.cache.Quarantine[port] = now.Add(s.config.Timing.Quarantine)
		s.dirty(now)
	}
}

// rechoosePorts drops the ports that were the agent's own choice.
func (s *State) rechoosePorts(inst *instance, spec *fleet.Spec, now time.Time) bool {
	kept := map[int]int{}
	for target, port := range inst.rec.Ports {
		fixed := slices.ContainsFunc(spec.Publish, func(p fleet.Publish) bool { return p.Target == target && p.HostPort == port })
		if fixed {
			kept[target] = port
		} else {
			s.quarantine(port, now)
		}
	}
	if len(kept) == len(inst.rec.Ports) {
		return false
	}
	inst.rec.Ports = kept
	s.dirty(now)
	return true
}

// forget drops instances that nobody asks for and that have no container.
func (s *State) forget(now time.Time) {
	if !s.listed || !s.engine.Up || s.accepted == nil {
		return
	}
	for _, id := range sortedKeys(s.instances) {
		inst := s.instances[id]
		if s.assigned[id] != nil || inst.container != nil || inst.op != nil || inst.unsure || s.listTurn < inst.settled {
			continue
		}
		for _, port := range inst.rec.Ports {
			s.quarantine(port, now)
		}
		s.stage(StageForgotten, inst)
		delete(s.instances, id)
		delete(s.cache.Instances, id)
		s.dirty(now)
	}
}
