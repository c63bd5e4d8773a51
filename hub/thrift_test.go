package hub

import (
	"context"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterhq/muster/hub/internal/fleetloop"
)

// percent is how much garbage may come together now.
func percent() int {
	now := debug.SetGCPercent(100)
	debug.SetGCPercent(now)
	return now
}

func TestMemoryIsSavedWhileNothingIsDecided(t *testing.T) {
	t.Setenv("GOGC", "")
	before := percent()
	synctest.Test(t, func(t *testing.T) {
		var saver thrift
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- saver.run(ctx) }()
		after := func(d time.Duration, turn fleetloop.Turn, want int) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			saver.observe(turn)
			if got := percent(); got != want {
				t.Errorf("after %v of %+v it is %d, not %d", d, turn, got, want)
			}
		}
		after(restsAfter/2, fleetloop.Turn{Stored: true}, gcBusy)
		after(restsAfter-restLook, fleetloop.Turn{}, gcBusy)
		after(2*restLook, fleetloop.Turn{}, gcAtRest)
		after(restsAfter, fleetloop.Turn{}, gcAtRest)
		after(time.Second, fleetloop.Turn{Stored: true}, gcBusy)
		after(time.Second, fleetloop.Turn{}, gcBusy)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if got := percent(); got != before {
		t.Errorf("afterwards it is %d, before it was %d", got, before)
	}
}

func TestWhoeverHasSetGOGCKnowsBetter(t *testing.T) {
	t.Setenv("GOGC", "300")
	before := percent()
	synctest.Test(t, func(t *testing.T) {
		var saver thrift
		ctx, cancel := context.WithTimeout(t.Context(), 3*restsAfter)
		defer cancel()
		if err := saver.run(ctx); err != nil || ctx.Err() != nil {
			t.Errorf("it didn't end by itself: %v", err)
		}
		saver.observe(fleetloop.Turn{Stored: true})
	})
	if got := percent(); got != before {
		t.Errorf("it is %d, and was %d", got, before)
	}
}
