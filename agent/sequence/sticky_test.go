package sequence

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func stickyPool(generation uint64, endpoints ...fleet.Endpoint) fleet.Pool {
	p := pool(generation, endpoints...)
	p.Routes[0].Sticky = true
	return p
}

// To whom HAProxy only drains, clients come back by their cookie. So who leaves is in
// maintenance, whatever an agent that was just started remembers.
func TestWhoLeavesAStickyRouteIsInMaintenance(t *testing.T) {
	for name, restart := range map[string]bool{"": false, "the agent restarts": true} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.healthy["a"], f.healthy["b"] = true, true
			f.run(pools{stickyPool(1, ready("a"), ready("b"))})
			f.run(pools{stickyPool(1, ready("a"), ready("b"))})
			next := pools{stickyPool(2, draining("a"), ready("b"))}
			for range 5 {
				f.run(next)
				if restart {
					f.restart()
				}
			}
			turn := f.run(next)
			if a, b := f.server(webKey, "a"), f.server(webKey, "b"); a.State != StateMaint || b.State != StateReady {
				t.Fatalf("a leaves: %+v %+v", a, b)
			}
			if e, _ := reportedEndpoint(turn, "a"); e.State != fleet.EndpointDraining || !restart && !e.Drained || reported(turn, webKey).Generation != 2 {
				t.Errorf("reported %+v", e)
			}
			f.spawn() // a reload by hand revives nobody
			if a := f.server(webKey, "a"); a.State != StateMaint {
				t.Errorf("the file has a as %+v", a)
			}
		})
	}
}

// A candidate that is parked is checked, as it has no clients yet; who served before
// is in maintenance, and back after a check.
func TestParkedOnAStickyRoute(t *testing.T) {
	f := newFake(t)
	f.healthy["a"], f.healthy["c"] = true, true
	f.run(pools{stickyPool(1, ready("a"))})
	turn := f.run(pools{stickyPool(2, ready("a"), parked("c"))})
	if c, _ := reportedEndpoint(turn, "c"); c.Check != fleet.CheckPassing || f.server(webKey, "c").State != StateDrain {
		t.Fatalf("the candidate is %+v", c)
	}
	f.run(pools{stickyPool(3, parked("a"), ready("c"))})
	if a, c := f.server(webKey, "a"), f.server(webKey, "c"); a.State != StateMaint || c.State != StateReady {
		t.Fatalf("c took over: %+v %+v", a, c)
	}
	f.run(pools{stickyPool(4, ready("a"), parked("c"))})
	f.pass(time.Second)
	f.run(pools{stickyPool(4, ready("a"), parked("c"))})
	if a, c := f.server(webKey, "a"), f.server(webKey, "c"); a.State != StateReady || c.State != StateMaint {
		t.Fatalf("a is back: %+v %+v", a, c)
	}
}
