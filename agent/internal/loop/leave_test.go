package loop_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/musterhq/muster/agent/internal/loop"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// A host that was told to leave has its balancers seen to, says that it has left
// until the hub knows, and then the loop ends. All of it is on disk.
func TestALoopEndsWhenItsHostHasLeft(t *testing.T) {
	var mu sync.Mutex
	var did []string
	r := run(t, func(o *loop.Options, _ *rig) {
		o.Withdraw = func(_ context.Context, policy string) {
			mu.Lock()
			defer mu.Unlock()
			did = append(did, policy)
		}
	})
	r.loop.Connected("s1")
	r.send(fleet.GoalRun, "a-1")
	r.until("it is ready", func() bool { return r.ready() == 1 })
	r.gen++
	r.message(wire.LeafDesired, r.gen, fleet.Desired{Host: "h1", Leave: fleet.LeaveStop})
	r.until("it says so", func() bool {
		var p fleet.Presence
		_, err := wire.Open(r.link.last(wire.LeafPresence), &p)
		return err == nil && p.State == fleet.PresenceLeft
	})
	r.message(wire.LeafAck, 0, fleet.Ack{Session: "s1", Left: true})
	if err := r.end(); !errors.Is(err, loop.ErrLeft) {
		t.Fatalf("it ends with %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(did, []string{fleet.LeaveStop}) {
		t.Errorf("withdrew %v", did)
	}
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	if left, confirmed := r.store.saved.Left(); left != "h1" || !confirmed {
		t.Errorf("on disk: left %v, confirmed %v", left, confirmed)
	}
	if slices.Contains(r.engine.done(), "stop a-1") {
		t.Error("it stopped what nobody asked to stop")
	}
}
