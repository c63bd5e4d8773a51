package brain_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

func TestRestartOfTheAgentRestartsNothing(t *testing.T) {
	w := settled(t)
	before := w.instance("a-1")
	w.answer = func(brain.ProbeTarget) (bool, string) { return false, "connection refused" }
	w.boot("start2")
	w.connected()
	if w.actual != nil {
		t.Fatal("it reported before it looked")
	}
	w.list()
	w.pass(3 * time.Second)
	if got := w.kinds(); got != "" {
		t.Fatalf("operations: %s", got)
	}
	w2 := settled(t)
	w2.boot("start2")
	w2.connected().list()
	after := w2.instance("a-1")
	if !after.Ready || after.Container != before.Container || after.Ports[8080] != before.Ports[8080] || after.Incarnation != 1 {
		t.Fatalf("reported %+v, before %+v", after, before)
	}
}

func TestReadinessFallsOnlyAfterAllFailures(t *testing.T) {
	w := settled(t)
	w.boot("start2")
	w.connected().list()
	target := w.probes[0]
	for i, want := range []bool{true, true, false} {
		w.step(brain.Probed{Result: brain.ProbeResult{Instance: target.Instance, Container: target.Container, Reason: "HTTP 503"}})
		if got := w.instance(target.Instance).Ready; got != want {
			t.Fatalf("after %d failures: ready %v", i+1, got)
		}
	}
	if got := w.instance(target.Instance).Reason; got != "its probe fails: HTTP 503" {
		t.Errorf("reason %q", got)
	}
	w.step(brain.Probed{Result: brain.ProbeResult{Instance: target.Instance, Container: "another run", OK: true}})
	if w.instance(target.Instance).Ready {
		t.Error("the outcome of another run counted")
	}
}

func TestRiseCountsForNewContainers(t *testing.T) {
	w := newWorld(t).connected()
	spec := webSpec()
	spec.Probe.Rise = 3
	w.hold = false
	passes := 0
	w.answer = func(brain.ProbeTarget) (bool, string) { passes++; return passes > 2, "not yet" }
	w.send(desired(spec, "a-1"))
	w.settle()
	w.pass(time.Second)
	for range 5 {
		if w.actual != nil && len(w.actual.Instances) == 1 && w.instance("a-1").Ready {
			break
		}
		w.probe()
	}
	if !w.instance("a-1").Ready || passes != 5 {
		t.Errorf("ready %v after %d probes", w.instance("a-1").Ready, passes)
	}
}

func TestLostDisk(t *testing.T) {
	w := settled(t)
	before := w.instance("a-1")
	w.disk = nil
	w.boot("start2")
	w.connected().settle()
	w.pass(time.Minute)
	if got := w.kinds(); got != "" || len(w.boxes) != 2 {
		t.Fatalf("operations without knowing anything: %s", got)
	}
	w.step(brain.DesiredReceived{Payload: w.seal(3, 5, desired(webSpec(), "a-1", "b-1"))})
	w.settle()
	w.pass(time.Second)
	after := w.instance("a-1")
	if got := w.kinds(); got != "" || !after.Ready || after.Ports[8080] != before.Ports[8080] || after.Incarnation != 1 || after.Container != before.Container {
		t.Fatalf("operations %q; reported %+v", got, after)
	}
}

// What ran before the agent lost its memory is called ready or not once its
// probe said so, or after the time that an agent's first report waits, also when
// the hub comes later.
func TestALostDiskCallsNothingUnreadyBeforeItsProbe(t *testing.T) {
	w := settled(t)
	w.disk = nil
	w.boot("start2")
	w.connected().settle()
	w.pass(time.Minute) // the hub was away, and the first report has been made
	w.step(brain.DesiredReceived{Payload: w.seal(3, 5, desired(webSpec(), "a-1", "b-1"))})
	w.probes = nil // they hang
	w.pass(time.Second)
	if len(w.actual.Instances) > 0 {
		t.Fatalf("reported before any probe: %+v", w.actual.Instances)
	}
	w.pass(w.config.Timing.FirstReport + time.Second)
	if got := w.instance("a-1"); got.Ready || got.Phase != fleet.PhaseRunning {
		t.Fatalf("reported %+v though no probe ever ended", got)
	}
}

