package store

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

func happened(ids ...string) []fleet.Event {
	events := make([]fleet.Event, len(ids))
	for i, id := range ids {
		events[i] = fleet.Event{ID: id, Type: "type-" + id[:1]}
	}
	return events
}

func ids(events []fleet.Event) string {
	text := ""
	for _, event := range events {
		text += fmt.Sprintf("%s@%d ", event.ID, event.Revision)
	}
	return text
}

func TestEvents(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hub.db"), options())
	commit(t, s, 3, nil, happened("a1", "b1", "a2")...)
	commit(t, s, 5, nil)
	commit(t, s, 300, nil, happened("b2", "a3")...)
	onlyA := func(e fleet.Event) bool { return e.Type == "type-a" }
	cases := []struct {
		after  uint64
		limit  int
		keep   func(fleet.Event) bool
		want   string
		latest bool
	}{
		{0, 10, nil, "a1@3 b1@3 a2@3 b2@300 a3@300 ", false},
		{3, 10, nil, "b2@300 a3@300 ", false},
		{4, 1, nil, "b2@300 a3@300 ", false},
		{300, 10, nil, "", false},
		{0, 1, nil, "a1@3 b1@3 a2@3 ", false},
		{0, 3, nil, "a1@3 b1@3 a2@3 ", false},
		{0, 10, onlyA, "a1@3 a2@3 a3@300 ", false},
		{limit: 2, want: "a3@300 b2@300 ", latest: true},
		{limit: 2, keep: onlyA, want: "a3@300 a2@3 ", latest: true},
		{limit: 9, want: "a3@300 b2@300 a2@3 b1@3 a1@3 ", latest: true},
	}
	for i, c := range cases {
		read := func() ([]fleet.Event, error) { return s.Events(c.after, c.limit, c.keep) }
		if c.latest {
			read = func() ([]fleet.Event, error) { return s.Latest(c.limit, c.keep) }
		}
		got, err := read()
		if err != nil || ids(got) != c.want {
			t.Errorf("case %d: %q, error %v; want %q", i, ids(got), err, c.want)
		}
	}
}

func TestOldEventsAreDroppedWholeRevisionsAtATime(t *testing.T) {
	o := options()
	o.Retention = 5
	path := filepath.Join(t.TempDir(), "hub.db")
	s := open(t, path, o)
	commit(t, s, 1, nil, happened("a1", "a2", "a3")...)
	commit(t, s, 2, nil, happened("b1", "b2")...)
	commit(t, s, 3, nil, happened("c1")...)
	check := func(want string) {
		t.Helper()
		got, err := s.Events(0, 100, nil)
		if err != nil || ids(got) != want {
			t.Errorf("%q, error %v; want %q", ids(got), err, want)
		}
	}
	check("b1@2 b2@2 c1@3 ")
	s.Close()
	s = open(t, path, o)
	check("b1@2 b2@2 c1@3 ")
	commit(t, s, 7, nil, happened("d1", "d2", "d3", "d4", "d5", "d6", "d7")...)
	check("d1@7 d2@7 d3@7 d4@7 d5@7 d6@7 d7@7 ")
	commit(t, s, 8, nil, happened("e1")...)
	check("e1@8 ")
}

func TestDroppingIsBounded(t *testing.T) {
	o := options()
	path := filepath.Join(t.TempDir(), "hub.db")
	s := open(t, path, o)
	for revision := uint64(1); revision <= 300; revision++ {
		commit(t, s, revision, nil, happened("a", "b")...)
	}
	s.Close()
	o.Retention = 10
	s = open(t, path, o)
	left := func() int {
		got, err := s.Events(0, 1000, nil)
		if err != nil {
			t.Fatal(err)
		}
		return len(got)
	}
	commit(t, s, 301, nil, happened("c")...)
	if got := left(); got != 601-102 {
		t.Errorf("%d events left after one commit", got)
	}
	for revision := uint64(302); revision <= 310; revision++ {
		commit(t, s, revision, nil, happened("c")...)
	}
	if got := left(); got > 10 {
		t.Errorf("%d events left", got)
	}
}
