package brain_test

import (
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// What is known by its labels only has a probe that nobody here knows: it
// isn't called ready before the hub describes it.
func TestUnclaimedIsNotReadyBeforeItIsDescribed(t *testing.T) {
	w := newWorld(t).connected()
	w.foreign = []brain.Container{{ID: "u1", State: brain.ContainerRunning, StartedAt: w.now, Labels: map[string]string{
		brain.LabelLineage: "L1", brain.LabelHost: "h1", brain.LabelInstance: "u-1", brain.LabelProject: "shop", brain.LabelService: "web", brain.LabelVersion: "1", brain.LabelPorts: "8080:20007",
	}}}
	w.send(desired(webSpec()))
	w.settle()
	w.pass(time.Minute)
	if got := w.instance("u-1"); !got.Unclaimed || got.Ready {
		t.Fatalf("reported %+v", got)
	}
	w.send(desired(webSpec(), "u-1"))
	w.settle()
	w.pass(time.Second)
	if got := w.instance("u-1"); got.Unclaimed || !got.Ready || got.Ports[8080] != 20007 {
		t.Errorf("once it is described: %+v", got)
	}
	if got := w.kinds(); got != "" {
		t.Errorf("operations: %s", got)
	}
}

// What the hub forgets while it is being stopped, or removed, is on its way out: the hub
// doesn't take it in again.
func TestWhatIsForgottenWhileItEndsIsStopping(t *testing.T) {
	for _, kind := range []string{brain.OpStop, brain.OpRemove} {
		w := newWorld(t).connected()
		w.send(desired(webSpec(), "a-1"))
		w.settle()
		w.hold = true
		w.send(stopping(desired(webSpec(), "a-1"), "a-1"))
		for range 10 {
			if w.settle(); len(w.held) > 0 && w.held[0].Kind != kind {
				w.finishOne()
			}
		}
		w.send(desired(webSpec()))
		w.pass(time.Second)
		if got := w.instance("a-1"); !got.Unclaimed || got.Phase != fleet.PhaseStopping {
			t.Errorf("while there is a %s: %+v", kind, got)
		}
		w.hold = false
		w.settle()
	}
}
