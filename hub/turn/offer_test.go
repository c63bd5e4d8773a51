package turn

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// A version that serves the same listener on another port, and is checked in
// another way, serves it beside the one that it replaces.
func TestVersionsThatServeAListenerOnDifferentPorts(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	first := webService(2, "web:1")
	first.Balancing.Check = fleet.Check{Type: fleet.ProbeHTTP, Path: "/health"}
	w.apply(first)
	w.pass(5 * time.Second)

	// The listener moves first, which makes no version.
	first.Balancing = &fleet.Balancing{Check: first.Balancing.Check,
		Routes: []fleet.Route{{Target: 80, Listen: []int{8080}, Protocol: fleet.ProtocolHTTP}}}
	w.apply(first)
	w.pass(5 * time.Second)

	second := webService(2, "web:1")
	second.Spec.Publish[0].Target = 90
	second.Balancing = &fleet.Balancing{Check: fleet.Check{Type: fleet.ProbeHTTP, Path: "/ready"},
		Routes: []fleet.Route{{Target: 90, Listen: []int{8080}, Protocol: fleet.ProtocolHTTP}}}
	w.apply(second)
	for range 30 {
		w.restart()
		w.pass(time.Second)
		pool := w.hosts["web1"].pools[web]
		serving, old := 0, false
		for _, e := range pool.Endpoints {
			old = old || e.Version == 1
			if e.State == fleet.EndpointReady && e.Ports[90] != 0 {
				serving++
			}
			if e.Version == 1 && e.Ports[90] != e.Ports[80] {
				t.Fatalf("version 1 is sent traffic on another port than its own: %+v", e)
			}
		}
		want := second.Balancing.Check
		if old {
			want = fleet.Check{Type: fleet.ProbeTCP}
		}
		if serving < 2 || pool.Check != want {
			t.Fatalf("%d endpoints serve the listener, checked by %+v: %+v", serving, pool.Check, pool.Endpoints)
		}
	}
	w.wantState(fleet.ServiceConverged)
	for _, e := range w.hosts["web1"].pools[web].Endpoints {
		if e.Version == 1 {
			t.Errorf("version 1 is still there: %+v", e)
		}
	}
}
