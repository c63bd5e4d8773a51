package brain_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// narrow gives the host a range of n ports.
func narrow(w *world, n int) {
	w.config.Facts.PortRangeFirst, w.config.Facts.PortRangeLast = 20000, 20000+n-1
	w.boot("start1")
	w.connected()
}

func TestPortsThatAreNotGiven(t *testing.T) {
	w := newWorld(t)
	narrow(w, 6)
	w.foreign = []brain.Container{{ID: "f1", State: brain.ContainerRunning, HostPorts: []int{20000}}}
	w.step(brain.ForeignRead{Foreign: fleet.Foreign{Ports: []int{20001}}})
	d := desired(webSpec(), "a-1", "b-1", "c-1")
	d.HeldPorts = []int{20002}
	fixed := webSpec()
	fixed.Publish[0].HostPort = 20003
	d.Versions["shop/web@2"] = fixed
	w.send(d)
	w.settle()
	w.pass(100 * time.Millisecond)
	given := map[int]string{}
	for _, i := range w.actual.Instances {
		if p := i.Ports[8080]; p != 0 {
			if given[p] != "" {
				t.Errorf("port %d is given twice", p)
			}
			given[p] = i.ID
		}
	}
	if len(given) != 2 || given[20004] == "" || given[20005] == "" {
		t.Errorf("given %v", given)
	}
	waiting := 0
	for _, i := range w.actual.Instances {
		if i.Phase == fleet.PhaseBackoff && strings.Contains(i.Reason, "no port between 20000 and 20005 is free") {
			waiting++
		}
	}
	if waiting != 1 {
		t.Errorf("reported %+v", w.actual.Instances)
	}
	w.foreign = nil
	w.settle()
	w.pass(time.Minute)
	for _, i := range w.actual.Instances {
		if !i.Ready {
			t.Errorf("once a port is free: %+v", i)
		}
	}
}

func TestAReleasedPortWaits(t *testing.T) {
	w := newWorld(t)
	narrow(w, 1)
	d := desired(webSpec(), "a-1")
	w.send(d)
	w.settle()
	w.send(stopping(d, "a-1"))
	w.settle()
	w.send(desired(webSpec(), "b-1"))
	w.settle()
	w.pass(9 * time.Minute)
	if len(w.boxes) != 0 {
		t.Fatal("the port was given away at once")
	}
	w.boot("start2")
	w.connected().settle()
	w.pass(30 * time.Second)
	if len(w.boxes) != 0 {
		t.Fatal("the agent's restart made the port free")
	}
	w.pass(2 * time.Minute)
	if !w.instance("b-1").Ready {
		t.Fatalf("reported %+v", w.instance("b-1"))
	}
}

func TestPortsAreSavedBeforeAnythingIsMade(t *testing.T) {
	w := newWorld(t).connected()
	w.list()
	out := brain.Step(w.state, brain.DesiredReceived{Payload: w.seal(1, 1, desired(webSpec(), "a-1"))}, w.now)
	if !out.Save || len(out.Ops) > 0 || out.Presence != nil || out.Actual != nil {
		t.Fatalf("before it is accepted on disk: %+v", out)
	}
	out = brain.Step(w.state, brain.Saved{}, w.now)
	if !out.Save || len(out.Ops) > 0 || len(w.state.Cache().Instances["a-1"].Ports) != 1 {
		t.Fatalf("before its port is on disk: %+v", out)
	}
	if out.Presence == nil || out.Presence.Observed.Generation != 1 {
		t.Fatalf("once it is accepted: %+v", out)
	}
	w.now = w.now.Add(time.Second)
	out = brain.Step(w.state, brain.Tick{}, w.now)
	if len(out.Ops) > 0 || out.Actual == nil || len(out.Actual.Instances[0].Ports) != 0 {
		t.Fatalf("while its port is written: %+v", out)
	}
	out = brain.Step(w.state, brain.Saved{}, w.now)
	if len(out.Ops) != 1 {
		t.Fatalf("after: %+v", out)
	}
}

func TestPortTakenByAnother(t *testing.T) {
	w := newWorld(t).connected()
	w.fail[brain.OpStart] = brain.Result{Problem: "port is already allocated", PortTaken: true}
	w.send(desired(webSpec(), "a-1"))
	w.settle()
	first := w.state.Cache().Instances["a-1"].Ports[8080]
	delete(w.fail, brain.OpStart)
	w.pass(2 * time.Second)
	got := w.instance("a-1")
	if !got.Ready || got.Ports[8080] == first && first != 0 || got.Incarnation != 2 {
		t.Fatalf("reported %+v, first %d", got, first)
	}
	if label := w.box("a-1").Labels[brain.LabelPorts]; label != fmt.Sprintf("8080:%d", got.Ports[8080]) {
		t.Errorf("label %q", label)
	}

	// Once others know it, it stays.
	known := got.Ports[8080]
	delete(w.boxes, w.box("a-1").ID)
	w.fail[brain.OpCreate] = brain.Result{Problem: "port is already allocated", PortTaken: true}
	w.settle()
	w.pass(time.Minute)
	got = w.instance("a-1")
	if got.Ports[8080] != known || got.Phase != fleet.PhaseBackoff || !strings.Contains(got.Reason, "already allocated") {
		t.Fatalf("reported %+v", got)
	}
}

