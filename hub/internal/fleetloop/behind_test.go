package fleetloop

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterhq/muster/hub/turn"
)

// What is left in the queue has waited as long as the last that was taken from it, at
// most.
func TestHowLongTheLoopIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := queued(10)
		l.opts.Batch = 1
		l.Enqueue(turn.RefusedIn{Host: "web1"})
		time.Sleep(3 * time.Second)
		l.Enqueue(turn.RefusedIn{Host: "web2"})
		time.Sleep(time.Second)
		for i, want := range []time.Duration{4 * time.Second, 0, 0} {
			if got := l.behind(l.drain(nil)); got != want {
				t.Errorf("%d: it is %s behind, not %s", i, got, want)
			}
		}
	})
}

func TestALoopWithoutTurnsIsNotAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := queued(1)
		time.Sleep(aliveFor - time.Nanosecond)
		if !l.Alive() {
			t.Error("it is taken for dead too early")
		}
		time.Sleep(time.Nanosecond)
		if l.Alive() {
			t.Error("it is taken for alive")
		}
		l.turn(t.Context(), nil)
		if !l.Alive() {
			t.Error("it has taken a turn")
		}
	})
}
