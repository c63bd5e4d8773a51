package turn

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Stage is something that a delta does to one instance without an event of its
// own: for whoever follows the instance in the log.
type Stage struct {
	Kind     string
	Instance string
	Service  fleet.ServiceKey
	Host     string // the instance's
	Cause    string
	// Goal is what its host was told, of StageTold.
	Goal string
	// State is the endpoint's that Pools pools were published with, of
	// StageOffered; empty: they are without it.
	State string
	Pools int
	// Balancer left the barrier, and How, of StageReleased.
	Balancer fleet.BalancerKey
	How      string
}

// Kinds of stages, in the order in which an instance takes them.
const (
	StageTold     = "told"     // its host's desired state says so
	StageOffered  = "offered"  // pools have it in another state than before
	StageReleased = "released" // a balancer has let go of it
)

// Stages lists what the delta does to single instances, sorted by instance. Ask
// before it is folded in.
func (d *Delta) Stages() []Stage {
	var out []Stage
	for id, after := range d.instances.changed {
		if after != nil {
			out = append(out, stages(d.state.Instances[id], after)...)
		}
	}
	out = append(out, d.offers()...)
	slices.SortFunc(out, func(a, b Stage) int {
		return cmp.Or(strings.Compare(a.Instance, b.Instance), orderOf(a)-orderOf(b), strings.Compare(a.Balancer.String(), b.Balancer.String()), strings.Compare(a.State, b.State))
	})
	return out
}

func stages(before, after *Instance) (out []Stage) {
	stage := Stage{Instance: after.ID, Service: after.Service, Host: after.Host, Cause: after.Cause}
	told := stage
	told.Kind, told.Goal = StageTold, after.Goal
	switch {
	case before == nil && after.Goal != fleet.GoalStop:
		told.Goal = fleet.GoalRun // one that drains runs on
		out = append(out, told)
	case after.Goal == fleet.GoalStop && (before == nil || before.Goal != fleet.GoalStop):
		out = append(out, told)
	}
	for key, how := range after.Released {
		if before == nil || before.Released[key] != how {
			released := stage
			released.Kind, released.Balancer, released.How = StageReleased, key, how
			out = append(out, released)
		}
	}
	return out
}

// offers are the endpoints that pools have in another state than before, each
// state of an instance once.
func (d *Delta) offers() []Stage {
	type offer struct{ instance, state string }
	count := map[offer]int{}
	for key, after := range d.pools.changed {
		eachMove(endpointsOf(d.state.Pools[key]), endpointsOf(after), func(id, state string) { count[offer{id, state}]++ })
	}
	out := make([]Stage, 0, len(count))
	for o, pools := range count {
		stage := Stage{Kind: StageOffered, Instance: o.instance, State: o.state, Pools: pools}
		in := d.instances.get(o.instance)
		if in == nil { // it is gone with this turn
			in = d.state.Instances[o.instance]
		}
		if in != nil {
			stage.Service, stage.Host, stage.Cause = in.Service, in.Host, in.Cause
		}
		out = append(out, stage)
	}
	return out
}

func endpointsOf(p *Published) []fleet.Endpoint {
	if p == nil {
		return nil
	}
	return p.Pool.Endpoints
}

// eachMove names the endpoints whose state differs between two lists, both
// sorted by instance; the state of one that is gone is empty.
func eachMove(before, after []fleet.Endpoint, move func(id, state string)) {
	for len(before)+len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && before[0].Instance < after[0].Instance:
			move(before[0].Instance, "")
			before = before[1:]
		case len(before) == 0 || after[0].Instance < before[0].Instance:
			move(after[0].Instance, after[0].State)
			after = after[1:]
		default:
			if before[0].State != after[0].State {
				move(after[0].Instance, after[0].State)
			}
			before, after = before[1:], after[1:]
		}
	}
}

func orderOf(s Stage) int {
	return slices.Index([]string{StageTold, StageOffered, StageReleased}, s.Kind)
}

// Up reports whether a host is heard, and since when without a break.
func (s *State) Up(host string) (since time.Time, up bool) {
	l := s.live[host]
	if l == nil || l.State != fleet.HostUp {
		return time.Time{}, false
	}
	return l.Since, true
}
