package balance

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/shared/fleet"
)

var web = fleet.ServiceKey{Project: "shop", Name: "web"}

func input(members ...Member) Input {
	return Input{
		Service: web, Balancers: []string{"edge", "haproxy"}, Members: members,
		Balancing: &fleet.Balancing{
			Routes: []fleet.Route{{Target: 80, Listen: []int{8080}, Protocol: fleet.ProtocolHTTP}},
			Check:  fleet.Check{Type: "http", Path: "/healthz"},
		},
	}
}

// members reads a row like "r d p": each letter is what one instance is now.
// r: ready, p: not ready, d: dead, l: leaving, n: without an address.
func members(row string) (out []Member) {
	for i, word := range strings.Fields(row) {
		m := Member{ID: fmt.Sprintf("i%d", i), Version: 1, Address: "10.0.0.1", Ports: map[int]int{80: 20000 + i}}
		switch word {
		case "r":
			m.Ready = true
		case "d":
			m.Dead = true
		case "l":
			m.Ready, m.Leaving = true, true
		case "n":
			m.Ready, m.Address = true, ""
		}
		out = append(out, m)
	}
	return out
}

// published reads what each of those instances was before: r ready, p
// preparing, d draining, - not there.
func published(row string) *fleet.Pool {
	var pool fleet.Pool
	for i, word := range strings.Fields(row) {
		state := map[string]string{"r": fleet.EndpointReady, "p": fleet.EndpointPreparing, "d": fleet.EndpointDraining}[word]
		if state != "" {
			pool.Endpoints = append(pool.Endpoints, fleet.Endpoint{Instance: fmt.Sprintf("i%d", i), State: state})
		}
	}
	return &pool
}

func TestEndpointsAndWhatIsHeld(t *testing.T) {
	for _, test := range []struct {
		name, before, now string
		want, held        string
	}{
		{"a new one prepares until it is ready", "", "p", "i0:preparing", ""},
		{"ready is ready", "", "r", "i0:ready", ""},
		{"what is dead and never served isn't held", "p", "d", "i0:preparing", ""},
		{"without an address there is no endpoint", "r r", "n r", "i1:ready", ""},
		{"who leaves drains", "r r", "l r", "i0:draining i1:ready", ""},
		{"who leaves and was never published stays out", "- r", "l r", "i1:ready", ""},
		{"who leaves is nobody's loss, though nothing is left", "r", "l", "i0:draining", ""},
		{"one of three may go", "r r r", "p r r", "i0:preparing i1:ready i2:ready", ""},
		{"half may go", "r r", "p r", "i0:preparing i1:ready", ""},
		{"more than half may not", "r r r", "p p r", "i0:ready i1:ready i2:ready", "i0 i1"},
		{"but the dead may", "r r r", "d d r", "i0:preparing i1:preparing i2:ready", ""},
		{"of those, only the dead", "r r r", "d p r", "i0:preparing i1:ready i2:ready", "i1"},
		{"never empty", "r r", "p p", "i0:ready i1:ready", "i0 i1"},
		{"never empty, not even of the dead", "r r", "d d", "i0:ready i1:ready", "i0 i1"},
		{"who never served can't be held", "p r r", "p p p", "i0:preparing i1:ready i2:ready", "i1 i2"},
		{"newcomers don't count as lost", "r - -", "r p p", "i0:ready i1:preparing i2:preparing", ""},
		{"what was held stays so", "r r", "p p", "i0:ready i1:ready", "i0 i1"},
		{"who leaves doesn't count as staying", "r r r r", "l l p r", "i0:draining i1:draining i2:preparing i3:ready", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := input(members(test.now)...)
			in.Previous = published(test.before)
			pool, held := Pool(in)
			var got []string
			for _, e := range pool.Endpoints {
				got = append(got, e.Instance+":"+e.State)
			}
			if strings.Join(got, " ") != test.want || strings.Join(held, " ") != test.held {
				t.Errorf("%s, held %v; want %s, held %s", strings.Join(got, " "), held, test.want, test.held)
			}
		})
	}
}

func TestPoolSaysEverything(t *testing.T) {
	in := input(members("r")...)
	in.NamePorts = []int{80, 9090}
	pool, _ := Pool(in)
	want := fleet.Pool{
		Service: web, Balancers: []string{"edge", "haproxy"},
		Routes: []fleet.Route{{Target: 80, Listen: []int{80, 8080}, Protocol: fleet.ProtocolHTTP}},
		Check:  in.Balancing.Check, DrainTimeout: fleet.Duration(fleet.DefaultDrainTimeout),
		Endpoints: []fleet.Endpoint{{Instance: "i0", Version: 1, Address: "10.0.0.1", Ports: map[int]int{80: 20000}, Weight: fleet.DefaultWeight, State: fleet.EndpointReady}},
	}
	if !reflect.DeepEqual(pool, want) {
		t.Errorf("got  %+v\nwant %+v", pool, want)
	}
	if !reflect.DeepEqual(in.Balancing.Routes[0].Listen, []int{8080}) {
		t.Errorf("what was asked for has changed: %v", in.Balancing.Routes)
	}
	in.Balancing.DrainTimeout = fleet.Duration(time.Minute)
	if pool, _ := Pool(in); pool.DrainTimeout.D() != time.Minute {
		t.Errorf("drain timeout %s", pool.DrainTimeout)
	}
}

