package turn

import "github.com/musterhq/muster/shared/fleet"

// Tally counts the fleet, as of the last turn that was folded in. Each turn
// keeps it current by what it changed: nothing ever counts the whole fleet.
type Tally struct {
	Hosts     map[string]int // those that joined, by liveness
	Services  map[string]int // by state, as last told
	Instances map[string]int // by goal
	Desired   int            // instances asked for, by what was last told of services
	Ready     int            // those of them that are ready
}

// Tally may be read while the state's owner stands still.
func (s *State) Tally() *Tally { return &s.tally }

func newTally() Tally {
	return Tally{Hosts: map[string]int{}, Services: map[string]int{}, Instances: map[string]int{}}
}

// count changes the tally by what the delta changes. It runs before the delta
// is folded in.
func (d *Delta) count() {
	s := d.state
	for id, after := range d.instances.changed {
		s.tally.instance(s.Instances[id], -1)
		s.tally.instance(after, 1)
	}
	for key, after := range d.told.changed {
		s.tally.service(s.told[key], -1)
		s.tally.service(after, 1)
	}
	for id := range d.hosts.changed {
		d.countHost(id)
	}
	for id, after := range d.live.changed {
		if before := s.live[id]; before != nil && after != nil && before.State == after.State {
			continue // a sign of life, as most are
		}
		if _, both := d.hosts.changed[id]; !both {
			d.countHost(id)
		}
	}
}

func (d *Delta) countHost(id string) {
	t := &d.state.tally
	t.host(d.state.Hosts[id], d.state.live[id], -1)
	t.host(d.hosts.get(id), d.live.get(id), 1)
}

func (t *Tally) host(h *Host, l *Live, n int) {
	switch {
	case h == nil: // it hasn't joined
	case l == nil:
		t.Hosts[fleet.HostUnknown] += n
	default:
		t.Hosts[l.State] += n
	}
}

func (t *Tally) service(told *told, n int) {
	if told != nil {
		t.Services[told.state] += n
		t.Desired += n * told.desired
		t.Ready += n * told.ready
	}
}

func (t *Tally) instance(in *Instance, n int) {
	if in != nil {
		t.Instances[in.Goal] += n
	}
}
