package brain_test

import (
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

func TestInstanceComesUp(t *testing.T) {
	w := newWorld(t).connected()
	w.send(desired(webSpec(), "a-1"))
	w.settle()
	if got := w.kinds(); got != "pull create start" {
		t.Fatalf("operations: %s", got)
	}
	got := w.instance("a-1")
	if !got.Ready || got.Phase != fleet.PhaseRunning || got.Incarnation != 1 || got.Address != "10.0.0.1" {
		t.Fatalf("reported %+v", got)
	}
	if p := got.Ports[8080]; p < 20000 || p > 20999 {
		t.Fatalf("port %d", p)
	}
	if got.Digest != "web@sha256:aaa" || got.Image != "sha256:aaa" {
		t.Fatalf("image %s %s", got.Image, got.Digest)
	}
	c := w.box("a-1")
	if c.Name != "muster-shop-web-1-a-1" || c.Labels[brain.LabelLineage] != "L1" || c.Labels[brain.LabelIncarnation] != "1" {
		t.Fatalf("container %+v", c)
	}
	if w.actual.Observed.Generation != 1 || w.presence.Observed.Generation != 1 {
		t.Fatalf("observed %+v %+v", w.actual.Observed, w.presence.Observed)
	}
	for _, e := range w.events() {
		if e.Cause == "" || e.ID == "" {
			t.Errorf("event without cause or id: %+v", e)
		}
	}
	w.settle()
	if got := w.kinds(); got != "" {
		t.Fatalf("it is converged, and yet: %s", got)
	}
}

func TestCrashIsRestarted(t *testing.T) {
	w := newWorld(t).connected()
	w.send(desired(webSpec(), "a-1"))
	w.settle()
	w.kinds()
	w.exit("a-1", 3)
	w.settle()
	if got := w.kinds(); got != "start" {
		t.Fatalf("the first restart is immediate, got %q", got)
	}
	if got := w.instance("a-1"); got.Restarts != 1 || !got.Ready {
		t.Fatalf("reported %+v", got)
	}
	wants := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, time.Minute, time.Minute}
	for _, want := range wants {
		w.now = w.now.Add(300 * time.Millisecond)
		w.exit("a-1", 3)
		w.settle()
		w.pass(100 * time.Millisecond)
		got := w.instance("a-1")
		if got.Phase != fleet.PhaseBackoff || got.Ready || got.ExitCode != 3 {
			t.Fatalf("reported %+v", got)
		}
		if wait := got.NextTry.Sub(w.now); wait > want || wait < want-200*time.Millisecond {
			t.Fatalf("waits %v, not %v", wait, want)
		}
		w.pass(want)
		if got := w.kinds(); got != "start" {
			t.Fatalf("operations: %q", got)
		}
	}
	w.exit("a-1", 3)
	w.settle()
	w.pass(100 * time.Millisecond)
	if got := w.instance("a-1").Reason; got != "exited with code 3, 10 times in 3 min; next try in 60 s" {
		t.Fatalf("reason %q", got)
	}
	w.pass(time.Minute)
	w.pass(2 * time.Minute)
	w.kinds()
	w.exit("a-1", 3)
	w.settle()
	if got := w.kinds(); got != "start" {
		t.Fatalf("a stable run makes the past forgotten, got %q", got)
	}
	if len(w.eventsOf(fleet.EventInstanceExited)) != 11 {
		t.Fatalf("%d exits", len(w.eventsOf(fleet.EventInstanceExited)))
	}
	started := w.eventsOf(fleet.EventInstanceStarted)
	exited := w.eventsOf(fleet.EventInstanceExited)
	if last, exit := started[len(started)-1], exited[len(exited)-1]; last.Cause != exit.ID || exit.Cause != "cmd1" {
		t.Fatalf("causes: %s of %s, %s", last.Cause, exit.ID, exit.Cause)
	}
}

