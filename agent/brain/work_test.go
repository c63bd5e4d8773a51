package brain_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

func TestAListingThatBeganBeforeAnOperationEndedUndoesNothing(t *testing.T) {
	w := newWorld(t).connected()
	w.hold = true
	w.send(desired(webSpec(), "a-1"))
	w.list()
	w.finishOne() // pull
	old := w.listing()
	w.finishOne() // create
	w.step(old)
	w.finishOne() // start
	w.step(old)
	if kinds := w.kinds(); kinds != "pull create start" {
		t.Fatalf("operations: %s", kinds)
	}
	if len(w.eventsOf(fleet.EventInstanceRestored)) != 0 {
		t.Fatal("it was believed to be gone")
	}
	w.hold = false
	w.settle()
	if kinds := w.kinds(); kinds != "" || !w.instance("a-1").Ready {
		t.Fatalf("operations: %s", kinds)
	}
}

func TestStopWhileTheImageIsFetched(t *testing.T) {
	w := newWorld(t).connected()
	w.hold = true
	d := desired(webSpec(), "a-1")
	w.send(d)
	w.list()
	w.send(stopping(d, "a-1"))
	w.list()
	w.pass(time.Second)
	if got := w.instance("a-1"); got.Phase != fleet.PhaseStopped {
		t.Fatalf("reported %+v", got)
	}
	w.hold = false
	w.settle()
	if got := w.kinds(); got != "pull" || len(w.boxes) != 0 {
		t.Fatalf("operations: %s", got)
	}
}

func TestFailuresAreToldAndTriedAgain(t *testing.T) {
	tests := map[string]struct {
		result brain.Result
		wait   time.Duration
	}{
		brain.OpPull:   {brain.Result{Problem: "no such image web:1", Permanent: true}, 15 * time.Second},
		brain.OpCreate: {brain.Result{Problem: "bad mount"}, time.Second},
		brain.OpStart:  {brain.Result{Problem: "exec format error"}, time.Second},
	}
	for kind, tt := range tests {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t).connected()
			w.fail[kind] = tt.result
			w.send(desired(webSpec(), "a-1"))
			w.settle()
			w.pass(100 * time.Millisecond)
			got := w.instance("a-1")
			if got.Phase != fleet.PhaseBackoff || !strings.Contains(got.Reason, tt.result.Problem) || !strings.Contains(got.Reason, "next try in") {
				t.Fatalf("reported %+v", got)
			}
			if wait := got.NextTry.Sub(w.now); wait > tt.wait || wait < tt.wait-200*time.Millisecond {
				t.Errorf("waits %v", wait)
			}
			w.pass(10 * time.Minute)
			w.kinds()
			w.pass(5 * time.Minute)
			if n := len(strings.Fields(w.kinds())); n < 4 || n > 11 {
				t.Errorf("%d operations in 5 min", n)
			}
			if n := len(w.eventsOf(fleet.EventInstanceFailed)); n != 1 {
				t.Errorf("%d events for one problem", n)
			}
			delete(w.fail, kind)
			w.pass(time.Minute + time.Second)
			if !w.instance("a-1").Ready || w.instance("a-1").Reason != "" {
				t.Errorf("reported %+v", w.instance("a-1"))
			}
		})
	}
}

func TestPinIsPreferred(t *testing.T) {
	w := newWorld(t).connected()
	w.images["web@sha256:old"] = brain.Image{ID: "sha256:old", Digest: "web@sha256:old"}
	d := desired(webSpec(), "a-1", "b-1")
	d.Instances[0].Pin = "web@sha256:old"
	d.Instances[1].Pin = "sha256:elsewhere"
	w.send(d)
	w.settle()
	var pulls []string
	for _, op := range w.ops {
		if op.Kind == brain.OpPull {
			pulls = append(pulls, op.Instance+" "+op.Image)
		}
	}
	slices.Sort(pulls)
	want := []string{"a-1 web@sha256:old", "b-1 sha256:elsewhere", "b-1 web:1"}
	if !slices.Equal(pulls, want) {
		t.Errorf("fetched %v", pulls)
	}
	if w.box("a-1").ImageID != "sha256:old" || w.box("b-1").ImageID != "sha256:aaa" {
		t.Error("wrong images")
	}
}

func TestBounds(t *testing.T) {
	w := newWorld(t).connected()
	w.hold = true
	var ids []string
	for i := range 20 {
		ids = append(ids, string(rune('a'+i))+"-1")
	}
	d := desired(webSpec(), ids...)
	w.send(d)
	w.list()
	if len(w.held) != 1 || !w.held[0].Local {
		t.Fatalf("one image is looked for once: %+v", w.held)
	}
	w.finishOne()
	if len(w.held) != 8 {
		t.Fatalf("%d containers are made at once", len(w.held))
	}
	w.hold = false
	w.settle()
	w.hold, w.held = true, nil
	for _, id := range ids {
		d = stopping(d, id)
	}
	w.send(d)
	w.list()
	if len(w.held) != 8 {
		t.Fatalf("%d containers are stopped at once", len(w.held))
	}
}

func TestAStartIsSeenWithoutAListing(t *testing.T) {
	w := newWorld(t).connected()
	w.send(desired(webSpec(), "a-1"))
	w.list()
	w.finish()
	if len(w.probes) != 1 {
		t.Fatalf("it runs, and isn't probed: %+v", w.probes)
	}
	w.probe()
	if got := w.instance("a-1"); !got.Ready || w.box("a-1").State != brain.ContainerRunning {
		t.Errorf("reported %+v", got)
	}
}

func TestHealthcheck(t *testing.T) {
	w := newWorld(t).connected()
	spec := webSpec()
	spec.Probe = nil
	spec.Healthcheck = &fleet.Healthcheck{Test: []string{"CMD", "true"}}
	w.send(desired(spec, "a-1"))
	for _, tt := range []struct {
		health string
		ready  bool
	}{{brain.HealthStarting, false}, {brain.HealthHealthy, true}, {brain.HealthUnhealthy, false}, {brain.HealthHealthy, true}} {
		w.settle()
		w.box("a-1").Health = tt.health
		w.settle()
		w.pass(time.Second)
		if got := w.instance("a-1"); got.Ready != tt.ready || !tt.ready && got.Reason == "" {
			t.Errorf("%s: %+v", tt.health, got)
		}
	}
}
