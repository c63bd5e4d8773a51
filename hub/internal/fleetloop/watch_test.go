package fleetloop

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// TestAWatcherThatComesBackHearsTheSame: also of turns that no event tells of.
func TestAWatcherThatComesBackHearsTheSame(t *testing.T) {
	r := start(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	live, err := r.Watch(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Do(ctx, applyCommand("a")); err != nil {
		t.Fatal(err)
	}
	r.Message("web1", wire.LeafActual, "", report(t, "web1", "machine-1"))
	if err := r.Read(ctx, func(*turn.State, time.Time) {}); err != nil { // the turn is over
		t.Fatal(err)
	}
	labelled, err := wire.Seal("", 0, 2, fleet.Actual{
		Host: "web1", Facts: fleet.HostFacts{MachineID: "machine-1", Labels: map[string]string{"tier": "web"}}, AgentStart: "a", Session: "s",
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Message("web1", wire.LeafActual, "", labelled)
	var heard []fleet.Change
	for len(heard) < 3 {
		heard = append(heard, <-live)
	}
	if last := heard[2]; len(last.Events) > 0 || len(last.Hosts) != 1 {
		t.Fatalf("the labels should be a change without an event: %+v", last)
	}
	for i := range heard {
		again, err := r.Watch(ctx, heard[i].Revision)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range heard[i+1:] {
			if diff := cmp.Diff(want, <-again); diff != "" {
				t.Errorf("after %d: %s", heard[i].Revision, diff)
			}
		}
	}
}

// TestAWatcherFromBeforeTheHubStartedHasToReadAnew: a hub remembers its own
// changes only.
func TestAWatcherFromBeforeTheHubStartedHasToReadAnew(t *testing.T) {
	o := DefaultOptions()
	o.State = turn.New("lineage", 2, 41, time.Now(), turn.DefaultOptions())
	l := New(o, time.Now())
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := l.Watch(ctx, 40); fleet.CodeOf(err) != fleet.CodeNotFound {
		t.Errorf("it was taken: %v", err)
	}
	l.watchers.send(fleet.Change{Revision: 42})
	changes, err := l.Watch(ctx, 41)
	if err != nil {
		t.Fatal(err)
	}
	if change := <-changes; change.Revision != 42 {
		t.Errorf("got revision %d", change.Revision)
	}
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	r := recent{since: 7}
	wide := fleet.Change{Hosts: make([]string, 9), Events: make([]fleet.Event, 90)}
	for revision := uint64(8); revision < 1000; revision++ {
		wide.Revision = revision
		r.add(wide)
	}
	if len(r.changes) != maxRecent/100 || r.size != maxRecent || r.since != 999-maxRecent/100 {
		t.Errorf("%d changes after %d, size %d", len(r.changes), r.since, r.size)
	}
	if _, known := r.after(r.since - 1); known {
		t.Error("what was dropped is known")
	}
	if all, known := r.after(r.since); !known || len(all) != len(r.changes) || all[0].Revision != r.since+1 {
		t.Errorf("%d changes, %v", len(all), known)
	}
	if none, known := r.after(999); !known || len(none) != 0 {
		t.Errorf("%v, %v", none, known)
	}
	wide = fleet.Change{Revision: 1000, Events: make([]fleet.Event, maxRecent)}
	r.add(wide)
	if last, known := r.after(999); !known || len(last) != 1 {
		t.Errorf("the last change wasn't kept: %d, %v", len(last), known)
	}
}