func TestRemoved(t *testing.T) {
	without := input(members("r")...)
	without.Balancing = nil
	without.Previous = &fleet.Pool{Balancers: []string{"haproxy"}}
	nowhere := input(members("r")...)
	nowhere.Balancers = nil
	nowhere.Previous = &fleet.Pool{Balancers: []string{"haproxy"}}
	never := input(members("r")...)
	never.Balancing = nil
	for name, test := range map[string]struct {
		in        Input
		balancers []string
	}{
		"not offered any more":             {without, []string{"haproxy"}},
		"its balancers are gone":           {nowhere, []string{"haproxy"}},
		"it was never there to be removed": {never, []string{"edge", "haproxy"}},
	} {
		t.Run(name, func(t *testing.T) {
			pool, held := Pool(test.in)
			want := fleet.Pool{Service: web, Removed: true, Balancers: test.balancers}
			if !reflect.DeepEqual(pool, want) || held != nil {
				t.Errorf("got %+v, held %v", pool, held)
			}
		})
	}
}

// TestHoldAlwaysKeepsHalf: of the endpoints that served and weren't told to
// leave, at least half go on, the dead aside; and never none.
func TestHoldAlwaysKeepsHalf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := rapid.SliceOfN(rapid.SampledFrom([]string{"r", "p", "d", "l"}), 1, 8).Draw(t, "now")
		before := rapid.SliceOfN(rapid.SampledFrom([]string{"r", "p", "d", "-"}), len(now), len(now)).Draw(t, "before")
		in := input(members(strings.Join(now, " "))...)
		in.Previous = published(strings.Join(before, " "))
		pool, held := Pool(in)
		served, dead, serving := 0, 0, 0
		for i, m := range in.Members {
			if !m.Leaving && before[i] == "r" {
				served++
				if m.Dead {
					dead++
				}
			}
		}
		for _, e := range pool.Endpoints {
			if e.State == fleet.EndpointReady {
				serving++
			}
		}
		if served > 0 && serving == 0 {
			t.Fatalf("the pool is empty: %+v", pool.Endpoints)
		}
		if 2*serving < served-dead {
			t.Fatalf("%d serve of %d: %+v", serving, served-dead, pool.Endpoints)
		}
		again := in
		again.Previous = &pool
		if next, stillHeld := Pool(again); !reflect.DeepEqual(next, pool) || !reflect.DeepEqual(stillHeld, held) {
			t.Fatalf("the same again gives another pool:\n%+v\n%+v", pool.Endpoints, next.Endpoints)
		}
	})
}

func TestSelected(t *testing.T) {
	key := fleet.BalancerKey{Host: "web1", Name: "haproxy"}
	for name, test := range map[string]struct {
		b    *fleet.Balancing
		want bool
	}{
		"not balanced":    {nil, false},
		"on all":          {&fleet.Balancing{}, true},
		"by name":         {&fleet.Balancing{Balancers: []string{"edge", "haproxy"}}, true},
		"by host":         {&fleet.Balancing{Balancers: []string{"web1/haproxy"}}, true},
		"another":         {&fleet.Balancing{Balancers: []string{"edge"}}, false},
		"on another host": {&fleet.Balancing{Balancers: []string{"web2/haproxy"}}, false},
	} {
		if got := Selected(test.b, key); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestDrained(t *testing.T) {
	report := func(generation uint64, endpoints ...fleet.EndpointActual) *fleet.PoolActual {
		return &fleet.PoolActual{Service: web, Generation: generation, Endpoints: endpoints}
	}
	other := fleet.EndpointActual{Instance: "other", State: fleet.EndpointReady}
	for name, test := range map[string]struct {
		report *fleet.PoolActual
		want   bool
	}{
		"nothing is reported":                {nil, false},
		"an older generation":                {report(6), false},
		"it isn't there any more":            {report(7, other), true},
		"it is drained":                      {report(7, fleet.EndpointActual{Instance: "a", State: fleet.EndpointDraining, Drained: true}), true},
		"in a later generation":              {report(8, fleet.EndpointActual{Instance: "a", State: fleet.EndpointPreparing, Drained: true}), true},
		"it has connections":                 {report(7, fleet.EndpointActual{Instance: "a", State: fleet.EndpointDraining, Connections: 1}), false},
		"it still gets traffic":              {report(7, fleet.EndpointActual{Instance: "a", State: fleet.EndpointReady, Drained: true}), false},
		"no connection, and yet not drained": {report(7, fleet.EndpointActual{Instance: "a", State: fleet.EndpointDraining}), false},
	} {
		if got := Drained(test.report, "a", 7); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
