package brain

import (
	"math"
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

// takeForeign takes a reading of what others use. A reading takes a while and
// cannot tell our balancers from other programs, so ports that they listened
// on when it was made or just before are left out.
func (s *State) takeForeign(foreign fleet.Foreign) {
	now := s.listening()
	foreign.Ports = slices.DeleteFunc(slices.Clone(foreign.Ports), func(port int) bool {
		return now[port] || s.listened[port]
	})
	s.foreign, s.listened = foreign, now
}

// listening are the ports of this host's balancers.
func (s *State) listening() map[int]bool {
	ports := map[int]bool{}
	if len(s.config.Facts.Balancers) == 0 {
		return ports
	}
	for _, p := range s.pools {
		for _, route := range p.pool.Routes {
			for _, port := range route.Listen {
				ports[port] = true
			}
		}
	}
	return ports
}

// foreignUse is what others use of the host: the last reading, without what
// became ours since, and what the engine holds for other containers.
func (s *State) foreignUse() fleet.Foreign {
	foreign := s.foreign
	ours := s.listening()
	for _, rec := range s.cache.Instances {
		for _, port := range rec.Ports {
			ours[port] = true
		}
	}
	foreign.Ports = slices.DeleteFunc(slices.Clone(foreign.Ports), func(port int) bool { return ours[port] })
	for i := range s.containers {
		if c := &s.containers[i]; !s.ours(c) {
			foreign.CPUs += c.CPUs
		}
	}
	foreign.CPUs = math.Round(foreign.CPUs*1000) / 1000
	return foreign
}
