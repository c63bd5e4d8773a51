package brain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// However long and often the images of others fail, an instance whose image
// can be had has its turn.
func TestFailuresDoNotKeepOthersFromTheirTurn(t *testing.T) {
	w := newWorld(t)
	w.config.Limits.Pulls = 1
	w.away["web:1"] = true
	w.boot("start1")
	w.connected()
	bad := webSpec()
	bad.Image = "gone:1"
	d := desired(bad, "a-1", "b-1", "c-1")
	d.Versions["shop/web@2"] = webSpec()
	d.Instances = append(d.Instances, fleet.Assignment{ID: "d-1", Service: shopWeb, Version: 2, Slot: 4, Goal: fleet.GoalRun, Cause: "cmd1"})
	w.hold = true
	w.send(d)
	w.list()
	for range 20 {
		if w.fetching() == "" {
			break
		}
		w.now = w.now.Add(10 * time.Minute) // as long as fetching may take
		w.finishOne()
		w.list()
	}
	if box := w.box("d-1"); box.State != brain.ContainerRunning {
		t.Errorf("it is %s", box.State)
	}
}

// An order to stop has to say by whose order.
func TestAStopWithoutACauseIsNoOrder(t *testing.T) {
	w := settled(t)
	d := desired(webSpec(), "a-1", "b-1")
	d.Instances[0].Goal, d.Instances[0].Cause = fleet.GoalStop, ""
	w.send(d)
	w.settle()
	w.pass(time.Minute)
	if got := w.kinds(); got != "" {
		t.Fatalf("operations: %s", got)
	}
	if got := w.instance("a-1"); got.Phase != fleet.PhaseStopping || !strings.Contains(got.Reason, "names no cause") {
		t.Errorf("reported %+v", got)
	}
}