func TestRestartPolicies(t *testing.T) {
	tests := []struct {
		name    string
		restart fleet.Restart
		code    int
		oom     bool
		exits   int
		ops     string
		phase   string
		reason  string
	}{
		{"no", fleet.Restart{Policy: fleet.RestartNo}, 1, false, 1, "", fleet.PhaseExited, "exited with code 1"},
		{"on-failure, success", fleet.Restart{Policy: fleet.RestartOnFailure}, 0, false, 1, "", fleet.PhaseExited, "exited with code 0"},
		{"on-failure, failure", fleet.Restart{Policy: fleet.RestartOnFailure}, 2, false, 1, "start", fleet.PhaseRunning, ""},
		{"on-failure, out of memory", fleet.Restart{Policy: fleet.RestartOnFailure}, 0, true, 1, "start", fleet.PhaseRunning, ""},
		{"on-failure, too often", fleet.Restart{Policy: fleet.RestartOnFailure, MaxAttempts: 2}, 2, false, 3, "start start", fleet.PhaseExited, "exited with code 2; given up after 2 restarts"},
		{"always, success", fleet.Restart{Policy: fleet.RestartAlways}, 0, false, 1, "start", fleet.PhaseRunning, ""},
		{"unless-stopped", fleet.Restart{Policy: fleet.RestartUnlessStopped}, 0, false, 1, "start", fleet.PhaseRunning, ""},
		{"default", fleet.Restart{}, 0, false, 1, "start", fleet.PhaseRunning, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t).connected()
			spec := webSpec()
			spec.Restart = tt.restart
			w.send(desired(spec, "a-1"))
			w.settle()
			w.kinds()
			for range tt.exits {
				w.exit("a-1", tt.code)
				w.box("a-1").OOMKilled = tt.oom
				w.settle()
				w.pass(2 * time.Second)
			}
			if got := w.kinds(); got != tt.ops {
				t.Errorf("operations %q, want %q", got, tt.ops)
			}
			if got := w.instance("a-1"); got.Phase != tt.phase || got.Reason != tt.reason {
				t.Errorf("%s %q, want %s %q", got.Phase, got.Reason, tt.phase, tt.reason)
			}
			w.boot("start2")
			w.connected().settle()
			w.kinds()
			w.pass(time.Minute)
			if got := w.kinds(); got != "" {
				t.Errorf("after a restart of the agent: %q", got)
			}
		})
	}
}

func TestChangedByHand(t *testing.T) {
	tests := []struct {
		name   string
		change func(w *world)
		ops    string
	}{
		{"removed", func(w *world) { delete(w.boxes, w.box("a-1").ID) }, "pull create start"},
		{"paused", func(w *world) { w.box("a-1").State = brain.ContainerPaused }, "unpause"},
		{"renamed", func(w *world) { w.box("a-1").Snapshot.Name = "mine" }, "restore"},
		{"limited", func(w *world) { w.box("a-1").Snapshot.MemoryLimit = 1 << 20 }, "restore"},
		{"disconnected", func(w *world) { w.box("a-1").Snapshot.Networks = nil }, "restore"},
		{"restart policy", func(w *world) { w.box("a-1").Snapshot.RestartPolicy = "always" }, "restore"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t).connected()
			w.send(desired(webSpec(), "a-1", "b-1"))
			w.settle()
			before := w.instance("a-1")
			w.kinds()
			tt.change(w)
			w.settle()
			if got := w.kinds(); got != tt.ops {
				t.Fatalf("operations %q, want %q", got, tt.ops)
			}
			w.pass(time.Second)
			after := w.instance("a-1")
			if !after.Ready || after.Ports[8080] != before.Ports[8080] {
				t.Fatalf("reported %+v", after)
			}
			if got := w.eventsOf(fleet.EventInstanceRestored); len(got) != 1 || got[0].Cause != "cmd1" {
				t.Fatalf("restored: %+v", got)
			}
		})
	}
}

// Stopped by hand it is started again, whatever the policy. A job that ends by
// itself isn't, whatever it was told before.
func TestStoppedByHandIsStartedWhateverThePolicy(t *testing.T) {
	const hup, quit, usr1, term, kill = 1, 3, 10, 15, 9
	for _, test := range []struct {
		name    string
		signals []int
		stop    int // the container's own stop signal
		code    int
		later   time.Duration
		ops     string
	}{
		{"docker stop", []int{term}, 0, 0, 0, "start"},
		{"docker stop, and it doesn't listen", []int{term, kill}, 0, 137, 10 * time.Second, "start"},
		{"docker kill", []int{kill}, 0, 137, 0, "start"},
		{"docker stop with the image's signal", []int{quit}, quit, 0, 0, "start"},
		{"it died of the signal", []int{hup}, 0, 129, 0, "start"},
		{"it was told to read its configuration", []int{hup}, 0, 0, time.Second, ""},
		{"it was told something and failed", []int{usr1}, 0, 1, time.Second, ""},
		{"it was told something, then stopped", []int{term, hup}, 0, 0, 0, "start"},
		{"long ago", []int{term}, 0, 0, time.Minute, ""},
		{"a signal without a number", []int{0}, 0, 128, 0, ""},
		{"no signal", nil, 0, 0, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t).connected()
			spec := webSpec()
			spec.Restart.Policy = fleet.RestartNo
			w.send(desired(spec, "a-1"))
			w.settle()
			w.kinds()
			w.box("a-1").StopSignal = test.stop
			for _, signal := range test.signals {
				w.step(brain.Noticed{Container: w.box("a-1").ID, Action: "kill", Signal: signal})
			}
			w.pass(test.later)
			w.exit("a-1", test.code)
			w.settle()
			if got := w.kinds(); got != test.ops {
				t.Errorf("operations %q", got)
			}
		})
	}
}

