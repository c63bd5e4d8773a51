package brain_test

import (
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
)

func TestASlowDiskHoldsUpOnlyWhatDependsOnIt(t *testing.T) {
	w := settled(t)
	w.slow = true
	w.send(stopping(desired(webSpec(), "a-1", "b-1"), "a-1"))
	w.sendPool(9, false, 9000)
	beats := w.beats
	w.exit("b-1", 1)
	w.settle()
	w.pass(12 * time.Second)
	if got := w.kinds(); got != "start" || !w.instance("b-1").Ready {
		t.Errorf("operations: %s; reported %+v", got, w.actual.Instances)
	}
	if got := w.beats - beats; got < 4 || w.presence.Observed.Generation != 5 || len(w.presence.Pools) != 0 {
		t.Errorf("%d signs of life, the last %+v", got, w.presence)
	}
	w.written()
	w.slow = false
	w.written()
	w.settle()
	if got := w.kinds(); got != "stop remove" || w.presence.Observed.Generation != 6 || w.presence.Pools[shopWeb] != 9 {
		t.Errorf("once it is on disk: %s, %+v", got, w.presence)
	}
}

func TestWhatCameDuringAWriteIsNotInIt(t *testing.T) {
	w := settled(t)
	d := desired(webSpec(), "a-1", "b-1")
	w.slow = true
	w.send(stopping(d, "a-1"))
	w.send(stopping(d, "b-1"))
	w.written()
	w.settle()
	if got := w.kinds(); got != "stop remove" || len(w.boxes) != 1 || w.box("b-1").State != brain.ContainerRunning || w.presence.Observed.Generation != 6 {
		t.Fatalf("the first is on disk: %s, %+v", got, w.presence)
	}
	first := w.disk
	w.written()
	w.settle()
	if w.presence.Observed.Generation != 7 || len(w.boxes) != 1 { // b-1 is removed, a-1 made anew
		t.Fatalf("the second is on disk: %+v", w.presence)
	}
	w.disk, w.slow = first, false
	w.boot("start2")
	w.connected().settle()
	w.pass(time.Second)
	if w.presence.Observed.Generation != 6 {
		t.Errorf("with the first only: %+v", w.presence)
	}
}

func TestAWriteThatFailsForgetsWhatCameDuringIt(t *testing.T) {
	w := settled(t)
	d := desired(webSpec(), "a-1", "b-1")
	w.slow, w.full = true, true
	w.send(stopping(d, "a-1"))
	w.send(stopping(d, "b-1"))
	w.written()
	w.slow, w.full = false, false
	w.pass(2 * time.Second)
	if w.presence.Observed.Generation != 5 || w.kinds() != "" {
		t.Fatalf("neither is on disk: %+v", w.presence)
	}
	w.boot("start2")
	w.connected().settle()
	w.pass(time.Second)
	if w.presence.Observed.Generation != 5 || w.kinds() != "" {
		t.Errorf("on disk: %+v", w.presence)
	}
}

// A number must never come to mean another event.
func TestEventsOfAWriteUnderWayAreNotSent(t *testing.T) {
	w := settled(t)
	w.batch = nil
	w.slow = true
	w.send(desired(webSpec(), "a-1", "b-1"))
	w.exit("b-1", 1)
	w.settle()
	w.pass(3 * time.Second)
	last := w.state.Cache().LastEvent
	if w.batch != nil && w.batch.First+uint64(len(w.batch.Events)) > last {
		t.Fatalf("sent %+v", w.batch)
	}
	w.written()
	w.pass(200 * time.Millisecond)
	if w.batch != nil && w.batch.First+uint64(len(w.batch.Events)) > last {
		t.Fatalf("sent with a write that began before: %+v", w.batch)
	}
	w.written()
	w.pass(6 * time.Second)
	if w.batch == nil || w.batch.First+uint64(len(w.batch.Events)) <= last {
		t.Errorf("on disk, and not sent: %+v", w.batch)
	}
}
