package turn

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func TestAnOldReportChangesNothing(t *testing.T) {
	w := newWorld(t, "web1").withBalancer("web1").join()
	w.apply(webService(1, "web:1"))
	w.pass(time.Second)
	old := w.report(w.hosts["web1"])[1].(ActualIn)
	for i := range old.Actual.Instances {
		old.Actual.Instances[i].Ready = false
	}
	w.pass(5 * time.Second)
	w.wantState(fleet.ServiceConverged)
	w.step(old)
	if v := w.service(); v.Ready != 1 {
		t.Error("a report from before made it unready")
	}
}

func TestAnotherVersionsReadinessDoesNotCount(t *testing.T) {
	w := newWorld(t, "web1").withBalancer("web1").join()
	w.apply(webService(1, "web:1"))
	inputs := w.report(w.hosts["web1"])
	report := inputs[1].(ActualIn)
	if len(report.Actual.Instances) != 1 {
		t.Fatalf("reported %+v", report.Actual.Instances)
	}
	report.Actual.Instances[0].Version, report.Actual.Instances[0].Spec = 9, "another's sum"
	w.step(inputs[0], report)
	for _, e := range w.hosts["web1"].pools[web].Endpoints {
		if e.State == fleet.EndpointReady {
			t.Errorf("traffic for %+v", e)
		}
	}
}

// One service that can't be placed, one that never gets ready, a host that
// takes nothing and a flood of rubbish hold up nobody else.
func TestTroubleStopsOnlyItsOwn(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
	nowhere, never := webService(2, "web:1"), webService(2, "web:1")
	nowhere.Key.Name, nowhere.Balancing = "a-nowhere", nil
	nowhere.Constraints = []fleet.Constraint{{Label: "moon", Equal: true, Value: "yes"}}
	never.Key.Name, never.Balancing = "a-never", nil
	w.apply(nowhere, never)
	w.pass(3 * time.Second)
	for _, h := range w.hosts {
		for _, as := range h.desired.Instances {
			h.dead[as.ID] = true
		}
	}
	w.hosts["web3"].cut = true
	w.pass(time.Minute)
	w.step(RefusedIn{Host: "web2", Type: fleet.EventMessageRefused, Reason: "rubbish"}, CommandIn{fleet.Command{ID: "bad", Do: "dance"}})
	w.apply(nowhere, never, webService(2, "web:1"))
	w.pass(10 * time.Second)
	w.wantState(fleet.ServiceConverged)
	w.step(CommandIn{fleet.Command{ID: "more", Do: fleet.DoScale, Service: web, Count: 4}}, Tick{})
	w.pass(10 * time.Second)
	if v := w.wantState(fleet.ServiceConverged); v.Ready != 4 {
		t.Errorf("%d are ready", v.Ready)
	}
}

// What didn't change isn't given another generation, whatever happens beside it.
func TestWhatDidNotChangeKeepsItsGeneration(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(2, "web:1"))
	w.pass(5 * time.Second)
	desired, pool := w.s.Hosts["web1"].Desired, w.hosts["web1"].pools[web].Generation
	other := webService(1, "web:1")
	other.Key.Name, other.Balancing = "other", nil
	other.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Equal: true, Value: "web2"}}
	w.apply(webService(2, "web:1"), other)
	w.pass(5 * time.Second)
	if now := w.s.Hosts["web1"].Desired; now != desired {
		t.Errorf("desired went from %d to %d", desired, now)
	}
	if now := w.hosts["web1"].pools[web].Generation; now != pool {
		t.Errorf("the pool went from %d to %d", pool, now)
	}
}
