package fleetloop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeStore takes everything, and fails when it is told to.
type fakeStore struct {
	mu     sync.Mutex
	broken bool
	order  *[]string
	said   []string // committed with a revision, and without one
}

func (s *fakeStore) Audit(entries []fleet.AuditEntry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		s.said = append(s.said, "- "+tell(e))
	}
	return nil
}

func (s *fakeStore) Commit(revision uint64, _ []turn.Row, _ []fleet.Event, audit []fleet.AuditEntry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return errors.New("disk full")
	}
	for _, e := range audit {
		s.said = append(s.said, fmt.Sprint(revision, " ", tell(e)))
	}
	*s.order = append(*s.order, "commit")
	return nil
}

type fakeBus struct {
	mu     sync.Mutex
	topics []string
}

func (b *fakeBus) Publish(topic string, _ []byte, _ bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.topics = append(b.topics, topic)
	return nil
}

func (b *fakeBus) has(topic string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.topics, topic)
}

type rig struct {
	*Loop
	store *fakeStore
	bus   *fakeBus
	order []string
}

func start(t *testing.T) *rig {
	t.Helper()
	r := &rig{bus: &fakeBus{}}
	r.store = &fakeStore{order: &r.order}
	now := time.Now().UTC()
	o := DefaultOptions()
	o.State = turn.New("lineage", 1, 0, now, turn.DefaultOptions())
	o.Store, o.Bus, o.Logger = r.store, r.bus, slog.New(slog.DiscardHandler)
	o.Reached = func(point string) { r.order = append(r.order, point) }
	r.Loop = New(o, now)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return r
}

var key = fleet.ServiceKey{Project: "shop", Name: "web"}

func applyCommand(id string) fleet.Command {
	return fleet.Command{ID: id, Do: fleet.DoApply, Project: "shop", Services: []fleet.Service{{Key: key, Mode: fleet.ModeReplicated, Count: 1, Spec: fleet.Spec{Image: "web:1"}}}}
}

func TestCommitThenPublishThenReply(t *testing.T) {
	r := start(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	changes, err := r.Watch(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	result, err := r.Do(ctx, applyCommand("a"))
	if err != nil || result.Revision != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	change := <-changes
	if change.Revision != 1 || !slices.Contains(change.Services, key) || len(change.Events) == 0 {
		t.Errorf("watchers were told %+v", change)
	}
	if !r.bus.has(wire.EventTopic(fleet.EventServiceApplied)) {
		t.Errorf("the event wasn't published: %v", r.bus.topics)
	}
	var order string
	if err := r.Read(ctx, func(*turn.State, time.Time) { order = strings.Join(r.order, " ") }); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(order, "before-commit commit after-commit after-publish after-reply") {
		t.Errorf("order: %s", order)
	}
}

func TestFailedCommitLeavesNoTrace(t *testing.T) {
	r := start(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r.store.mu.Lock()
	r.store.broken = true
	r.store.mu.Unlock()
	_, err := r.Do(ctx, applyCommand("a"))
	if fleet.CodeOf(err) != fleet.CodeUnavailable || !strings.Contains(err.Error(), "disk full") {
		t.Fatalf("got %v", err)
	}
	if r.bus.has(wire.EventTopic(fleet.EventServiceApplied)) {
		t.Error("something was published")
	}
	var services int
	if err := r.Read(ctx, func(s *turn.State, _ time.Time) { services = len(s.Services) }); err != nil || services != 0 {
		t.Errorf("%d services are remembered, %v", services, err)
	}
	r.store.mu.Lock()
	r.store.broken = false
	r.store.mu.Unlock()
	if result, err := r.Do(ctx, applyCommand("a")); err != nil || result.Revision != 1 {
		t.Errorf("afterwards: %+v, %v", result, err)
	}
}

func TestDamagedMessagesAreRefused(t *testing.T) {
	r := start(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	changes, err := r.Watch(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := wire.Seal("", 0, 1, fleet.Actual{Host: "web2"})
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range [][]byte{nil, []byte("rubbish"), []byte(`{"v":1,"sum":"x","body":{}}`), whole} {
		r.Message("web1", wire.LeafActual, "", payload)
	}
	change := <-changes
	if e := change.Events[0]; e.Type != fleet.EventMessageRefused || e.Subject != "hosts/web1" {
		t.Errorf("event %+v", e)
	}
	var hosts int
	if err := r.Read(ctx, func(s *turn.State, _ time.Time) { hosts = len(s.Hosts) }); err != nil || hosts != 0 {
		t.Errorf("%d hosts, %v", hosts, err)
	}
}

func TestAFullQueueRefuses(t *testing.T) {
	o := DefaultOptions()
	o.Queue = 1
	o.State = turn.New("lineage", 1, 0, time.Now(), turn.DefaultOptions())
	l := New(o, time.Now())
	l.Enqueue(turn.Tick{})
	l.Enqueue(turn.Tick{})
	if l.Dropped() != 1 || l.Waiting() != 1 {
		t.Errorf("dropped %d, waiting %d", l.Dropped(), l.Waiting())
	}
	if _, err := l.Do(context.Background(), applyCommand("a")); fleet.CodeOf(err) != fleet.CodeUnavailable {
		t.Errorf("got %v", err)
	}
}

// A hub that couldn't try to connect has seen nothing.
func TestOnlyALookIsTold(t *testing.T) {
	for _, test := range []struct {
		looked bool
		err    error
		want   int
	}{{true, nil, 1}, {true, errors.New("connection refused"), 1}, {false, errors.New("too many open files"), 0}} {
		o := DefaultOptions()
		o.State = turn.New("lineage", 1, 0, time.Now(), turn.DefaultOptions())
		o.Reach = func(context.Context, string) (bool, error) { return test.looked, test.err }
		l := New(o, time.Now())
		l.reach(context.Background(), turn.Reach{Address: "10.0.0.1:80"})
		if n := l.Waiting(); n != test.want {
			t.Errorf("looked %v, %v: %d inputs", test.looked, test.err, n)
		}
	}
}
