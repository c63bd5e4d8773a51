package turn

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func maintained(t *testing.T, c fleet.Command) *world {
	t.Helper()
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
	w.apply(webService(3, "web:1"))
	w.pass(5 * time.Second)
	c.Do, c.Host = fleet.DoHostMaintenance, "web2"
	if reply := w.order(c); reply.Err != nil || !reply.Result.Changed {
		t.Fatalf("maintenance: %+v", reply)
	}
	return w
}

// gone takes a host's power: its agent is silent, and no balancer reaches it.
func (w *world) gone(id string) {
	w.hosts[id].cut = true
	for _, as := range w.hosts[id].desired.Instances {
		w.hosts["web1"].checks[as.ID] = fleet.CheckFailing
	}
}

func (w *world) said(eventType string) (messages []string) {
	for _, e := range w.events {
		if e.Type == eventType {
			messages = append(messages, e.Data.Message)
		}
	}
	return messages
}

func TestNothingFollowsFromSilenceInMaintenance(t *testing.T) {
	w := maintained(t, fleet.Command{Reason: "disk swap"})
	before := w.spread()
	w.gone("web2")
	w.pass(2 * time.Minute)
	if after := w.spread(); after["web2"] != before["web2"] || len(w.s.Instances) != 3 {
		t.Fatalf("from %v to %v", before, after)
	}
	if lost := w.said(fleet.EventHostLost); len(lost) > 0 {
		t.Errorf("it is told that %v", lost)
	}
	if held := w.said(fleet.EventServiceHeld); len(held) > 0 {
		t.Errorf("it is told that %v", held)
	}
	if away := w.said(fleet.EventHostAway); len(away) != 1 || !strings.Contains(away[0], "in maintenance (disk swap)") {
		t.Errorf("it is told that %v", away)
	}
	if reasons := strings.Join(w.service().Reasons, "; "); !strings.Contains(reasons, "muster host activate web2") {
		t.Errorf("nobody says how it ends: %s", reasons)
	}
	w.hosts["web2"].cut, w.hosts["web1"].checks = false, map[string]string{}
	w.pass(5 * time.Second)
	w.wantState(fleet.ServiceConverged)
	w.order(fleet.Command{Do: fleet.DoHostActivate, Host: "web2"})
	if view, _ := w.view().Host("web2"); view.Maintenance != nil || view.Availability != fleet.AvailabilityActive {
		t.Errorf("it is %+v", view)
	}
}

func TestNothingComesInMaintenance(t *testing.T) {
	w := maintained(t, fleet.Command{})
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 7})
	w.pass(10 * time.Second)
	if spread := w.spread(); spread["web2"] != 1 || len(w.s.Instances) != 7 {
		t.Errorf("spread %v", spread)
	}
	w.order(fleet.Command{Do: fleet.DoHostActivate, Host: "web2"})
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 8})
	w.pass(10 * time.Second)
	if spread := w.spread(); spread["web2"] != 2 {
		t.Errorf("spread %v once it is activated", spread)
	}
}

// Time ends it, and who is silent then is lost from then on.
func TestMaintenanceEndsByTime(t *testing.T) {
	w := maintained(t, fleet.Command{For: fleet.Duration(2 * time.Minute)})
	w.gone("web2")
	w.pass(110 * time.Second)
	w.restart() // it is on disk
	w.gone("web2")
	w.pass(5 * time.Second)
	if w.spread()["web2"] != 1 {
		t.Fatal("it ended too early")
	}
	w.pass(90 * time.Second)
	if spread := w.spread(); spread["web2"] != 0 || len(w.said(fleet.EventHostLost)) != 1 {
		t.Errorf("spread %v, lost %v", spread, w.said(fleet.EventHostLost))
	}
	if view, _ := w.view().Host("web2"); view.Maintenance != nil || view.Availability != fleet.AvailabilityActive {
		t.Errorf("it is %+v", view)
	}
}

func TestMaintenanceCanDrain(t *testing.T) {
	w := maintained(t, fleet.Command{Drain: true})
	w.pass(20 * time.Second)
	if spread := w.spread(); spread["web2"] != 0 || spread["web1"]+spread["web3"] != 3 {
		t.Fatalf("spread %v", spread)
	}
	w.gone("web2")
	w.pass(time.Minute)
	w.wantState(fleet.ServiceConverged)
	if w.said(fleet.EventHostLost) != nil {
		t.Error("it is told to be lost")
	}
}

