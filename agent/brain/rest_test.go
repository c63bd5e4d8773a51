package brain_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// someDesired asks for up to six instances of two versions, some of which are
// to stop. Those that were to stop never run again.
func someDesired(t *rapid.T, stopped map[int]bool) fleet.Desired {
	d := fleet.Desired{Host: "h1", Versions: map[string]fleet.Spec{}}
	for version := 1; version <= 2; version++ {
		spec := webSpec()
		if version == 2 {
			spec.Publish = append(spec.Publish, fleet.Publish{Target: 9090, Protocol: "tcp"})
		}
		d.Versions[fleet.VersionKey(shopWeb, version)] = spec
	}
	for i := range 6 {
		goal := rapid.SampledFrom([]string{"", fleet.GoalRun, fleet.GoalRun, fleet.GoalStop}).Draw(t, "goal")
		if goal == "" {
			continue // left out
		}
		if stopped[i] = stopped[i] || goal == fleet.GoalStop; stopped[i] {
			goal = fleet.GoalStop
		}
		a := assignment(i, goal)
		a.Version = 1 + i%2 // an instance has one version for life
		d.Instances = append(d.Instances, a)
	}
	for port := range rapid.SampledFrom([]int{0, 500, 950}).Draw(t, "held") { // of a thousand
		d.HeldPorts = append(d.HeldPorts, 20000+port)
	}
	return d
}

// TestAtRestNothingIsPlanned: once what was asked for is done, nothing more is
// begun: not by another look, not by time, not by the same from a hub that
// started again, and not by a restart of the agent.
func TestAtRestNothingIsPlanned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, stopped := newWorld(t).connected(), map[int]bool{}
		for range rapid.IntRange(1, 3).Draw(t, "desired states") {
			d := someDesired(t, stopped)
			w.send(d)
			w.settle()
			w.pass(time.Second)
			w.kinds()
			w.list()
			w.step(brain.Tick{})
			w.wantNothing(t, "another look")
			w.epoch++
			w.send(d)
			w.settle()
			w.wantNothing(t, "the same again")
			w.later(time.Hour)
			w.wantNothing(t, "time")
			w.boot("again")
			w.connected()
			w.settle()
			w.later(time.Minute)
			w.wantNothing(t, "a restart")
		}
	})
}

// later looks again when time has passed.
func (w *world) later(d time.Duration) {
	w.now = w.now.Add(d)
	w.step(brain.Tick{})
	w.settle()
}

func (w *world) wantNothing(t *rapid.T, after string) {
	t.Helper()
	if got := w.kinds(); got != "" {
		t.Fatalf("at rest, and yet after %s: %s", after, got)
	}
}

// TestAnInstanceKeepsItsPortsForLife: they are its own, in the range, none of
// those that the hub holds when they are chosen, and they never change,
// whatever is asked for, dies or starts again. Its life ends when nobody asks for
// it and its container is gone.
func TestAnInstanceKeepsItsPortsForLife(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t).connected()
		had, stopped := map[string]map[int]int{}, map[int]bool{}
		for range rapid.IntRange(1, 5).Draw(t, "steps") {
			held := map[int]bool{}
			switch rapid.SampledFrom([]string{"desired", "desired", "restart", "deaths", "removals"}).Draw(t, "step") {
			case "desired":
				d := someDesired(t, stopped)
				for _, port := range d.HeldPorts {
					held[port] = true
				}
				w.send(d)
			case "restart":
				w.boot(fmt.Sprint("start", w.turn))
				w.connected()
			case "removals":
				clear(w.boxes)
			case "deaths":
				for id := range w.boxes {
					w.boxes[id].State, w.boxes[id].ExitCode, w.boxes[id].FinishedAt = brain.ContainerExited, 1, w.now
				}
			}
			w.settle()
			w.later(time.Minute)
			if w.actual != nil {
				wantPorts(t, w.actual.Instances, had, held)
			}
		}
	})
}

// wantPorts compares with the ports that were told before, and adds to them.
func wantPorts(t *rapid.T, instances []fleet.InstanceActual, had map[string]map[int]int, held map[int]bool) {
	t.Helper()
	owner, lives := map[int]string{}, map[string]bool{}
	for _, in := range instances {
		lives[in.ID] = true
		for target, port := range in.Ports {
			before, known := had[in.ID][target]
			if owner[port] != "" || port < 20000 || port > 20999 || known && before != port || !known && held[port] {
				t.Fatalf("port %d of %s, before %v, is %q's; held is %v", port, in.ID, had[in.ID], owner[port], held[port])
			}
			owner[port] = in.ID
		}
		if len(in.Ports) > 0 {
			had[in.ID] = maps.Clone(in.Ports)
		}
	}
	maps.DeleteFunc(had, func(id string, _ map[int]int) bool { return !lives[id] })
}
