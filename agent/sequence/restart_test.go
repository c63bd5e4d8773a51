package sequence

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// A new agent knows what the file holds and nothing else. It finds a balancer
// that is as it should be, and does nothing to it.
func TestANewAgentChangesNothing(t *testing.T) {
	f := started(t)
	want := pools{pool(2, ready("a"), draining("b"))}
	f.run(want)
	f.log = nil
	f.memory = Memory{Filed: f.memory.Filed, Structure: f.memory.Structure}
	var turn Turn
	for range 10 {
		turn = f.turn(want)
		f.pass(time.Second)
	}
	if len(f.log) != 0 || f.reloads != 0 {
		t.Errorf("it did %v, with %d reloads", f.log, f.reloads)
	}
	if got := reported(turn, webKey).Generation; got != 2 {
		t.Errorf("generation %d is acknowledged", got)
	}
	if a := f.server(webKey, "a"); a.State != StateReady {
		t.Errorf("a is %s", a.State)
	}
}

// The removal of a whole service lets each of its connections end.
func TestARemovedServiceIsReportedUntilItsConnectionsEnded(t *testing.T) {
	f := started(t)
	gone := pools{{Service: webKey, Generation: 2, Removed: true}}
	f.server(webKey, "a").Connections = 1
	f.settle(gone)
	f.pass(MinDrain)
	f.old[0].servers[ServerKey{webKey, 80, "a"}].Connections = 1
	turn := f.settle(gone)
	if e, found := reportedEndpoint(turn, "a"); !found || e.Drained || reported(turn, webKey).Generation != 2 {
		t.Errorf("reported %+v", turn.Report)
	}
	f.old = nil
	f.settle(gone)
	turn = f.settle(gone)
	if e, found := reportedEndpoint(turn, "a"); found && !e.Drained {
		t.Errorf("reported %+v", e)
	}
	if got := turn.Report[0].Service; got != (fleet.ServiceKey{Project: "shop", Name: "web"}) {
		t.Errorf("reported %+v", turn.Report)
	}
}
