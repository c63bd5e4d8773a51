package turn

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func TestApplyConverges(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
	reply := w.apply(webService(5, "web:1"))
	if reply.Err != nil || !reply.Result.Changed {
		t.Fatalf("apply: %+v", reply)
	}
	w.pass(4 * time.Second)
	v := w.wantState(fleet.ServiceConverged)
	if v.Ready != 5 || len(v.Addresses) != 5 {
		t.Fatalf("ready %d, addresses %v", v.Ready, v.Addresses)
	}
	for host, n := range w.spread() {
		if n < 1 || n > 2 {
			t.Errorf("%s has %d", host, n)
		}
	}
	revision := w.s.Revision
	again := w.apply(webService(5, "web:1"))
	if again.Err != nil || again.Result.Changed || again.Result.Revision != revision {
		t.Errorf("the same again: %+v", again)
	}
	w.pass(10 * time.Second)
	if w.s.Revision != revision+1 { // the answer is kept, nothing else
		t.Errorf("revision went from %d to %d although nothing changed", revision, w.s.Revision)
	}
}

func TestScaleDownWaitsForTheBarrier(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(4, "web:1"))
	w.pass(4 * time.Second)
	w.hosts["web1"].drained = false
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 2})
	w.pass(20 * time.Second)
	if n := len(w.s.Instances); w.stopping() > 0 || n != 4 {
		t.Fatalf("%d instances are left, %d are being stopped, though the balancer has connections to them", n, w.stopping())
	}
	w.hosts["web1"].drained = true
	w.pass(4 * time.Second)
	if n := len(w.s.Instances); n != 2 {
		t.Fatalf("%d instances are left", n)
	}
	w.wantState(fleet.ServiceConverged)
}

func TestReplaceOneByOne(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(3, "web:1"))
	w.pass(4 * time.Second)
	w.apply(webService(3, "web:2"))
	for range 20 {
		w.pass(time.Second)
		if v := w.service(); v.Ready < 3 {
			t.Fatalf("fell to %d ready", v.Ready)
		}
		if n := len(w.s.Instances); n > 6 {
			t.Fatalf("%d instances at once", n)
		}
	}
	v := w.wantState(fleet.ServiceConverged)
	for _, in := range v.Instances {
		if in.Version != 2 {
			t.Errorf("%s has version %d", in.ID, in.Version)
		}
	}
}

func TestBrokenVersionIsSuperseded(t *testing.T) {
	w := newWorld(t, "web1").withBalancer("web1").join()
	w.apply(webService(2, "web:1"))
	w.pass(4 * time.Second)
	w.broken[2] = true
	w.apply(webService(2, "web:2"))
	w.pass(10 * time.Second)
	if v := w.service(); v.Ready != 2 {
		t.Fatalf("%d ready, want the old two", v.Ready)
	}
	w.apply(webService(2, "web:3"))
	w.pass(15 * time.Second)
	if v := w.wantState(fleet.ServiceConverged); v.Version != 3 {
		t.Fatalf("version %d", v.Version)
	}
}

func TestLostHost(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
	w.apply(webService(3, "web:1"))
	w.pass(4 * time.Second)
	lost := w.hosts["web3"]
	lost.cut = true
	w.pass(30 * time.Second)
	if w.spread()["web3"] != 1 {
		t.Fatal("the instance was given up although the balancer still reaches it")
	}
	for _, in := range w.s.Instances {
		if in.Host == "web3" {
			w.hosts["web1"].checks[in.ID] = fleet.CheckFailing
		}
	}
	w.pass(10 * time.Second)
	if spread := w.spread(); spread["web3"] != 0 || spread["web1"]+spread["web2"] != 3 {
		t.Fatalf("not placed anew: %v", spread)
	}
	lost.cut = false
	w.pass(5 * time.Second)
	if len(w.s.Instances) != 3 || len(lost.stopped) != 1 {
		t.Fatalf("%d instances; web3 stopped %v", len(w.s.Instances), lost.stopped)
	}
	w.wantState(fleet.ServiceConverged)
}

func TestTooManyLostIsTheNetwork(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
	w.apply(webService(3, "web:1"))
	w.pass(4 * time.Second)
	w.hosts["web2"].cut, w.hosts["web3"].cut = true, true
	for _, in := range w.s.Instances {
		w.hosts["web1"].checks[in.ID] = fleet.CheckFailing
	}
	w.pass(2 * time.Minute)
	if spread := w.spread(); spread["web2"] != 1 || spread["web3"] != 1 {
		t.Fatalf("placed anew: %v", spread)
	}
	if reply := w.order(fleet.Command{Do: fleet.DoHostFail, Host: "web3"}); reply.Err != nil {
		t.Fatal(reply.Err)
	}
	w.pass(20 * time.Second)
	if spread := w.spread(); spread["web3"] != 0 {
		t.Fatalf("web3 was declared dead: %v", spread)
	}
}