// A restored hub may learn only later what runs here, and with it the probe. What
// serves by then is called unready by that probe's failures alone.
func TestALostDiskStaysReadyWhenItsProbeBecomesKnown(t *testing.T) {
	w := settled(t)
	w.disk = nil
	w.boot("start2")
	w.connected().settle()
	unknown := desired(webSpec(), "a-1", "b-1")
	unknown.Versions = nil
	w.step(brain.DesiredReceived{Payload: w.seal(3, 5, unknown)})
	w.settle()
	w.pass(time.Minute) // no report waits any more for the first probes of what was found
	if !w.instance("a-1").Ready || len(w.probes) > 0 {
		t.Fatalf("without its version: %+v, probes %+v", w.instance("a-1"), w.probes)
	}
	w.step(brain.DesiredReceived{Payload: w.seal(3, 6, desired(webSpec(), "a-1", "b-1"))})
	if got := w.instance("a-1"); !got.Ready || len(w.probes) != 2 {
		t.Fatalf("before the first probe: %+v, probes %+v", got, w.probes)
	}
	w.answer = func(brain.ProbeTarget) (bool, string) { return false, "connection refused" }
	for i, want := range []bool{true, true, false} {
		w.probe()
		if got := w.instance("a-1").Ready; got != want {
			t.Errorf("after %d failures: ready %v", i+1, got)
		}
	}
}

// Nor does it speak of what runs while its engine tells it nothing.
func TestALostDiskBesideASilentEngine(t *testing.T) {
	w := settled(t)
	w.disk, w.down = nil, true
	w.boot("start2")
	w.connected().list()
	w.step(brain.DesiredReceived{Payload: w.seal(3, 5, desired(webSpec(), "a-1", "b-1"))})
	w.pass(w.config.Timing.FirstReport + time.Second)
	if w.actual == nil || len(w.actual.Instances) > 0 {
		t.Fatalf("reported %+v", w.actual)
	}
	w.down = false
	w.settle()
	w.pass(time.Second)
	if !w.instance("a-1").Ready {
		t.Fatalf("reported %+v", w.actual.Instances)
	}
}

func TestRebootWithoutAHub(t *testing.T) {
	for _, policy := range []string{"", fleet.RestartOnFailure, fleet.RestartUnlessStopped} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t)
			spec := webSpec()
			spec.Restart.Policy = policy
			w.send(desired(spec, "a-1", "b-1"))
			w.settle()
			w.pass(time.Second)
			ports := maps.Clone(w.state.Cache().Instances["a-1"].Ports)
			w.kinds()
			w.exit("a-1", 0)
			w.exit("b-1", 0)
			w.config.Facts.BootID = "boot2"
			w.boot("start2")
			w.settle()
			if got := w.kinds(); got != "start start" {
				t.Fatalf("operations: %s", got)
			}
			w.connected().settle()
			if got := w.instance("a-1"); !got.Ready || got.Ports[8080] != ports[8080] || got.Incarnation != 1 {
				t.Fatalf("reported %+v", got)
			}
		})
	}
}

func TestAJobThatEndedIsNotRepeatedAfterAReboot(t *testing.T) {
	w := newWorld(t).connected()
	spec := webSpec()
	spec.Restart.Policy = fleet.RestartOnFailure
	w.send(desired(spec, "a-1"))
	w.settle()
	w.exit("a-1", 0)
	w.settle()
	w.pass(time.Second)
	w.kinds()
	w.config.Facts.BootID = "boot2"
	w.boot("start2")
	w.connected().settle()
	w.pass(time.Minute)
	if got := w.kinds(); got != "" || w.instance("a-1").Phase != fleet.PhaseExited {
		t.Fatalf("operations %q, %+v", got, w.instance("a-1"))
	}
}

