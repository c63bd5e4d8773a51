package brain_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// settled is a world in which a-1 and b-1 run, by generation 5 of epoch 3.
func settled(t testing.TB) *world {
	w := newWorld(t).connected()
	w.epoch, w.gen = 3, 4
	w.send(desired(webSpec(), "a-1", "b-1"))
	w.settle()
	w.pass(time.Second)
	w.kinds()
	return w
}

func TestMessagesThatChangeNothing(t *testing.T) {
	other := desired(webSpec())
	stop := func(id string) fleet.Desired { return stopping(desired(webSpec(), "a-1", "b-1"), id) }
	tests := []struct {
		name    string
		payload func(w *world) []byte
		refused string // part of the event's message; empty: no event
	}{
		{"empty", func(*world) []byte { return nil }, ""},
		{"the same", func(w *world) []byte { return w.seal(3, 5, desired(webSpec(), "a-1", "b-1")) }, ""},
		{"older generation", func(w *world) []byte { return w.seal(3, 4, stop("a-1")) }, ""},
		{"older epoch", func(w *world) []byte { return w.seal(2, 9, stop("a-1")) }, ""},
		{"same tuple, other content", func(w *world) []byte { return w.seal(3, 5, stop("a-1")) }, "has another content"},
		{"another lineage", func(*world) []byte { return must(wire.Seal("L2", 9, 9, stop("a-1"))) }, "lineage L2"},
		{"no lineage", func(*world) []byte { return must(wire.Seal("", 9, 9, stop("a-1"))) }, "no lineage"},
		{"another host", func(w *world) []byte {
			d := stop("a-1")
			d.Host = "h2"
			return w.seal(3, 6, d)
		}, `for host "h2"`},
		{"no json", func(*world) []byte { return []byte("hello") }, "not an envelope"},
		{"cut", func(w *world) []byte { p := w.seal(3, 6, stop("a-1")); return p[:len(p)-9] }, "not an envelope"},
		{"changed on the way", func(w *world) []byte {
			return bytes.Replace(w.seal(3, 6, other), []byte(`"h1"`), []byte(`"h2"`), 1)
		}, "sum"},
		{"body of another kind", func(w *world) []byte { return w.seal(3, 6, []string{"x"}) }, "payload.body"},
		{"an instance twice", func(w *world) []byte { return w.seal(3, 6, desired(webSpec(), "a-1", "a-1")) }, "twice"},
		{"an instance of nothing", func(w *world) []byte {
			d := desired(webSpec(), "a-1")
			d.Instances[0].Service = fleet.ServiceKey{}
			return w.seal(3, 6, d)
		}, "doesn't say what instance a-1 is of"},
		{"a strange id", func(w *world) []byte { return w.seal(3, 6, desired(webSpec(), "../x")) }, "not an instance's id"},
		{"no version to prepare", func(w *world) []byte {
			d := stop("a-1")
			d.Prepare = []string{"shop/web"}
			return w.seal(3, 6, d)
		}, `wants "shop/web" prepared`},
		{"too large", func(w *world) []byte {
			d := stop("a-1")
			d.Versions["shop/web@2"] = fleet.Spec{Image: strings.Repeat("x", wire.MaxDesired)}
			return w.seal(3, 6, d)
		}, "more than 524288"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := settled(t)
			before := len(w.events())
			payload := tt.payload(w)
			for range 2 { // the same refusal is said once
				w.step(brain.DesiredReceived{Payload: payload})
				w.settle()
			}
			w.pass(time.Minute)
			if got := w.kinds(); got != "" {
				t.Errorf("operations: %s", got)
			}
			if w.actual.Observed.Generation != 5 || w.actual.Observed.Epoch != 3 || len(w.actual.Instances) != 2 || !w.instance("a-1").Ready {
				t.Errorf("reported %+v", w.actual)
			}
			events := w.events()[before:]
			if tt.refused == "" {
				if len(events) != 0 {
					t.Errorf("events %+v", events)
				}
				return
			}
			if len(events) != 1 || events[0].Type != fleet.EventMessageRefused || !strings.Contains(events[0].Data.Message, tt.refused) {
				t.Errorf("events %+v", events)
			}
		})
	}
}

func TestGreaterTupleIsAccepted(t *testing.T) {
	for name, tuple := range map[string][2]uint64{"generation": {3, 6}, "epoch with a lower generation": {4, 1}} {
		t.Run(name, func(t *testing.T) {
			w := settled(t)
			w.step(brain.DesiredReceived{Payload: w.seal(tuple[0], tuple[1], stopping(desired(webSpec(), "a-1", "b-1"), "a-1"))})
			w.settle()
			if got := w.kinds(); got != "stop remove" {
				t.Errorf("operations: %s", got)
			}
			if o := w.presence.Observed; o.Epoch != tuple[0] || o.Generation != tuple[1] {
				t.Errorf("observed %+v", o)
			}
		})
	}
}

