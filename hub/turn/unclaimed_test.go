package turn

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func TestUnclaimedIsTakenIn(t *testing.T) {
	other := fleet.ServiceKey{Project: "shop", Name: "other"}
	for _, test := range []struct {
		name    string
		found   fleet.InstanceActual
		known   bool
		stopped bool
	}{
		{"too many: it leaves", fleet.InstanceActual{ID: "x-1", Service: web, Version: 1, Slot: 3}, true, true},
		{"of a version that isn't known: it leaves", fleet.InstanceActual{ID: "x-1", Service: web, Version: 7, Slot: 1}, true, true},
		{"of a service that isn't known: it is left alone", fleet.InstanceActual{ID: "x-1", Service: other, Version: 1, Slot: 1}, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, "web1", "web2").withBalancer("web1").join()
			w.apply(webService(2, "web:1"))
			w.pass(5 * time.Second)
			test.found.Phase, test.found.Ready = fleet.PhaseRunning, true
			web2 := w.hosts["web2"]
			web2.extra = map[string]*fleet.InstanceActual{"x-1": &test.found}
			w.pass(time.Second)
			if known := w.s.Instances["x-1"] != nil; known != test.known {
				t.Fatalf("known: %v", known)
			}
			if h, _ := w.view().Host("web2"); !test.known && len(h.Unclaimed) != 1 {
				t.Errorf("it isn't shown: %+v", h)
			}
			w.pass(20 * time.Second)
			if web2.stopped["x-1"] != test.stopped {
				t.Errorf("stopped: %v", web2.stopped)
			}
			w.wantState(fleet.ServiceConverged)
		})
	}
}

func TestUnclaimedThatIsWantedStays(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(2, "web:1"))
	w.pass(5 * time.Second)
	for _, in := range w.s.Instances {
		if in.Host == "web2" {
			w.hosts["web2"].extra = map[string]*fleet.InstanceActual{in.ID: {ID: in.ID, Service: web, Version: 1, Slot: in.Slot, Phase: fleet.PhaseRunning}}
			w.s.unindex(in)
			w.s.tally.instance(in, -1)
			delete(w.s.Instances, in.ID)
		}
	}
	w.hosts["web2"].desired.Instances = nil
	w.pass(10 * time.Second)
	if len(w.hosts["web2"].stopped) != 0 || len(w.s.Instances) != 2 {
		t.Errorf("stopped %v, known %d", w.hosts["web2"].stopped, len(w.s.Instances))
	}
	w.wantState(fleet.ServiceConverged)
}

func TestUnclaimedByAnOlderDesiredStateIsNotTakenIn(t *testing.T) {
	w := newWorld(t, "web1").join()
	w.apply(webService(1, "web:1"))
	w.pass(5 * time.Second)
	w.hosts["web1"].extra = map[string]*fleet.InstanceActual{"x-1": {ID: "x-1", Service: web, Version: 1, Phase: fleet.PhaseRunning}}
	w.hosts["web1"].gen--
	w.step(w.report(w.hosts["web1"])...)
	if w.s.Instances["x-1"] != nil {
		t.Error("a host that is behind may not have heard of its stop")
	}
}