// The engine and the agent are restarted together: what ended then is started
// again. What ended before is over, and so is what ended with the engine
// answering all the time.
func TestEngineAndAgentRestartTogether(t *testing.T) {
	for _, test := range []struct {
		name   string
		silent bool // the engine, as the agent starts
		before func(w *world)
		ops    string
	}{
		{"it ended with the engine", true, func(*world) {}, "start"},
		{"it ended by itself", false, func(*world) {}, ""},
		{"its end was seen before", true, func(w *world) { w.exit("a-1", 0); w.settle(); w.pass(time.Minute) }, ""},
		{"nobody knows whether it ran", true, func(w *world) { w.disk = nil }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t).connected()
			spec := webSpec()
			spec.Restart.Policy = fleet.RestartOnFailure
			d := desired(spec, "a-1")
			w.send(d)
			w.settle()
			w.pass(time.Second)
			test.before(w)
			w.exit("a-1", 0)
			w.kinds()
			w.boot("start2")
			if test.silent {
				w.down = true
				w.settle()
				w.down = false
			}
			w.connected().send(d)
			w.settle()
			w.pass(time.Minute)
			if got := w.kinds(); got != test.ops {
				t.Errorf("operations %q, %+v", got, w.instance("a-1"))
			}
		})
	}
}

func TestSilentEngine(t *testing.T) {
	w := settled(t)
	w.down = true
	w.settle()
	w.pass(time.Minute)
	if got := w.kinds(); got != "" {
		t.Fatalf("operations: %s", got)
	}
	if w.actual.Engine.Up || !w.instance("a-1").Ready || w.instance("a-1").Phase != fleet.PhaseRunning {
		t.Fatalf("reported %+v", w.actual)
	}
	w.answer = func(p brain.ProbeTarget) (bool, string) { return p.Instance != "a-1", "connection refused" }
	for range 3 {
		w.probe()
	}
	if w.instance("a-1").Ready || !w.instance("b-1").Ready {
		t.Fatal("the probes' word doesn't count")
	}
	w.send(stopping(desired(webSpec(), "a-1", "b-1", "c-1"), "b-1"))
	w.settle()
	w.pass(time.Minute)
	if got := w.kinds(); got != "" {
		t.Fatalf("operations: %s", got)
	}
	// The engine comes back and took its containers down with it.
	w.exit("a-1", 0)
	w.down = false
	w.answer = func(brain.ProbeTarget) (bool, string) { return true, "" }
	w.settle()
	w.pass(time.Second)
	if got := w.instance("a-1"); !got.Ready || got.Incarnation != 1 || !w.instance("c-1").Ready {
		t.Fatalf("reported %+v", w.actual.Instances)
	}
	if len(w.eventsOf(fleet.EventEngineDown)) != 1 || len(w.eventsOf(fleet.EventEngineUp)) != 1 {
		t.Errorf("events %+v", w.events())
	}
}

func TestFirstReportWithoutAnEngine(t *testing.T) {
	w := settled(t)
	w.down = true
	w.boot("start2")
	w.connected().list()
	w.pass(4 * time.Second)
	if w.actual == nil || w.actual.Engine.Up || !w.instance("a-1").Ready {
		t.Fatalf("what was ready is said not to be: %+v", w.actual)
	}
	w.config.Facts.BootID = "boot2"
	w.boot("start3")
	w.connected().list()
	w.pass(4 * time.Second)
	if w.instance("a-1").Ready {
		t.Fatal("after a reboot nothing is ready by itself")
	}
}

