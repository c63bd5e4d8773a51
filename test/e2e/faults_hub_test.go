//go:build e2e && soak

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// TestFaultHubAway has a container crash and an agent die while there is no
// hub.
func TestFaultHubAway(t *testing.T) {
	p := begin(t, "away")
	p.apply(web("app:1", 3, 9114) + worker)
	p.converged("worker", time.Minute)
	before, ids := p.containers(), p.instanceIDs()
	victim := p.service("web").Addresses[0]
	p.mark()
	p.kill("hub")

	if res, err := http.Post("http://"+victim+"/crash", "", nil); err == nil {
		res.Body.Close()
		t.Fatalf("%s answered instead of crashing: %s", victim, res.Status)
	}
	crashed := ""
	p.until(30*time.Second, "the crashed container runs again", func() (bool, string) {
		for id, is := range p.containers() {
			if is.State == "running" && is.Started != before[id].Started {
				crashed = id
				return true, ""
			}
		}
		return false, "none was started"
	})
	p.until(10*time.Second, "the restart is on the agent's disk", func() (bool, string) {
		state, err := os.ReadFile(filepath.Join(p.c.StateDir(before[crashed].Host), "state.json"))
		return strings.Contains(string(state), `"restarts":1`), fmt.Sprint(err)
	})
	p.allAnswer(9114, 3)
	untouched := p.containers()

	p.kill("web3")
	p.start("web3")
	time.Sleep(3 * time.Second) // nothing may happen: there is nothing to wait for
	p.untouched(untouched)

	p.startHub()
	p.allUp()
	p.converged("web", time.Minute)
	p.converged("worker", time.Minute)
	p.untouched(untouched)
	if now := p.instanceIDs(); now != ids {
		t.Errorf("the instances are %s, were %s", now, ids)
	}
	p.soon(30*time.Second, fleet.EventInstanceExited, "exited with code 1")
	p.never(fleet.EventInstancePlaced, fleet.EventInstanceDraining)
	p.until(10*time.Second, "one restart is counted", func() (bool, string) {
		for _, in := range p.service("web").Instances {
			want := 0
			if in.Actual.Container == crashed {
				want = 1
			}
			if in.Actual.Restarts != want {
				return false, fmt.Sprintf("%s was restarted %d times, not %d", in.ID, in.Actual.Restarts, want)
			}
		}
		return true, ""
	})
	p.inPool("web", 3)
}

// inPool fails unless every balancer has a service's instances ready, their
// checks passing, and as they are wanted.
func (p *project) inPool(service string, n int) {
	p.Helper()
	p.until(30*time.Second, "the pool is as it is wanted", func() (bool, string) {
		pools, err := p.c.Client.Pools(p.ctx(), p.key(service))
		if err != nil || len(pools.Items) != 1 {
			return false, "there is no pool"
		}
		pool := pools.Items[0]
		ready := 0
		for _, e := range pool.Endpoints {
			if e.State == fleet.EndpointReady && e.Actual != nil && e.Actual.State == fleet.EndpointReady && e.Actual.Check == fleet.CheckPassing {
				ready++
			}
		}
		return pool.Applied == pool.Generation && pool.Problem == "" && ready == n && len(pool.Endpoints) == n,
			p.mustMuster("lb", "show", p.name+"/"+service)
	})
}