func TestAStopWithoutGrace(t *testing.T) {
	w := newWorld(t).connected()
	spec := webSpec()
	spec.StopGrace = new(fleet.Duration)
	d := desired(spec, "a-1")
	w.send(d)
	w.settle()
	w.ops = nil
	w.send(stopping(d, "a-1"))
	if len(w.ops) != 1 || w.ops[0].Kind != brain.OpStop || w.ops[0].Grace != 0 {
		t.Fatalf("operations %+v", w.ops)
	}
}

func TestStop(t *testing.T) {
	w := newWorld(t).connected()
	spec := webSpec()
	spec.StopSignal, spec.StopGrace = "SIGINT", new(fleet.Duration(30*time.Second))
	d := desired(spec, "a-1", "b-1")
	w.send(d)
	w.settle()
	port := w.instance("a-1").Ports[8080]
	w.ops = nil
	w.send(stopping(d, "a-1"))
	if len(w.ops) != 1 || w.ops[0].Signal != "SIGINT" || w.ops[0].Grace != 30*time.Second || w.ops[0].Cause != "cmd2" {
		t.Fatalf("operations %+v", w.ops)
	}
	if got := w.instance("a-1"); got.Ready || got.Phase != fleet.PhaseStopping {
		t.Fatalf("reported %+v", got)
	}
	w.settle()
	w.pass(time.Second)
	if got := w.kinds(); got != "stop remove" {
		t.Fatalf("operations %q", got)
	}
	if got := w.instance("a-1"); got.Phase != fleet.PhaseStopped {
		t.Fatalf("reported %+v", got)
	}
	if len(w.eventsOf(fleet.EventInstanceExited)) != 0 {
		t.Fatal("an exit that was asked for is no event")
	}
	w.send(desired(spec, "b-1"))
	w.settle()
	w.pass(time.Second)
	if len(w.actual.Instances) != 1 {
		t.Fatalf("reported %+v", w.actual.Instances)
	}
	if until := w.state.Cache().Quarantine[port]; until.Sub(w.now) < 9*time.Minute {
		t.Fatalf("port %d is free at %v", port, until)
	}
}

// The wait between two tries to run is none for the order to stop.
func TestAStopWaitsForNoBackoff(t *testing.T) {
	for _, test := range []struct {
		name string
		fail func(w *world)
	}{
		{"it crashes", func(w *world) {
			for range 9 {
				w.exit("a-1", 1)
				w.settle()
				if got := w.instance("a-1"); got.Phase == fleet.PhaseBackoff {
					w.pass(got.NextTry.Sub(w.now) - time.Millisecond)
				}
				w.pass(time.Millisecond)
			}
			w.exit("a-1", 1)
			w.settle()
		}},
		{"it can't be started", func(w *world) {
			w.fail[brain.OpStart] = brain.Result{Problem: "no such runtime", Permanent: true}
			w.exit("a-1", 1)
			w.settle()
		}},
		{"it is being started, in vain", func(w *world) {
			w.exit("a-1", 1)
			w.fail[brain.OpStart] = brain.Result{Problem: "no such runtime", Permanent: true}
			w.list()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t).connected()
			d := desired(webSpec(), "a-1")
			w.send(d)
			w.settle()
			test.fail(w)
			w.ops = nil
			w.send(stopping(d, "a-1"))
			w.settle()
			if got := w.kinds(); got != "remove" {
				t.Errorf("operations %q, %+v", got, w.instance("a-1"))
			}
		})
	}
}

func TestLeavingOutNeverStops(t *testing.T) {
	w := newWorld(t).connected()
	w.send(desired(webSpec(), "a-1", "b-1"))
	w.settle()
	w.kinds()
	w.send(desired(webSpec(), "b-1"))
	w.settle()
	w.pass(time.Minute)
	if got := w.kinds(); got != "" {
		t.Fatalf("operations %q", got)
	}
	if got := w.instance("a-1"); !got.Unclaimed || !got.Ready || got.Phase != fleet.PhaseRunning {
		t.Fatalf("reported %+v", got)
	}
	w.exit("a-1", 1)
	w.settle()
	w.pass(time.Minute)
	if got := w.kinds(); got != "" {
		t.Fatalf("it is left alone, and yet: %q", got)
	}
	w.send(desired(webSpec(), "a-1", "b-1"))
	w.settle()
	if got := w.kinds(); got != "start" {
		t.Fatalf("once claimed again: %q", got)
	}
}