func TestFrozen(t *testing.T) {
	freezes := map[string]func(d *fleet.Desired){
		"host":    func(d *fleet.Desired) { d.Frozen = true },
		"service": func(d *fleet.Desired) { d.FrozenServices = []fleet.ServiceKey{shopWeb} },
	}
	for name, freeze := range freezes {
		t.Run(name, func(t *testing.T) {
			w := settled(t)
			d := stopping(desired(webSpec(), "a-1", "b-1", "c-1"), "b-1")
			freeze(&d)
			w.send(d)
			w.exit("a-1", 1)
			w.settle()
			w.pass(time.Minute)
			if got := w.kinds(); got != "" {
				t.Fatalf("operations: %s", got)
			}
			if got := w.instance("a-1"); got.Ready || got.Phase == fleet.PhaseRunning || !strings.Contains(got.Reason, "frozen") {
				t.Errorf("reported %+v", got)
			}
			if got := w.instance("b-1"); got.Phase != fleet.PhaseStopping {
				t.Errorf("reported %+v", got)
			}
			w.send(stopping(desired(webSpec(), "a-1", "b-1", "c-1"), "b-1"))
			w.settle()
			w.pass(time.Second)
			if !w.instance("a-1").Ready || !w.instance("c-1").Ready || w.instance("b-1").Phase != fleet.PhaseStopped {
				t.Errorf("after thawing: %+v", w.actual.Instances)
			}
		})
	}
}

func TestForeignContainersAreNotTouched(t *testing.T) {
	labels := func(change func(map[string]string)) map[string]string {
		l := map[string]string{brain.LabelLineage: "L1", brain.LabelHost: "h1", brain.LabelInstance: "z-1", brain.LabelProject: "shop", brain.LabelService: "web", brain.LabelVersion: "1"}
		change(l)
		return l
	}
	w := newWorld(t).connected()
	w.foreign = []brain.Container{
		{ID: "f1", State: brain.ContainerRunning, CPUs: 0.5},
		{ID: "f2", State: brain.ContainerRunning, CPUs: 0.25, Labels: labels(func(l map[string]string) { l[brain.LabelLineage] = "L2" })},
		{ID: "f3", State: brain.ContainerExited, Labels: labels(func(l map[string]string) { l[brain.LabelHost] = "h2" })},
		{ID: "f4", State: brain.ContainerPaused, Labels: labels(func(l map[string]string) { delete(l, brain.LabelInstance) })},
		{ID: "u1", State: brain.ContainerExited, Labels: labels(func(l map[string]string) { l[brain.LabelInstance] = "u-1" })},
		{ID: "f5", State: brain.ContainerExited, Labels: labels(func(l map[string]string) { l[brain.LabelInstance] = "no id" })},
		{ID: "u2", State: brain.ContainerExited, Labels: labels(func(l map[string]string) {
			l[brain.LabelInstance], l[brain.LabelService], l[brain.LabelVersion], l[brain.LabelPorts] = "u-2", "no service!", "-1", "80:70000"
		})},
	}
	w.send(stopping(desired(webSpec(), "z-1", "a-1"), "z-1"))
	w.settle()
	w.pass(time.Minute)
	for _, op := range w.ops {
		if op.Instance != "a-1" {
			t.Errorf("operation %+v", op)
		}
	}
	if got := w.instance("u-1"); !got.Unclaimed || got.Ready || got.Service != shopWeb {
		t.Errorf("reported %+v", got)
	}
	if got := w.instance("u-2"); !got.Unclaimed || !got.Service.IsZero() || got.Version != 0 || len(got.Ports) != 0 {
		t.Errorf("of labels made by hand: %+v", got)
	}
	if w.instance("z-1").Phase != fleet.PhaseStopped {
		t.Errorf("reported %+v", w.instance("z-1"))
	}
	if w.actual.Foreign.CPUs != 0.75 {
		t.Errorf("foreign use %+v", w.actual.Foreign)
	}
}

// Neither is the version's fault, and a rollout counts restarts against it.
func TestWhatEndsWithTheMachineIsNoRestart(t *testing.T) {
	w := settled(t)
	w.exit("a-1", 137)
	w.config.Facts.BootID = "boot2"
	w.boot("start2")
	w.connected()
	w.settle()
	w.pass(time.Minute)
	if got := w.instance("a-1"); !strings.Contains(w.kinds(), "start") || !got.Ready || got.Restarts != 0 {
		t.Errorf("after a reboot: %s, %+v", w.kinds(), got)
	}
	w.exit("a-1", 1)
	w.settle()
	w.pass(time.Minute)
	if got := w.instance("a-1"); !got.Ready || got.Restarts != 1 {
		t.Errorf("after an exit of its own: %+v", got)
	}
}
