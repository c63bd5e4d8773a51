package fleetloop

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// queued is a loop that takes no turns: what comes stays in the queue.
func queued(length int) *Loop {
	o := DefaultOptions()
	o.State, o.Logger, o.Queue = turn.New("L", 1, 0, time.Now(), turn.DefaultOptions()), slog.New(slog.DiscardHandler), length
	return New(o, time.Now())
}

// take empties the queue and says what was in it, in order.
func take(l *Loop) (got []string) {
	for len(l.queue) > 0 {
		it := <-l.queue
		for _, in := range append(it.again, it.in) {
			if p, ok := in.(turn.PresenceIn); ok {
				got = append(got, p.Host+" "+p.Presence.State)
			}
		}
	}
	return got
}

func TestKnownSignsOfLifeWaitForOneAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := queued(10)
		for _, host := range []string{"web1", "web2"} {
			l.Message(host, wire.LeafPresence, "", []byte(seal(t, 1, online)))
		}
		take(l)
		for number := range uint64(2) {
			for _, host := range []string{"web1", "web2"} {
				if !l.Again(host, []byte(seal(t, number, online)), true) {
					t.Fatal("it isn't known")
				}
			}
		}
		if got := take(l); got != nil {
			t.Fatalf("at once there are %v", got)
		}
		time.Sleep(linger)
		synctest.Wait()
		if got := fmt.Sprint(take(l)); got != "[web1 online web2 online web1 online web2 online]" {
			t.Errorf("after a while there are %s", got)
		}
	})
}

// A Will that overtook a sign of life would be undone by it.
func TestNothingOvertakesASignOfLife(t *testing.T) {
	l := queued(10)
	l.Message("web1", wire.LeafPresence, "", []byte(seal(t, 1, online)))
	l.Message("web1", wire.LeafPresence, "", []byte(seal(t, 2, online)))
	will := online
	will.State = fleet.PresenceLost
	l.Message("web1", wire.LeafPresence, "", []byte(seal(t, 0, will)))
	if got := fmt.Sprint(take(l)); got != "[web1 online web1 online web1 lost]" {
		t.Errorf("in the queue are %s", got)
	}
}

func TestSignsOfLifeThatWaitAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := queued(1)
		payload := []byte(seal(t, 1, online))
		l.Message("web1", wire.LeafPresence, "", payload)
		take(l)
		for range maxLinger {
			l.Again("web1", payload, true)
		}
		if got := len(take(l)); got != maxLinger {
			t.Errorf("%d are in the queue", got)
		}
		for range 2 * maxLinger { // the queue has room for half of them
			l.Again("web1", payload, true)
		}
		if got := l.Dropped(); got != maxLinger {
			t.Errorf("%d were dropped", got)
		}
		time.Sleep(linger) // the timers end
	})
}
