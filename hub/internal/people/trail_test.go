package people

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// A guesser is in the audit trail, and can't fill it.
func TestAFloodOfRefusalsIsAFewEntries(t *testing.T) {
	r := start(t)
	r.folk()
	before := len(r.store.said)
	for i := range 1000 {
		r.pass(10 * time.Millisecond)
		_, _ = r.Login("ann", bad, "203.0.113.9")
		if i == 0 && len(r.store.said) != before+1 {
			t.Error("the first isn't written at once")
		}
	}
	r.pass(gathered)
	r.must(r.trail.flush(r.now()))
	said := r.store.audit()[before:]
	if len(said) > 6 || !strings.Contains(strings.Join(said, "\n"), "ann|mqtt|203.0.113.9|login||refused|too many attempts (") {
		t.Errorf("%d entries: %q", len(said), said)
	}
	for i := range 5000 {
		_, _ = r.Login(fmt.Sprint("name", i), bad, fmt.Sprintf("198.51.%d.%d", i>>8, i&255))
	}
	r.pass(gathered)
	r.must(r.trail.flush(r.now()))
	if said := r.store.audit()[before:]; len(said) > trailKinds+10 || !strings.Contains(said[len(said)-1], "refusals of many kinds") {
		t.Errorf("%d entries, the last %q", len(said), said[len(said)-1])
	}
}

// Nor can somebody with time, who has another name and address at each attempt.
func TestALongFloodIsAFewEntries(t *testing.T) {
	r := start(t)
	r.folk()
	before := len(r.store.said)
	for i := range 24 * 60 * 60 / 2 {
		r.pass(2 * time.Second)
		r.Refused(fleet.AuditEntry{Who: fmt.Sprint("name", i), Do: "login", From: fmt.Sprintf("198.51.%d.%d", i>>8, i&255)})
	}
	if n := len(r.store.said) - before; n > 20_000 {
		t.Errorf("%d entries in a day", n)
	}
}

// Who logs in for every message is one entry in a while.
func TestManyLoginsAreAFewEntries(t *testing.T) {
	r := start(t)
	r.folk()
	before := len(r.store.said)
	for range 100 {
		_, err := r.Login("olga", good, "192.0.2.5")
		r.must(err)
	}
	r.pass(gatheredFor)
	r.must(r.trail.flush(r.now()))
	if said := r.store.audit()[before:]; len(said) != 2 || said[1] != "olga|mqtt|192.0.2.5|login||done| (99 times more)" {
		t.Errorf("%q", said)
	}
}

func TestEntriesAreBounded(t *testing.T) {
	r := start(t)
	r.Refused(fleet.AuditEntry{Who: strings.Repeat("x", 10_000), Subject: strings.Repeat("y", 10_000), Message: strings.Repeat("z", 10_000)})
	e := r.store.said[0]
	if len(e.Who) > 80 || len(e.Subject) > 200 || len(e.Message) > 500 {
		t.Errorf("%d, %d, %d", len(e.Who), len(e.Subject), len(e.Message))
	}
}
