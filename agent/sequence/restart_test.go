package sequence

import (
	"strings"
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
	f.restart()
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

func TestOtherSettingsReloadOnce(t *testing.T) {
	f := started(t)
	want := pools{pool(1, ready("a"), ready("b"))}
	f.global.MaxConn = 500
	f.restart()
	f.run(want)
	f.restart()
	turn := f.run(want)
	if f.reloads != 1 || reported(turn, webKey).Generation != 1 {
		t.Errorf("%d reloads, %+v", f.reloads, turn.Report)
	}
}

// Settings that no worker can start with hold up no endpoint. They are tried
// again and again, ever more seldom.
func TestAReloadThatFailsHoldsUpNobody(t *testing.T) {
	f := started(t)
	f.healthy["c"], f.broken = true, true
	f.global.MaxConn = 1e9
	f.restart()
	want := pools{pool(2, draining("a"), ready("b"), ready("c"))}
	tries := func() (n int) {
		for _, line := range f.log {
			if strings.HasPrefix(line, "reload: ") {
				n++
			}
		}
		return n
	}
	for range 60 {
		f.run(want)
	}
	f.expect("endpoints come and go", map[string]string{"a:0": StateDrain, "b:0": StateReady, "c:0": StateReady})
	if n := tries(); n != 4 || f.reloads != 0 {
		t.Errorf("%d tries to reload in a minute", n)
	}
	if f.memory.Unloaded.Problem != "no" {
		t.Error("the problem is forgotten")
	}
	f.broken = false
	f.pass(maxRetry)
	turn := f.run(want)
	if f.reloads != 1 || reported(turn, webKey).Generation != 2 || f.memory.Unloaded.Problem != "" {
		t.Errorf("%d reloads, %+v, %+v", f.reloads, turn.Report, f.memory.Unloaded)
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
