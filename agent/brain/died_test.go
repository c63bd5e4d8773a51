package brain_test

import (
	"testing"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// TestDiedServesNoMore: the engine tells of a death well before it lists it.
func TestDiedServesNoMore(t *testing.T) {
	w := newWorld(t).connected()
	w.send(desired(webSpec(), "a-1", "b-1"))
	w.settle()
	w.kinds()
	before := w.listing()
	w.step(brain.Noticed{Container: w.box("a-1").ID, Action: "die"})
	if a := w.instance("a-1"); a.Ready || a.Phase == fleet.PhaseRunning || a.Reason == "" {
		t.Errorf("died: %+v", a)
	}
	if !w.instance("b-1").Ready {
		t.Error("the other one isn't ready any more")
	}
	w.step(before)
	if w.instance("a-1").Ready {
		t.Error("a listing from before it died has brought it back")
	}
	w.exit("a-1", 1)
	w.settle()
	if got := w.kinds(); got != "start" {
		t.Errorf("operations %q", got)
	}
	if !w.instance("a-1").Ready {
		t.Error("its new run isn't ready")
	}
}

// TestDiedByMistake: what a listing finds counts for more than what was heard.
func TestDiedByMistake(t *testing.T) {
	w := newWorld(t).connected()
	w.send(desired(webSpec(), "a-1"))
	w.settle()
	w.kinds()
	w.step(brain.Noticed{Container: w.box("a-1").ID, Action: "die"})
	w.settle()
	if !w.instance("a-1").Ready || w.kinds() != "" {
		t.Errorf("%+v", w.instance("a-1"))
	}
}
