package fleetloop

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

func TestAdmit(t *testing.T) {
	r := start(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, machine := range []string{"machine-1", "machine-2", "machine-1"} {
		if err := r.Admit("web1", machine); err != nil {
			t.Errorf("nobody knows web1 yet, and %s: %v", machine, err)
		}
	}
	if len(r.machines.known) != 0 {
		t.Errorf("claims are remembered: %v", r.machines.known)
	}
	if r.Admit("web2", "") == nil {
		t.Error("an agent without a machine was let in")
	}

	changes, err := r.Watch(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	r.Message("web1", wire.LeafActual, "", report(t, "web1", "machine-1"))
	awaitEvent(t, changes, fleet.EventHostJoined)
	if err := r.Read(ctx, func(*turn.State, time.Time) {}); err != nil { // the turn is over
		t.Fatal(err)
	}
	if err := r.Admit("web1", "machine-1"); err != nil {
		t.Errorf("the same machine again: %v", err)
	}
	err = r.Admit("web1", "machine-2")
	if fleet.CodeOf(err) != fleet.CodeConflict || !strings.Contains(err.Error(), "muster host fail web1") {
		t.Errorf("another machine: %v", err)
	}
	r.Message("web1", wire.LeafActual, "", report(t, "web1", "machine-2"))
	if e := awaitEvent(t, changes, fleet.EventMessageRefused); !strings.Contains(e.Data.Message, "another machine") {
		t.Errorf("a report of another machine: %s", e.Data.Message)
	}
	var machine string
	if err := r.Read(ctx, func(s *turn.State, _ time.Time) { machine = s.Hosts["web1"].Facts.MachineID }); err != nil || machine != "machine-1" {
		t.Errorf("web1 is %q, %v", machine, err)
	}

	r.machines.load(map[string]*turn.Host{"web1": {ID: "web1", Vacant: true, Facts: fleet.HostFacts{MachineID: "machine-1"}}})
	if err := r.Admit("web1", "machine-2"); err != nil {
		t.Errorf("its machine was declared dead: %v", err)
	}
}

// A machine that is gone for good is replaced by another of the same name. The
// new agent's first sign of life comes before its report.
func TestAnotherMachineTakesADeadHostsPlace(t *testing.T) {
	r := start(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	presence := func(state, session string) {
		t.Helper()
		payload, err := wire.Seal("", 0, 1, fleet.Presence{State: state, BootID: "b", AgentStart: session, Session: session})
		if err != nil {
			t.Fatal(err)
		}
		r.Message("web1", wire.LeafPresence, "", payload)
	}
	host := func() (h turn.Host) {
		t.Helper()
		if err := r.Read(ctx, func(s *turn.State, _ time.Time) { h = *s.Hosts["web1"] }); err != nil {
			t.Fatal(err)
		}
		return h
	}
	presence(fleet.PresenceOnline, "s")
	r.Message("web1", wire.LeafActual, "", report(t, "web1", "machine-1"))
	presence(fleet.PresenceLost, "s")
	if machine := host().Facts.MachineID; machine != "machine-1" {
		t.Fatalf("web1 is %s", machine)
	}
	if r.Admit("web1", "machine-2") == nil {
		t.Error("another machine takes over a host that nobody declared dead")
	}
	if _, err := r.Do(ctx, fleet.Command{ID: "1", Do: fleet.DoHostFail, Host: "web1"}); err != nil {
		t.Fatal(err)
	}
	if err := r.Admit("web1", "machine-2"); err != nil {
		t.Fatal(err)
	}
	presence(fleet.PresenceOnline, "other")
	if !host().Failed {
		t.Error("a sign of life says nothing about the machine")
	}
	r.Message("web1", wire.LeafActual, "", reportOf(t, "web1", "machine-2", "other"))
	if h := host(); h.Failed || h.Facts.MachineID != "machine-2" {
		t.Errorf("failed %v, %s", h.Failed, h.Facts.MachineID)
	}
	if err := r.Admit("web1", "machine-1"); fleet.CodeOf(err) != fleet.CodeConflict {
		t.Errorf("the former machine: %v", err)
	}
	if err := r.Admit("web1", "machine-2"); err != nil {
		t.Error(err)
	}
}

// report is a message with the least that a correct agent reports.
func report(t testing.TB, host, machine string) []byte {
	t.Helper()
	return reportOf(t, host, machine, "s")
}

func reportOf(t testing.TB, host, machine, session string) []byte {
	t.Helper()
	payload, err := wire.Seal("", 0, 1, fleet.Actual{Host: host, Facts: fleet.HostFacts{MachineID: machine}, AgentStart: session, Session: session})
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func awaitEvent(t *testing.T, changes <-chan fleet.Change, kind string) fleet.Event {
	t.Helper()
	for change := range changes {
		for _, e := range change.Events {
			if e.Type == kind {
				return e
			}
		}
	}
	t.Fatalf("there was no %s", kind)
	return fleet.Event{}
}
