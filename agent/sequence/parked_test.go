package sequence

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func parked(instance string) fleet.Endpoint {
	e := ready(instance)
	e.State = fleet.EndpointParked
	return e
}

// What is parked goes on until those that take over serve, through a reload too;
// then it gets nothing, is checked, and is back at once.
func TestParkedGoesOnUntilOthersServe(t *testing.T) {
	for name, path := range map[string]string{"in the running worker": "/healthz", "by a reload": "/x"} {
		t.Run(name, func(t *testing.T) {
			f := started(t)
			next := pool(2, parked("a"), parked("b"), ready("c"))
			next.Check.Path = path
			f.settle(pools{next})
			for range 5 {
				f.pass(time.Second)
				if turn := f.settle(pools{next}); reported(turn, webKey).Generation == 2 {
					t.Fatal("acknowledged, though nobody has taken over")
				}
				if a, b := f.server(webKey, "a"), f.server(webKey, "b"); a.State != StateReady || b.State != StateReady {
					t.Fatalf("nobody serves: %+v %+v", a, b)
				}
			}
			f.healthy["c"] = true
			turn := f.run(pools{next})
			if a, c := f.server(webKey, "a"), f.server(webKey, "c"); a.State != StateDrain || c.State != StateReady {
				t.Fatalf("c serves: %+v %+v", a, c)
			}
			if e, _ := reportedEndpoint(turn, "a"); e.State != fleet.EndpointDraining || e.Check != fleet.CheckPassing || reported(turn, webKey).Generation != 2 {
				t.Errorf("reported %+v", e)
			}
			f.log = nil
			back := pool(3, ready("a"), ready("b"), parked("c"))
			back.Check.Path = path
			f.settle(pools{back})
			if a, c := f.server(webKey, "a"), f.server(webKey, "c"); a.State != StateReady || c.State != StateDrain {
				t.Errorf("back: %+v %+v, by %v", a, c, f.log)
			}
		})
	}
}