// Hosts in maintenance are none of the many that make the hub think of the network.
func TestMaintainedHostsHoldNobody(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3", "web4", "web5").join()
	s := webService(5, "web:1")
	s.Balancing = nil
	w.apply(s)
	w.pass(5 * time.Second)
	for _, id := range []string{"web2", "web3"} {
		w.order(fleet.Command{Do: fleet.DoHostMaintenance, Host: id})
		w.hosts[id].cut = true
	}
	w.hosts["web4"].cut = true
	w.pass(time.Minute)
	if spread := w.spread(); spread["web2"] != 1 || spread["web3"] != 1 || spread["web4"] != 0 || spread["web1"]+spread["web5"] != 3 {
		t.Errorf("spread %v", spread)
	}
}

// A person's word that the host is dead counts for more.
func TestAMaintainedHostCanBeFailed(t *testing.T) {
	w := maintained(t, fleet.Command{})
	w.gone("web2")
	w.pass(20 * time.Second)
	if reply := w.order(fleet.Command{Do: fleet.DoHostFail, Host: "web2"}); reply.Err != nil {
		t.Fatal(reply.Err)
	}
	w.pass(20 * time.Second)
	if spread := w.spread(); spread["web2"] != 0 || spread["web1"]+spread["web3"] != 3 {
		t.Errorf("spread %v", spread)
	}
}

func TestMaintenanceIsAskedForAsItMayBe(t *testing.T) {
	w := maintained(t, fleet.Command{For: fleet.Duration(time.Hour), Reason: "disk swap"})
	if reply := w.order(fleet.Command{Do: fleet.DoHostMaintenance, Host: "web2", For: fleet.Duration(2 * time.Hour)}); !reply.Result.Changed || !strings.Contains(reply.Result.Message, "(disk swap)") {
		t.Errorf("longer: %+v", reply)
	}
	for _, c := range []fleet.Command{
		{Host: "web9"}, {Host: "web2", For: -1}, {Host: "web2", For: fleet.Duration(10000 * time.Hour)}, {Host: "web2", Reason: "two\nlines"},
	} {
		c.Do = fleet.DoHostMaintenance
		if reply := w.order(c); reply.Err == nil {
			t.Errorf("%+v: %+v", c, reply)
		}
	}
	w.order(fleet.Command{Do: fleet.DoHostDrain, Host: "web2"})
	w.order(fleet.Command{Do: fleet.DoHostMaintenance, Host: "web2", For: fleet.Duration(time.Minute)})
	w.pass(70 * time.Second)
	if view, _ := w.view().Host("web2"); view.Maintenance != nil || view.Availability != fleet.AvailabilityDrain {
		t.Errorf("what was drained becomes %+v", view)
	}
}

func TestReschedule(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
	never, later := webService(3, "web:1"), webService(3, "api:1")
	never.Reschedule = fleet.RescheduleNever
	later.Key, later.Balancing, later.Grace = api, nil, fleet.Duration(time.Minute)
	w.apply(later, never)
	w.pass(5 * time.Second)
	w.gone("web2")
	on := func(key fleet.ServiceKey) (n int) {
		for _, in := range w.s.Instances {
			if in.Service == key && in.Host == "web2" && in.Goal == fleet.GoalRun {
				n++
			}
		}
		return n
	}
	w.pass(50 * time.Second)
	if on(web) != 1 || on(api) != 1 {
		t.Fatalf("spread %v after less than a minute", w.spread())
	}
	w.pass(time.Minute)
	if on(web) != 1 || on(api) != 0 {
		t.Fatalf("spread %v after more", w.spread())
	}
	v := w.wantState(fleet.ServiceHeld)
	if !strings.Contains(v.Reasons[0], "x-reschedule is never") || !strings.Contains(v.Reasons[0], "muster host fail web2") {
		t.Errorf("it is held, as %v", v.Reasons)
	}
	w.order(fleet.Command{Do: fleet.DoHostFail, Host: "web2"})
	w.pass(20 * time.Second)
	if on(web) != 0 {
		t.Errorf("spread %v once a person has said so", w.spread())
	}
}
