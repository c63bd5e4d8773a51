package balance

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

func TestDrained(t *testing.T) {
	report := func(generation uint64, endpoints ...fleet.EndpointActual) *fleet.PoolActual {
		return &fleet.PoolActual{Generation: generation, Endpoints: endpoints}
	}
	a := func(state string, drained bool) fleet.EndpointActual {
		return fleet.EndpointActual{Instance: "a", State: state, Drained: drained}
	}
	for _, test := range []struct {
		name   string
		report *fleet.PoolActual
		want   bool
	}{
		{"nothing is reported", nil, false},
		{"drained", report(5, a(fleet.EndpointDraining, true)), true},
		{"drained, and later changes", report(7, a(fleet.EndpointDraining, true)), true},
		{"gone", report(5), true},
		{"connections are open", report(5, a(fleet.EndpointDraining, false)), false},
		{"it takes traffic", report(5, a(fleet.EndpointReady, true)), false},
		{"a generation in which it wasn't to drain yet", report(4, a(fleet.EndpointDraining, true)), false},
		{"a generation from before it came", report(4), false},
		{"of a refused generation the removals", &fleet.PoolActual{Generation: 4, Removals: 5, Endpoints: []fleet.EndpointActual{a(fleet.EndpointDraining, true)}}, true},
		{"the removals of an earlier one", &fleet.PoolActual{Generation: 3, Removals: 4}, false},
		{"of a refused generation the removals, with connections", &fleet.PoolActual{Removals: 5, Endpoints: []fleet.EndpointActual{a(fleet.EndpointDraining, false)}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Drained(test.report, "a", 5); got != test.want {
				t.Errorf("drained is %v", got)
			}
		})
	}
}

func TestPorts(t *testing.T) {
	route := func(target int, listen ...int) fleet.Route { return fleet.Route{Target: target, Listen: listen} }
	speaking := func(protocol string, r fleet.Route) fleet.Route { r.Protocol = protocol; return r }
	offered := func(routes ...fleet.Route) *fleet.Balancing { return &fleet.Balancing{Routes: routes} }
	for _, test := range []struct {
		name  string
		was   *fleet.Balancing
		ports map[int]int
		now   []fleet.Route
		want  map[int]int
	}{
		{"the same", offered(route(80, 8080)), map[int]int{80: 1}, []fleet.Route{route(80, 8080)}, map[int]int{80: 1}},
		{"another port behind the same listener", offered(route(80, 8080)), map[int]int{80: 1}, []fleet.Route{route(90, 8080)}, map[int]int{80: 1, 90: 1}},
		{"another port behind another listener", offered(route(80, 8080)), map[int]int{80: 1}, []fleet.Route{route(90, 9090)}, map[int]int{80: 1}},
		{"a port that it has itself", offered(route(80, 8080)), map[int]int{80: 1, 90: 2}, []fleet.Route{route(90, 8080)}, map[int]int{80: 1, 90: 2}},
		{"two that change places", offered(route(80, 1000), route(90, 2000)), map[int]int{80: 1, 90: 2},
			[]fleet.Route{route(80, 2000), route(90, 1000)}, map[int]int{80: 1, 90: 2}},
		{"two move", offered(route(80, 1000), route(90, 2000)), map[int]int{80: 1, 90: 2},
			[]fleet.Route{route(81, 1000), route(91, 2000)}, map[int]int{80: 1, 90: 2, 81: 1, 91: 2}},
		{"from bytes to gRPC behind the same listener", offered(speaking(fleet.ProtocolTCP, route(80, 8080))), map[int]int{80: 1},
			[]fleet.Route{speaking(fleet.ProtocolGRPC, route(90, 8080))}, map[int]int{80: 1, 90: 1}},
		{"from HTTP to gRPC behind the same listener", offered(speaking(fleet.ProtocolHTTP, route(80, 8080))), map[int]int{80: 1},
			[]fleet.Route{speaking(fleet.ProtocolGRPC, route(90, 8080))}, map[int]int{80: 1}},
		{"gRPC beside HTTP", offered(speaking(fleet.ProtocolHTTP, route(80, 8080))), map[int]int{80: 1},
			[]fleet.Route{speaking(fleet.ProtocolHTTP, route(80, 8080)), speaking(fleet.ProtocolGRPC, route(90, 9090))}, map[int]int{80: 1}},
		{"it was not offered", nil, map[int]int{80: 1}, []fleet.Route{route(90, 8080)}, map[int]int{80: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := Member{ID: "a", Address: "10.0.0.1", Ports: test.ports, Balancing: test.was}
			before := maps.Clone(test.ports)
			pool, _ := Pool(Input{Balancing: offered(test.now...), Balancers: []string{"haproxy"}, Members: []Member{m}})
			if got := pool.Endpoints[0].Ports; !maps.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if !maps.Equal(before, test.ports) {
				t.Errorf("the member's own ports became %v", test.ports)
			}
		})
	}
}

