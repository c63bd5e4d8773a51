package store

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

func TestAuditTrail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	s, err := Open(path, DefaultOptions("people"))
	if err != nil {
		t.Fatal(err)
	}
	revision := s.Meta().Revision
	for i := range 5 {
		change := Change{Table: "people", Key: "ann", Value: fmt.Appendf(nil, "%d", i)}
		if err := s.Keep([]Change{change}, fleet.AuditEntry{Who: "ann", Do: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Commit(revision+1, nil, nil, fleet.AuditEntry{Who: "bob", Do: "apply"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Keep([]Change{{Table: "nowhere", Key: "a", Value: []byte("b")}}, fleet.AuditEntry{Who: "eve"}); err == nil {
		t.Error("a table that there isn't was written")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(path, DefaultOptions("people")); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, tt := range []struct {
		before uint64
		limit  int
		keep   func(fleet.AuditEntry) bool
		want   string
	}{
		{0, 2, nil, "[6 bob apply][5 ann 4]"},
		{6, 2, nil, "[5 ann 4][4 ann 3]"},
		{3, 10, nil, "[2 ann 1][1 ann 0]"},
		{1, 10, nil, ""},
		{100, 1, nil, "[6 bob apply]"},
		{0, 10, func(e fleet.AuditEntry) bool { return e.Who == "bob" }, "[6 bob apply]"},
	} {
		entries, err := s.Audit(tt.before, tt.limit, tt.keep)
		got := ""
		for _, e := range entries {
			got += fmt.Sprintf("[%d %s %s]", e.Number, e.Who, e.Do)
		}
		if err != nil || got != tt.want {
			t.Errorf("before %d, limit %d: %s, %v", tt.before, tt.limit, got, err)
		}
	}
	if got := s.Meta().Revision; got != revision+1 {
		t.Errorf("revision %d", got)
	}
}
