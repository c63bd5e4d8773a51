package turn

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// A service that is taken off the balancers drains there, and nothing of it
// waits for them afterwards.
func TestOffTheBalancers(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	s := webService(3, "web:1")
	w.apply(s)
	w.pass(5 * time.Second)
	s.Balancing = nil
	w.apply(s)
	w.pass(6 * time.Second)
	w.wantState(fleet.ServiceConverged)
	if len(w.s.Pools) != 0 {
		t.Errorf("%d pools are left", len(w.s.Pools))
	}
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 1})
	w.pass(5 * time.Second)
	if len(w.s.Instances) != 1 {
		t.Errorf("%d instances", len(w.s.Instances))
	}
	w.wantState(fleet.ServiceConverged)
}

// A global service whose new version fits nowhere loses no instance to it.
func TestNobodyLeavesForASuccessorThatCannotCome(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").join()
	s := webService(0, "web:1")
	s.Mode, s.Balancing = fleet.ModeGlobal, nil
	s.Spec.Publish = []fleet.Publish{{Target: 80, Protocol: "tcp", HostPort: 8080}}
	w.apply(s)
	w.pass(4 * time.Second)
	s.Spec.Resources.MemoryReservation = 8 << 30
	w.apply(s)
	w.pass(10 * time.Second)
	v := w.wantState(fleet.ServiceHeld)
	if v.Ready != 3 || !strings.Contains(strings.Join(v.Reasons, " "), "of memory short") {
		t.Errorf("%d ready: %v", v.Ready, v.Reasons)
	}
}

// What a dead host was still to stop holds nobody up.
func TestDeadHostHoldsNobodyUp(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").join()
	s := webService(1, "web:1")
	s.Balancing = nil
	s.Spec.Publish = []fleet.Publish{{Target: 80, Protocol: "tcp", HostPort: 8080}}
	w.apply(s)
	w.pass(4 * time.Second)
	for host := range w.spread() {
		w.hosts[host].cut = true
	}
	s.Spec.Image = "web:2"
	w.apply(s) // the old one is asked to stop, and its host never hears it
	w.pass(30 * time.Second)
	if v := w.service(); v.Ready != 1 || v.State != fleet.ServiceConverged {
		t.Errorf("%s, %d ready: %v", v.State, v.Ready, v.Reasons)
	}
}

// A drained host keeps what has its data there, says so, and nothing of it is
// stopped for a successor that has nowhere to go.
func TestDataStaysOnADrainedHost(t *testing.T) {
	w := newWorld(t, "web1", "web2").join()
	s := webService(1, "db:1")
	s.Balancing = nil
	s.Spec.Mounts = []fleet.Mount{{Type: fleet.MountVolume, Source: "shop_data", Target: "/data"}}
	w.apply(s)
	w.pass(4 * time.Second)
	var host string
	for id := range w.spread() {
		host = id
	}
	w.order(fleet.Command{Do: fleet.DoHostDrain, Host: host})
	w.pass(4 * time.Second)
	if v := w.wantState(fleet.ServiceHeld); !strings.Contains(v.Reasons[0], "its data is on "+host) {
		t.Errorf("reasons %v", v.Reasons)
	}
	if v, _ := w.view().Host(host); len(v.Reasons) != 1 {
		t.Errorf("the host says %v", v.Reasons)
	}
	s.Spec.Image = "db:2"
	w.apply(s)
	w.pass(10 * time.Second)
	if v := w.service(); v.Ready != 1 {
		t.Errorf("%d ready: %v", v.Ready, v.Reasons)
	}
	w.order(fleet.Command{Do: fleet.DoHostActivate, Host: host})
	w.pass(10 * time.Second)
	w.wantState(fleet.ServiceConverged)
}

// A hub that stood still itself doesn't take everybody for lost.
func TestHubThatStoodStill(t *testing.T) {
	w := newWorld(t, "web1", "web2").join()
	w.now = w.now.Add(time.Minute)
	w.step(Tick{})
	for _, h := range w.view().Hosts() {
		if h.Status.State != fleet.HostUp {
			t.Errorf("%s is %s", h.ID, h.Status.State)
		}
	}
	w.pass(5 * time.Second)
	w.hosts["web2"].cut = true
	w.pass(12 * time.Second)
	if h, _ := w.view().Host("web2"); h.Status.State != fleet.HostLost {
		t.Errorf("web2 is %s", h.Status.State)
	}
}
