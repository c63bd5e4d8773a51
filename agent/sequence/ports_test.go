package sequence

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// routed is a pool with a route for each target, listening on 8000 and more.
func routed(generation uint64, targets []int, endpoints ...fleet.Endpoint) fleet.Pool {
	p := pool(generation, endpoints...)
	p.Routes = nil
	for _, target := range targets {
		p.Routes = append(p.Routes, fleet.Route{Target: target, Listen: []int{8000 + target}, Protocol: fleet.ProtocolHTTP})
	}
	return p
}

// on is an endpoint that publishes the targets.
func on(instance, state string, targets ...int) fleet.Endpoint {
	e := endpoint(instance, state)
	e.Ports = map[int]int{}
	for _, target := range targets {
		e.Ports[target] = 10000 + target + int(instance[0])
	}
	return e
}

// states are those of the servers in the current worker.
func (f *fake) states() map[string]string {
	out := map[string]string{}
	for key, s := range f.current.servers {
		out[key.Instance+":"+string(rune('0'+key.Target%10))] = s.State
	}
	return out
}

func (f *fake) expect(what string, want map[string]string) {
	f.t.Helper()
	if got := f.states(); !maps.Equal(got, want) {
		f.t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

func expectReport(t *testing.T, turn Turn, generation uint64, instance string, want fleet.EndpointActual) {
	t.Helper()
	want.Instance = instance
	if got := reported(turn, webKey).Generation; got != generation {
		t.Errorf("generation %d is acknowledged, want %d", got, generation)
	}
	if got, _ := reportedEndpoint(turn, instance); got != want {
		t.Errorf("reported %+v, want %+v", got, want)
	}
}

var (
	serves  = fleet.EndpointActual{State: fleet.EndpointReady, Check: fleet.CheckPassing}
	leaves  = fleet.EndpointActual{State: fleet.EndpointDraining, Check: fleet.CheckPassing, Drained: true}
	outside = fleet.EndpointActual{State: fleet.EndpointPreparing, Check: fleet.CheckUnknown, Drained: true}
)

func TestAVersionThatPublishesOnePortMore(t *testing.T) {
	f := newFake(t)
	f.healthy["a"], f.healthy["b"] = true, true
	old, both := []int{80}, []int{80, 91}
	f.run(pools{routed(1, old, on("a", fleet.EndpointReady, 80))})

	turn := f.run(pools{routed(2, both, on("a", fleet.EndpointReady, 80))})
	f.expect("the new route is empty", map[string]string{"a:0": StateReady})
	expectReport(t, turn, 2, "a", serves)

	turn = f.run(pools{routed(3, both, on("a", fleet.EndpointReady, 80), on("b", fleet.EndpointReady, 80, 91))})
	f.expect("both serve", map[string]string{"a:0": StateReady, "b:0": StateReady, "b:1": StateReady})
	expectReport(t, turn, 3, "b", serves)

	want := pools{routed(4, both, on("a", fleet.EndpointDraining, 80), on("b", fleet.EndpointReady, 80, 91))}
	f.run(want)
	f.old = nil // the worker before the reload has ended
	f.pass(MinDrain)
	turn = f.settle(want)
	f.expect("a drains", map[string]string{"a:0": StateDrain, "b:0": StateReady, "b:1": StateReady})
	expectReport(t, turn, 4, "a", leaves)

	turn = f.run(pools{routed(5, both, on("b", fleet.EndpointReady, 80, 91))})
	f.expect("a has left", map[string]string{"b:0": StateReady, "b:1": StateReady})
	expectReport(t, turn, 5, "b", serves)
}

func TestAVersionThatPublishesAnotherPort(t *testing.T) {
	f := newFake(t)
	f.healthy["a"], f.healthy["b"] = true, true
	f.run(pools{routed(1, []int{80}, on("a", fleet.EndpointReady, 80))})
	f.current.sessions[webKey] = 1

	want := pools{routed(2, []int{91}, on("a", fleet.EndpointReady, 80), on("b", fleet.EndpointReady, 91))}
	f.run(want)
	f.pass(MinDrain)
	turn := f.settle(want)
	f.expect("b serves", map[string]string{"b:1": StateReady})
	expectReport(t, turn, 2, "b", serves)
	busy := outside
	busy.Drained = false
	expectReport(t, turn, 2, "a", busy) // clients of the old worker still reach it
	if turn.Wake != MotionWake {
		t.Errorf("the next look is in %s", turn.Wake)
	}

	f.old = nil
	turn = f.settle(want)
	expectReport(t, turn, 2, "a", outside)
	f.pass(time.Hour)
	turn = f.settle(want)
	expectReport(t, turn, 2, "a", outside)
	if turn.Wake != SlowWake {
		t.Errorf("at rest the next look is in %s", turn.Wake)
	}

	turn = f.settle(pools{routed(3, []int{91}, on("a", fleet.EndpointDraining, 80), on("b", fleet.EndpointReady, 91))})
	expectReport(t, turn, 3, "a", outside)
	turn = f.run(pools{routed(4, []int{80}, on("a", fleet.EndpointReady, 80), on("b", fleet.EndpointReady, 91))})
	f.expect("and back", map[string]string{"a:0": StateReady})
	expectReport(t, turn, 4, "a", serves)
}

// A reload that leads a listener to another target takes along what the same
// address has proven on the old one, and no more.
func TestAListenerLeadsToAnotherTarget(t *testing.T) {
	f := newFake(t)
	f.healthy["a"], f.healthy["b"] = true, true
	f.run(pools{routed(1, []int{80}, on("a", fleet.EndpointReady, 80), on("b", fleet.EndpointReady, 80), on("c", fleet.EndpointReady, 80))})
	f.pass(time.Second) // c fails its check

	both := func(instance string) fleet.Endpoint {
		e := on(instance, fleet.EndpointReady, 80)
		e.Ports[91] = e.Ports[80]
		return e
	}
	moved := both("b")
	moved.Ports[91]++ // the new target has an address that nobody has checked yet
	f.log = nil
	f.settle(pools{routed(2, []int{91}, both("a"), moved, both("c"))})
	if !strings.HasPrefix(f.log[0], "reload: ") {
		t.Errorf("what serves goes on until the reload: %v", f.log)
	}
	f.expect("nothing is dropped", map[string]string{"a:1": StateReady, "b:1": StateDrain, "c:1": StateDrain})
	turn := f.run(pools{routed(2, []int{91}, both("a"), moved, both("c"))})
	f.expect("all that pass serve", map[string]string{"a:1": StateReady, "b:1": StateReady, "c:1": StateDrain})
	expectReport(t, turn, 2, "a", serves)
	if f.reloads != 1 {
		t.Errorf("%d reloads", f.reloads)
	}
}

// Where nobody's new address has proven itself, those who serve are trusted:
// without them the listener would have nobody at all.
func TestAListenerLeadsToATargetThatNobodyHasChecked(t *testing.T) {
	f := newFake(t)
	f.healthy["a"] = true
	both := func(id string) fleet.Endpoint { return on(id, fleet.EndpointReady, 80, 91) }
	f.run(pools{routed(1, []int{80}, both("a"), both("b"))})
	f.pass(time.Second) // b fails its check
	moved := routed(2, []int{91}, both("a"), both("b"))
	moved.Routes[0].Listen = []int{8080}
	f.settle(pools{moved})
	f.expect("it is not left without anybody", map[string]string{"a:1": StateReady, "b:1": StateDrain})
	if f.reloads != 1 {
		t.Errorf("%d reloads", f.reloads)
	}
}

// A listener for a port that the instances publish already is a reload. The
// listeners that are there keep everybody; the new one gets who passes.
func TestAListenerIsAdded(t *testing.T) {
	f := newFake(t)
	f.healthy["a"], f.healthy["b"] = true, true
	a, b := on("a", fleet.EndpointReady, 80, 91), on("b", fleet.EndpointReady, 80)
	f.run(pools{routed(1, []int{80}, a, b)})
	want := pools{routed(2, []int{80, 91}, a, b)}
	f.settle(want)
	f.expect("the new address isn't checked yet", map[string]string{"a:0": StateReady, "b:0": StateReady, "a:1": StateDrain})
	turn := f.run(want)
	f.expect("a serves both", map[string]string{"a:0": StateReady, "b:0": StateReady, "a:1": StateReady})
	expectReport(t, turn, 2, "a", serves)
	if f.reloads != 1 || !samePools(f.memory.Filed, want) {
		t.Errorf("%d reloads; the file has %+v", f.reloads, f.memory.Filed)
	}
}

func TestAnEndpointLosesOneOfItsPorts(t *testing.T) {
	f := newFake(t)
	f.healthy["a"] = true
	f.run(pools{routed(1, []int{80, 91}, on("a", fleet.EndpointReady, 80, 91))})
	f.server(webKey, "a").Connections = 1
	want := pools{routed(2, []int{80, 91}, on("a", fleet.EndpointReady, 91))}
	turn := f.run(want)
	f.expect("its exchange may end", map[string]string{"a:0": StateMaint, "a:1": StateReady})
	got := serves
	got.Connections = 1
	expectReport(t, turn, 2, "a", got)
	f.server(webKey, "a").Connections = 0
	f.run(want)
	f.expect("it is on one route", map[string]string{"a:1": StateReady})
	if f.reloads != 0 {
		t.Errorf("%d reloads", f.reloads)
	}
}

func TestAWrongEndpointHoldsUpNoOther(t *testing.T) {
	f := started(t)
	f.healthy["c"] = true
	wrong := ready("a")
	wrong.Address = "web1.example.com"
	want := pools{pool(2, wrong, draining("b"), ready("c"))}
	turn := f.run(want)
	if p := reported(turn, webKey); !strings.Contains(p.Problem, `endpoint a: "web1.example.com" is not an IP address`) {
		t.Errorf("its problem is %q", p.Problem)
	}
	f.expect("the others go on", map[string]string{"b:0": StateDrain, "c:0": StateReady})
	f.pass(MinDrain)
	turn = f.settle(want)
	expectReport(t, turn, 2, "a", outside)
	expectReport(t, turn, 2, "b", leaves)
	if turn.Wake != SlowWake {
		t.Errorf("at rest the next look is in %s", turn.Wake)
	}
	f.crash()
	f.run(want)
	f.expect("after a crash", map[string]string{"b:0": StateDrain, "c:0": StateReady})

	turn = f.run(pools{pool(3, ready("a"), ready("c"))})
	if p := reported(turn, webKey); p.Problem != "" {
		t.Errorf("its problem is %q", p.Problem)
	}
	expectReport(t, turn, 3, "a", serves)
}
