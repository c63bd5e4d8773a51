package fleetloop

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

func tell(e fleet.AuditEntry) string {
	return strings.Join([]string{e.Who, e.Do, e.Subject, e.ID, e.Result, e.Message}, "|")
}

// Every command is in the audit trail once: one that changes something in the same
// transaction, and no dry run and no repeat.
func TestCommandsAreAudited(t *testing.T) {
	r := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ann := fleet.Principal{Name: "ann", Role: fleet.RoleOperator, Via: fleet.ViaHTTPS, From: "192.0.2.7"}
	do := func(c fleet.Command) error {
		c.Actor, c.By = ann.Name, ann
		_, err := r.Do(ctx, c)
		return err
	}
	dry := applyCommand("dry")
	dry.DryRun = true
	for _, c := range []fleet.Command{
		dry, applyCommand("a"), applyCommand("a"),
		{ID: "s", Do: fleet.DoScale, Service: key, Count: 3},
		{ID: "s2", Do: fleet.DoScale, Service: key, Count: 3},
	} {
		if err := do(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := do(fleet.Command{ID: "x", Do: fleet.DoHostDrain, Host: "nowhere"}); err == nil {
		t.Error("a host that there isn't is drained")
	}
	if err := do(fleet.Command{ID: "a", Do: fleet.DoRemove, Service: key}); err == nil {
		t.Error("a key of another order is taken")
	}
	r.store.mu.Lock()
	r.store.broken = true
	r.store.mu.Unlock()
	if err := do(fleet.Command{ID: "f", Do: fleet.DoScale, Service: key, Count: 4}); fleet.CodeOf(err) != fleet.CodeUnavailable {
		t.Error(err)
	}
	if err := r.Audit(fleet.AuditEntry{Who: "ann", Do: "login", Result: fleet.AuditDone}); err != nil {
		t.Error(err)
	}
	if err := r.Read(ctx, func(*turn.State, time.Time) {}); err != nil { // what isn't waited for is written by then
		t.Fatal(err)
	}
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	want := []string{
		"1 ann|apply|projects/shop|a|done|",
		"2 ann|scale|services/shop/web|s|done|shop/web scaled from 1 to 3",
		"* ann|scale|services/shop/web|s2|done|shop/web has 3 already",
		`* ann|host-drain|hosts/nowhere|x|refused|there is no host "nowhere"`,
		`* ann|remove|services/shop/web|a|refused|"a" named another order before`,
		"- ann|scale|services/shop/web|f|failed|not stored: disk full",
		"- ann|login|||done|",
	}
	// The order of the last two isn't given: the second is written by its caller.
	slices.SortStableFunc(r.store.said[len(r.store.said)-2:], func(a, b string) int { return cmp.Compare(b, a) })
	if len(r.store.said) != len(want) {
		t.Fatalf("%d entries: %q", len(r.store.said), r.store.said)
	}
	for i, said := range r.store.said {
		_, wanted, _ := strings.Cut(want[i], " ")
		_, got, _ := strings.Cut(said, " ")
		if !strings.HasPrefix(got, wanted) || want[i][0] != '*' && said[0] != want[i][0] {
			t.Errorf("entry %d: %q; want %q", i, said, want[i])
		}
	}
}
