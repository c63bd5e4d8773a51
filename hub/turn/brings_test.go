package turn

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// A host that brings back what the hub doesn't know gets nothing else until that is taken
// in, and then what is to run there.
func TestWhatIsTakenInLetsOthersIn(t *testing.T) {
	w := newWorld(t, "web1").join()
	everywhere := webService(0, "logs:1")
	everywhere.Key, everywhere.Mode, everywhere.Balancing = logs, fleet.ModeGlobal, nil
	w.apply(webService(1, "web:1"), everywhere)
	w.pass(10 * time.Second)
	w.add("web2")
	h := w.hosts["web2"]
	h.lineage, h.epoch, h.gen = "lineage", 1, 3 // from before it left
	h.extra = map[string]*fleet.InstanceActual{"x-1": {ID: "x-1", Service: web, Version: 1, Slot: 9, Phase: fleet.PhaseRunning}}
	w.pass(20 * time.Second)
	found := false
	for _, in := range w.s.Instances {
		found = found || in.Service == logs && in.Host == "web2"
	}
	if !found {
		v, _ := w.view().Service(logs)
		t.Errorf("it is %s on web1 alone: %v", v.State, v.Reasons)
	}
}
