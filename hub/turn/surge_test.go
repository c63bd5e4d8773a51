package turn

import (
	"fmt"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// replacement replaces eight instances on a host that has room for so many
// more, and returns how many came at the same time, at most.
func replacement(t *testing.T, w *world, room int64) (most int) {
	s := webService(8, "web:1")
	s.Spec.Resources.MemoryReservation = 64 << 20
	w.hosts["web1"].facts.Memory = (8 + room) * 64 << 20
	w.join().apply(s)
	w.pass(5 * time.Second)
	w.wantState(fleet.ServiceConverged)
	w.folded = func() {
		coming, running := 0, 0
		for _, in := range w.s.Instances {
			if in.Goal == fleet.GoalRun {
				running++
				if in.Version == 2 && !in.Ready {
					coming++
				}
			}
		}
		if running > 8+2 {
			t.Errorf("%d instances", running)
		}
		most = max(most, coming)
	}
	s.Spec.Image = "web:2"
	w.apply(s)
	for range 60 {
		w.pass(time.Second)
		if n := w.serving(); n < 8 {
			t.Fatalf("fell to %d serving", n)
		}
	}
	return most
}

// A quarter of the instances is replaced at the same time; where there is room
// for fewer, it takes longer, and nobody is called to help.
func TestAQuarterIsReplacedAtATime(t *testing.T) {
	for room, want := range map[int64]int{1: 1, 2: 2, 9: 2} {
		t.Run(fmt.Sprintf("room for %d", room), func(t *testing.T) {
			w := newWorld(t, "web1").withBalancer("web1")
			if most := replacement(t, w, room); most != want {
				t.Errorf("%d came at the same time, want %d", most, want)
			}
			if v := w.wantState(fleet.ServiceConverged); v.Version != 2 {
				t.Errorf("version %d", v.Version)
			}
			if n := w.count(fleet.EventServiceHeld); n != 0 {
				t.Errorf("held %d times", n)
			}
		})
	}
}

// Where there is room for none, somebody has to hear of it.
func TestAReplacementWithoutRoomIsHeld(t *testing.T) {
	w := newWorld(t, "web1").withBalancer("web1")
	if most := replacement(t, w, 0); most != 0 {
		t.Errorf("%d came", most)
	}
	w.wantHeld("slot 9 can't be placed: web1: 64 MiB of memory short")
}

func TestAVersionThatNeverGetsReadyStopsAfterAQuarter(t *testing.T) {
	w := newWorld(t, "web1").withBalancer("web1")
	w.broken[2] = true
	if most := replacement(t, w, 9); most != 2 {
		t.Errorf("%d came, want 2", most)
	}
	w.wantReason("replacement waits until ")
	if n := w.count(fleet.EventInstanceDraining); n != 0 {
		t.Errorf("%d leave", n)
	}
}
