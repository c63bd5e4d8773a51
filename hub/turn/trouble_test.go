package turn

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// A balancer's trouble is told once, and its end.
func TestBalancerInTrouble(t *testing.T) {
	w := newWorld(t, "web1").withBalancer("web1").join()
	told := func() (out []string) {
		for _, e := range w.events {
			if e.Type == fleet.EventBalancerProblem || e.Type == fleet.EventBalancerRecovered {
				out = append(out, e.Data.Message)
			}
		}
		return out
	}
	for _, trouble := range []string{"", "its file was edited", "its file was edited", ""} {
		w.hosts["web1"].trouble = trouble
		w.pass(3 * time.Second)
	}
	if got := strings.Join(told(), "; "); got != "web1/haproxy: its file was edited; web1/haproxy works again" {
		t.Errorf("told: %s", got)
	}
}

// A removal doesn't wait for a host that isn't there: the stop waits for it,
// without the service.
func TestRemovalLeavesTheStopToALostHost(t *testing.T) {
	w := newWorld(t, "web1", "web2").join()
	s := webService(2, "web:1")
	s.Balancing = nil
	w.apply(s)
	w.pass(4 * time.Second)
	w.hosts["web2"].cut = true
	w.pass(12 * time.Second)
	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	w.pass(4 * time.Second)
	if len(w.s.Services) != 0 || len(w.s.Instances) != 1 {
		t.Fatalf("%d services, %d instances", len(w.s.Services), len(w.s.Instances))
	}
	w.restart()
	w.hosts["web2"].cut = false
	w.pass(4 * time.Second)
	if len(w.hosts["web2"].stopped) != 1 || len(w.s.Instances) != 0 {
		t.Errorf("web2 stopped %v, %d instances are left", w.hosts["web2"].stopped, len(w.s.Instances))
	}
}

// A service has converged when its balancers have, also where nothing else
// changes; what keeps a balancer back is the service's reason too.
func TestConvergedWaitsForThePool(t *testing.T) {
	w := newWorld(t, "web1").withBalancer("web1").join()
	w.apply(webService(1, "web:1"))
	w.pass(4 * time.Second)
	converged := func() (n int) {
		for _, e := range w.events {
			if e.Type == fleet.EventServiceConverged {
				n++
			}
		}
		return n
	}
	if converged() != 1 {
		t.Fatalf("converged %d times", converged())
	}
	host := w.hosts["web1"]
	host.trouble = "its file was edited"
	host.stuck = map[fleet.ServiceKey]fleet.Pool{web: host.pools[web]}
	s := webService(1, "web:1")
	s.Balancing.Routes[0].Listen = []int{81}
	w.apply(s)
	w.pass(4 * time.Second)
	v := w.wantState(fleet.ServiceProgressing)
	if converged() != 1 || !strings.Contains(strings.Join(v.Reasons, "; "), "balancer web1/haproxy: its file was edited") {
		t.Errorf("converged %d times; reasons %q", converged(), v.Reasons)
	}
	host.trouble, host.stuck = "", nil
	w.pass(4 * time.Second)
	if w.wantState(fleet.ServiceConverged); converged() != 2 {
		t.Errorf("converged %d times", converged())
	}
}

// A flood of rubbish makes few events, and doesn't hide an agent that was
// turned away.
func TestRefusalsArePaced(t *testing.T) {
	w := newWorld(t, "web1").join()
	before := len(w.events)
	rubbish := RefusedIn{Host: "web1", Type: fleet.EventMessageRefused, Reason: "rubbish"}
	w.step(rubbish, rubbish, rubbish, RefusedIn{Host: "web1", Type: fleet.EventHostRefused, Reason: "another machine"})
	w.now = w.now.Add(refusedEvery)
	w.step(rubbish)
	var told []string
	for _, e := range w.events[before:] {
		told = append(told, e.Data.Message)
	}
	if got := strings.Join(told, "; "); got != "rubbish; another machine; rubbish (and 2 more like it since the last event)" {
		t.Errorf("told: %s", got)
	}
}
