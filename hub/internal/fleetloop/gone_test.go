package fleetloop

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// Whoever let a host in hears that it has left, once that is stored, and the host
// may be another machine then.
func TestAHostThatHasLeftIsToldOf(t *testing.T) {
	gone := make(chan string, 1)
	now := time.Now().UTC()
	o := DefaultOptions()
	var order []string
	o.State = turn.New("lineage", 1, 0, now, turn.DefaultOptions())
	o.Store, o.Bus, o.Logger = &fakeStore{order: &order}, &fakeBus{}, slog.New(slog.DiscardHandler)
	o.Gone = func(host string) { gone <- host }
	l := New(o, now)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	defer func() {
		cancel()
		<-done
	}()

	joins := fleet.Actual{Host: "web1", AgentStart: "a", Session: "s", Engine: fleet.EngineStatus{Up: true}, Facts: fleet.HostFacts{MachineID: "m1", AgentVersion: "old"}}
	l.Enqueue(turn.ActualIn{Host: "web1", Sequence: 1, Actual: joins})
	for l.Admit("web1", "m2") == nil { // until it is known
		time.Sleep(time.Millisecond)
	}
	if _, err := l.Do(t.Context(), fleet.Command{ID: "1", Do: fleet.DoHostRemove, Host: "web1"}); err != nil {
		t.Fatal(err)
	}
	select {
	case host := <-gone:
		if host != "web1" {
			t.Errorf("%s is gone", host)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nobody is told")
	}
	if err := l.Admit("web1", "m2"); err != nil {
		t.Error(err)
	}
	if _, err := l.Do(t.Context(), fleet.Command{ID: "2", Do: fleet.DoHostJoin, Host: "web1"}); err != nil {
		t.Error(err)
	}
}