// What is to get other ports gets them, whatever comes between: the agent's end,
// or somebody who starts the container as it is.
func TestPortTakenByAnotherIsRemembered(t *testing.T) {
	for name, between := range map[string]func(w *world){
		"the agent starts anew": func(w *world) { w.boot("start2") },
		"it is started by hand": func(w *world) { w.box("a-1").State = brain.ContainerRunning },
		"both": func(w *world) {
			w.box("a-1").State = brain.ContainerRunning
			w.boot("start2")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).connected()
			spec := webSpec()
			spec.Probe = nil
			w.fail[brain.OpStart] = brain.Result{Problem: "port is already allocated", PortTaken: true}
			w.send(desired(spec, "a-1"))
			for len(w.boxes) == 0 || len(w.held) > 0 {
				w.list()
				w.finish()
			}
			delete(w.fail, brain.OpStart)
			w.now = w.now.Add(time.Second)
			w.step(brain.Tick{}) // it is on disk now
			between(w)
			w.connected().list()
			if got := w.instance("a-1"); got.Ready {
				t.Fatalf("ready without ports: %+v", got)
			}
			w.settle()
			w.pass(2 * time.Second)
			got := w.instance("a-1")
			if !got.Ready || got.Incarnation != 2 || w.box("a-1").Labels[brain.LabelPorts] != fmt.Sprintf("8080:%d", got.Ports[8080]) {
				t.Fatalf("reported %+v", got)
			}
		})
	}
}

func TestFixedPortIsKept(t *testing.T) {
	w := newWorld(t).connected()
	spec := webSpec()
	spec.Publish = []fleet.Publish{{Target: 8080, Protocol: "tcp", HostPort: 80, HostIP: "192.0.2.7"}}
	w.fail[brain.OpStart] = brain.Result{Problem: "port 80 is taken", PortTaken: true}
	w.send(desired(spec, "a-1"))
	w.settle()
	w.pass(10 * time.Second)
	if got := w.instance("a-1"); got.Phase != fleet.PhaseBackoff {
		t.Fatalf("reported %+v", got)
	}
	delete(w.fail, brain.OpStart)
	w.pass(time.Minute)
	if got := w.instance("a-1"); !got.Ready || w.probes[0].Address != "192.0.2.7:80" {
		t.Fatalf("reported %+v, probes %+v", got, w.probes)
	}
}

// Balancers send to the address and the ports that are reported. A port that
// is fixed to another address isn't one of them, nor does it change the others.
func TestPortsElsewhereAreNotReported(t *testing.T) {
	for _, test := range []struct {
		ip   string
		want []int // of the container
	}{
		{"127.0.0.1", []int{8080}},
		{"192.0.2.7", []int{8080}},
		{"10.0.0.1", []int{80, 8080}},
		{"0.0.0.0", []int{80, 8080}},
		{"", []int{80, 8080}},
	} {
		w := newWorld(t).connected()
		spec := webSpec()
		spec.Publish = []fleet.Publish{{Target: 80, Protocol: "tcp", HostPort: 9000, HostIP: test.ip}, {Target: 8080, Protocol: "tcp"}}
		w.send(desired(spec, "a-1"))
		w.settle()
		got := w.instance("a-1")
		if ports := slices.Sorted(maps.Keys(got.Ports)); !got.Ready || got.Address != "10.0.0.1" || !slices.Equal(ports, test.want) {
			t.Errorf("port 80 on %q: reported %s, %v", test.ip, got.Address, got.Ports)
		}
		if want := fmt.Sprintf("10.0.0.1:%d", got.Ports[8080]); w.probes[0].Address != want {
			t.Errorf("port 80 on %q: probes %+v", test.ip, w.probes)
		}
	}
}

func TestBalancersPortsAreNotForeign(t *testing.T) {
	w := newWorld(t)
	w.config.Facts.Balancers = []fleet.BalancerFacts{{Name: "haproxy", Driver: "haproxy"}}
	w.boot("start1")
	w.connected()
	w.sendPool(1, false, 9000)
	d := desired(webSpec())
	d.Pools = []fleet.PoolRef{{Service: shopWeb, Generation: 1}}
	w.send(d)
	w.step(brain.BalancerReported{Actual: fleet.BalancerActual{Name: "haproxy", Driver: "haproxy", Up: true}})
	read := brain.ForeignRead{Foreign: fleet.Foreign{Ports: []int{22, 9000, 9001}}}
	w.step(read)
	w.settle()
	w.pass(time.Second)
	check := func(want string) {
		t.Helper()
		if got := fmt.Sprint(w.actual.Foreign.Ports); got != want {
			t.Errorf("foreign ports %s, want %s", got, want)
		}
	}
	check("[22 9001]")
	w.sendPool(2, false, 9000, 9001)
	w.pass(time.Second)
	check("[22]")
	w.sendPool(3, true)
	d.Pools = nil
	w.send(d)
	w.step(read) // made while it was ours
	w.pass(time.Second)
	check("[22 9001]")
	w.step(read)
	w.pass(time.Second)
	check("[22 9000 9001]")
}