func TestANewEpochOfTheSameChangesNothing(t *testing.T) {
	w := settled(t)
	w.step(brain.DesiredReceived{Payload: w.seal(4, 5, desired(webSpec(), "a-1", "b-1"))})
	w.settle()
	if got := w.kinds(); got != "" {
		t.Errorf("operations: %s", got)
	}
	if w.presence.Observed.Epoch != 4 {
		t.Errorf("observed %+v", w.presence.Observed)
	}
}

func TestAnotherLineageNeedsAdoption(t *testing.T) {
	w := settled(t)
	w.config.Adopt = "L2"
	w.boot("start2")
	w.connected().settle()
	w.step(brain.DesiredReceived{Payload: must(wire.Seal("L2", 1, 1, desired(webSpec(), "x-1")))})
	w.settle()
	if got := w.kinds(); got != "pull create start" {
		t.Errorf("operations: %s", got)
	}
	if len(w.boxes) != 3 || w.box("a-1").State != brain.ContainerRunning {
		t.Error("the other hub's containers were touched")
	}
	w.pass(time.Second)
	if len(w.actual.Instances) != 1 || w.actual.Observed.Lineage != "L2" {
		t.Errorf("reported %+v", w.actual)
	}
}

func TestUnknownFeatureIsRefused(t *testing.T) {
	w := newWorld(t).connected()
	spec := webSpec()
	spec.Requires = []string{"probe", "seccomp"}
	d := desired(spec, "a-1")
	d.Versions["shop/web@2"] = webSpec()
	d.Instances = append(d.Instances, fleet.Assignment{ID: "b-1", Service: shopWeb, Version: 2, Goal: fleet.GoalRun})
	w.send(d)
	w.settle()
	w.pass(time.Second)
	if got := w.kinds(); got != "pull create start" {
		t.Errorf("operations: %s", got)
	}
	if why := w.actual.Refused["shop/web@1"]; !strings.Contains(why, "seccomp") || len(w.actual.Refused) != 1 {
		t.Errorf("refused %v", w.actual.Refused)
	}
	if got := w.instance("a-1"); got.Phase != fleet.PhasePending || !strings.Contains(got.Reason, "seccomp") {
		t.Errorf("reported %+v", got)
	}
}

func TestOddAssignmentsDoNotStopOthers(t *testing.T) {
	w := newWorld(t).connected()
	d := desired(webSpec(), "a-1", "b-1", "c-1", "d-1")
	d.Instances[0].Version = 9
	d.Instances[1].Goal = "dance"
	d.Instances[3].Version = 2
	d.Versions["shop/web@2"] = fleet.Spec{Image: "web:1", Publish: []fleet.Publish{{Target: 70_000}}}
	w.send(d)
	w.settle()
	w.pass(time.Second)
	if !w.instance("c-1").Ready || len(w.boxes) != 1 {
		t.Errorf("reported %+v", w.actual.Instances)
	}
	for id, want := range map[string]string{"a-1": "lacks its version", "b-1": "goal dance", "d-1": "it publishes port 70000"} {
		if got := w.instance(id); !strings.Contains(got.Reason, want) || got.Ready {
			t.Errorf("reported %+v", got)
		}
	}
}

func TestFieldsThatAreNotKnownSurviveTheDisk(t *testing.T) {
	w := newWorld(t).connected()
	body := map[string]any{"host": "h1", "later": map[string]int{"x": 1}}
	payload := must(wire.Seal("L1", 1, 7, body))
	spaced := bytes.Replace(payload, []byte(`,"body"`), []byte(` , "body" `), 1)
	w.step(brain.DesiredReceived{Payload: spaced})
	w.boot("start2")
	w.connected().settle()
	w.pass(4 * time.Second)
	if w.actual == nil || w.actual.Observed.Generation != 7 {
		t.Fatalf("reported %+v", w.actual)
	}
}

func TestDamagedMessageOnDiskIsDropped(t *testing.T) {
	w := settled(t)
	var cache brain.Cache
	if err := json.Unmarshal(w.disk, &cache); err != nil {
		t.Fatal(err)
	}
	cache.Desired = cache.Desired[:len(cache.Desired)/2]
	w.disk = must(json.Marshal(cache))
	w.boot("start2")
	w.connected().settle()
	w.pass(time.Minute)
	if got := w.kinds(); got != "" {
		t.Errorf("operations: %s", got)
	}
	if len(w.eventsOf(fleet.EventMessageRefused)) != 1 || len(w.boxes) != 2 {
		t.Errorf("events %+v", w.events())
	}
	w.step(brain.DesiredReceived{Payload: w.seal(3, 5, desired(webSpec(), "a-1", "b-1"))})
	w.settle()
	if got := w.kinds(); got != "" || !w.instance("a-1").Ready {
		t.Errorf("operations: %s", got)
	}
}
