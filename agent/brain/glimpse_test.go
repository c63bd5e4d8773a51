package brain_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

const nilLayer = "RWLayer of container is unexpectedly nil"

func TestAContainerThatCannotBeInspectedGoesOn(t *testing.T) {
	w := settled(t)
	probes, told := w.probes, len(w.events())
	w.box("a-1").Problem = nilLayer
	w.settle()
	if !slices.Equal(w.probes, probes) || len(w.events()) != told {
		t.Errorf("probes %+v, events %+v", w.probes, w.events()[told:])
	}
	w.exit("b-1", 1)
	w.settle()
	w.pass(time.Minute)
	if got := w.kinds(); got != "start" || !w.instance("b-1").Ready {
		t.Fatalf("the other one: %s, %+v", got, w.instance("b-1"))
	}
	if got := w.instance("a-1"); !got.Ready || len(w.probes) != 2 {
		t.Errorf("it serves on: %+v, probes %+v", got, w.probes)
	}
	// That it ended is seen in the list; what follows has to wait.
	w.exit("a-1", 1)
	w.settle()
	w.pass(time.Minute)
	if got := w.instance("a-1"); got.Ready || !strings.Contains(got.Reason, nilLayer) || w.kinds() != "" {
		t.Errorf("ended: %+v", got)
	}
	w.box("a-1").Problem = ""
	w.settle()
	w.pass(time.Minute)
	if got := w.kinds(); got != "start" || !w.instance("a-1").Ready || w.instance("a-1").Restarts != 1 {
		t.Errorf("inspected again: %s, %+v", got, w.instance("a-1"))
	}
}

// Labels are all that is known of it, and enough not to make a second one.
func TestAContainerThatCannotBeInspectedIsThere(t *testing.T) {
	for name, disk := range map[string]func(w *world){
		"known":   func(*world) {},
		"unknown": func(w *world) { w.disk = nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := settled(t)
			w.exit("a-1", 1)
			w.box("a-1").Problem, w.box("b-1").Problem = nilLayer, nilLayer
			made := w.box("a-1").Snapshot
			disk(w)
			w.boot("start2")
			w.connected()
			w.send(desired(webSpec(), "a-1", "b-1"))
			w.settle()
			w.pass(time.Minute)
			got := w.instance("a-1")
			if len(w.boxes) != 2 || w.kinds() != "" || got.Ready || !strings.Contains(got.Reason, nilLayer) || got.Ports[8080] == 0 {
				t.Fatalf("%d containers, reported %+v", len(w.boxes), got)
			}
			w.box("a-1").Problem, w.box("b-1").Problem = "", ""
			w.settle()
			w.pass(time.Minute)
			if got := w.kinds(); got != "start" || !w.instance("a-1").Ready || !w.instance("b-1").Ready {
				t.Fatalf("inspected again: %s, %+v", got, w.actual.Instances)
			}
			w.box("a-1").Snapshot.Name = "other"
			w.settle()
			if got := w.kinds(); got != "restore" || w.box("a-1").Snapshot.Name != made.Name {
				t.Errorf("changed by hand: %s", got)
			}
		})
	}
}

func TestAStopWaitsForTheContainerToBeInspected(t *testing.T) {
	w := settled(t)
	w.box("a-1").Problem = nilLayer
	w.settle()
	w.send(stopping(desired(webSpec(), "a-1", "b-1"), "a-1"))
	w.settle()
	w.pass(time.Minute)
	if got := w.instance("a-1"); w.kinds() != "" || got.Phase != fleet.PhaseStopping || !strings.Contains(got.Reason, nilLayer) {
		t.Fatalf("reported %+v", got)
	}
	w.box("a-1").Problem = ""
	w.settle()
	if got := w.kinds(); got != "stop remove" {
		t.Errorf("operations: %s", got)
	}
}

// glimpsed is a container as the engine tells it that can't be inspected.
func glimpsed(c *brain.Container) brain.Container {
	return brain.Container{ID: c.ID, Labels: c.Labels, State: c.State, HostPorts: c.HostPorts, Problem: c.Problem}
}