func TestPoolStates(t *testing.T) {
	balancing := &fleet.Balancing{Routes: []fleet.Route{{Target: 80, Listen: []int{80}}}}
	member := func(id string, ready, dead, leaving bool) Member {
		return Member{ID: id, Address: "10.0.0.1", Ready: ready, Dead: dead, Leaving: leaving}
	}
	up := func(id string) Member { return member(id, true, false, false) }
	unready := func(id string) Member { return member(id, false, false, false) }
	dead := func(id string) Member { return member(id, false, true, false) }
	leaves := func(id string) Member { return member(id, true, false, true) }
	before := &fleet.Pool{Endpoints: []fleet.Endpoint{
		{Instance: "a", State: fleet.EndpointReady}, {Instance: "b", State: fleet.EndpointReady}, {Instance: "c", State: fleet.EndpointReady},
	}}
	for _, test := range []struct {
		name     string
		members  []Member
		previous *fleet.Pool
		want     []string
		held     int
	}{
		{"a new one waits until it is ready", []Member{up("a"), unready("n")}, nil, []string{"a ready", "n preparing"}, 0},
		{"one that leaves was never there", []Member{up("a"), leaves("n")}, before, []string{"a ready"}, 0},
		{"one that leaves drains", []Member{up("a"), leaves("b")}, before, []string{"a ready", "b draining"}, 0},
		{"the few that fail leave", []Member{up("a"), up("b"), unready("c")}, before, []string{"a ready", "b ready", "c preparing"}, 0},
		{"most that fail stay", []Member{up("a"), unready("b"), unready("c")}, before, []string{"a ready", "b ready", "c ready"}, 2},
		{"the dead leave", []Member{up("a"), dead("b"), dead("c")}, before, []string{"a ready", "b preparing", "c preparing"}, 0},
		{"the last stay, dead or not", []Member{dead("a"), dead("b"), unready("c")}, before, []string{"a ready", "b ready", "c ready"}, 3},
		{"an order empties it", []Member{leaves("a"), leaves("b"), leaves("c")}, before, []string{"a draining", "b draining", "c draining"}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			pool, held := Pool(Input{Balancing: balancing, Balancers: []string{"haproxy"}, Members: test.members, Previous: test.previous})
			var got []string
			for _, e := range pool.Endpoints {
				got = append(got, e.Instance+" "+e.State)
			}
			if !slices.Equal(got, test.want) || len(held) != test.held {
				t.Errorf("got %v, held %v", got, held)
			}
		})
	}
}

// Balancers that don't know what parked is send the least to what is, where it had
// traffic: it isn't taken from all before others serve. What never had any gets
// none.
func TestParkedForOlderBalancers(t *testing.T) {
	previous := &fleet.Pool{Endpoints: []fleet.Endpoint{
		{Instance: "back", State: fleet.EndpointReady}, {Instance: "first", State: fleet.EndpointPreparing}, {Instance: "kept", State: fleet.EndpointParked},
	}}
	member := func(id string, parked, reserve bool) Member {
		return Member{ID: id, Address: "10.0.0.1", Ready: true, Parked: parked, Reserve: reserve}
	}
	in := Input{
		Balancing: &fleet.Balancing{Routes: []fleet.Route{{Target: 80, Listen: []int{80}}}}, Balancers: []string{"haproxy"}, Previous: previous,
		Members: []Member{member("back", true, false), member("first", true, false), member("kept", true, true), member("serves", false, false)},
	}
	for unparked, want := range map[bool]map[string]string{
		false: {"back": "parked 128", "first": "parked 128", "kept": "parked 128", "serves": "ready 128"},
		true:  {"back": "ready 1", "first": "preparing 128", "kept": "ready 1", "serves": "ready 128"},
	} {
		in.Unparked = unparked
		pool, _ := Pool(in)
		got := map[string]string{}
		for _, e := range pool.Endpoints {
			got[e.Instance] = fmt.Sprint(e.State, " ", e.Weight)
		}
		if !maps.Equal(got, want) {
			t.Errorf("unparked %t: %v, want %v", unparked, got, want)
		}
	}
}