// A host that was declared dead is alive again once a machine reports: the same
// connection does, heard again, for it has reported before; another one only
// says that somebody is there.
func TestADeadHostIsAliveAgainByAReport(t *testing.T) {
	for _, test := range []struct {
		session string
		alive   bool // by a sign of life alone
	}{{"sa", true}, {"sb", false}} {
		w := newWorld(t, "web1", "web2").join()
		w.hosts["web1"].cut = true
		w.pass(15 * time.Second)
		if reply := w.order(fleet.Command{Do: fleet.DoHostFail, Host: "web1"}); reply.Err != nil {
			t.Fatal(reply.Err)
		}
		again := w.report(w.hosts["web1"])
		presence, report := again[0].(PresenceIn), again[1].(ActualIn)
		presence.Presence.Session, report.Actual.Session, report.Actual.AgentStart = test.session, test.session, test.session
		w.step(presence)
		if alive := !w.s.Hosts["web1"].Failed; alive != test.alive {
			t.Errorf("session %s: alive %v after a sign of life", test.session, alive)
		}
		report.Actual.Facts.MachineID = "another"
		w.step(report)
		if h := w.s.Hosts["web1"]; h.Failed || h.Facts.MachineID != "another" {
			t.Errorf("session %s: after a report: failed %v, machine %s", test.session, h.Failed, h.Facts.MachineID)
		}
	}
}

func TestVolumeIsHeld(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
	s := webService(1, "db:1")
	s.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Value: "web1"}}
	s.Spec.Mounts = []fleet.Mount{{Type: fleet.MountVolume, Source: "shop_data", Target: "/data"}}
	w.apply(s)
	w.pass(4 * time.Second)
	var host string
	for _, in := range w.s.Instances {
		host = in.Host
		w.hosts["web1"].checks[in.ID] = fleet.CheckFailing
	}
	w.hosts[host].cut = true
	w.pass(2 * time.Minute)
	v := w.wantState(fleet.ServiceHeld)
	if w.spread()[host] != 1 || !strings.Contains(strings.Join(v.Reasons, " "), "held: its data is on "+host) {
		t.Fatalf("%v: %v", w.spread(), v.Reasons)
	}
}

func TestCannotBePlacedSaysWhy(t *testing.T) {
	w := newWorld(t, "web1", "web2").join()
	s := webService(1, "web:1")
	s.Constraints = []fleet.Constraint{{Label: "tier", Equal: true, Value: "web"}}
	w.apply(s)
	w.pass(2 * time.Second)
	v := w.wantState(fleet.ServiceHeld)
	want := "held: slot 1 can't be placed: web1: needs label tier=web; web2: needs label tier=web"
	if len(v.Reasons) == 0 || v.Reasons[0] != want {
		t.Fatalf("reasons %q, want %q", v.Reasons, want)
	}
	w.hosts["web2"].facts.Labels = map[string]string{"tier": "web"}
	w.pass(3 * time.Second)
	w.wantState(fleet.ServiceConverged)
}

func TestHostDrain(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
	w.apply(webService(6, "web:1"))
	w.pass(5 * time.Second)
	w.order(fleet.Command{Do: fleet.DoHostDrain, Host: "web2"})
	for range 20 {
		w.pass(time.Second)
		if v := w.service(); v.Ready < 6 {
			t.Fatalf("fell to %d ready", v.Ready)
		}
	}
	if spread := w.spread(); spread["web2"] != 0 || spread["web1"] != 3 {
		t.Fatalf("spread %v", spread)
	}
	w.wantState(fleet.ServiceConverged)
}

func TestRemove(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(3, "web:1"))
	w.pass(5 * time.Second)
	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	w.pass(8 * time.Second)
	if len(w.s.Services)+len(w.s.Instances)+len(w.s.Pools) != 0 {
		t.Fatalf("left: %d services, %d instances, %d pools", len(w.s.Services), len(w.s.Instances), len(w.s.Pools))
	}
}

func TestADocumentGoesWithTheLastService(t *testing.T) {
	w := newWorld(t, "web1").join()
	one, two := webService(1, "web:1"), webService(1, "web:1")
	two.Key.Name, two.Balancing = "worker", nil
	w.order(fleet.Command{Do: fleet.DoApply, Project: "shop", Document: "name: shop", Services: []fleet.Service{one, two}})
	w.pass(5 * time.Second)
	for left, key := range []fleet.ServiceKey{two.Key, one.Key} {
		if len(w.s.Documents) != 1 {
			t.Errorf("%s is there, and %d documents", key, len(w.s.Documents))
		}
		w.order(fleet.Command{Do: fleet.DoRemove, Service: key})
		w.pass(8 * time.Second)
		if len(w.s.Services) != 1-left {
			t.Fatalf("%d services are left", len(w.s.Services))
		}
	}
	if len(w.s.Documents) != 0 {
		t.Errorf("%d documents are left", len(w.s.Documents))
	}
}

// A hub that starts again with what it stored publishes just what it did, and
// changes nothing.
func TestRestartChangesNothing(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1")
	w.join()
	w.apply(webService(3, "web:1"))
	w.pass(5 * time.Second)
	w.restart()
	again := w.s
	revision := again.Revision
	w.pass(90 * time.Second)
	if again.Revision != revision {
		t.Errorf("revision went from %d to %d: %v", revision, again.Revision, w.events[len(w.events)-1])
	}
	w.wantState(fleet.ServiceConverged)
}
