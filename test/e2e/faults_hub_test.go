//go:build e2e

package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// TestFaultHubAway has a container crash and an agent die while there is no
// hub.
func TestFaultHubAway(t *testing.T) {
	f := beginFault(t, "away")
	f.apply(web("app:1", 3, 9114) + worker)
	f.converged("worker", time.Minute)
	before, ids := f.containers(), f.instanceIDs()
	victim := f.service("web").Addresses[0]
	f.mark()
	f.killHub()

	if res, err := http.Post("http://"+victim+"/crash", "", nil); err == nil {
		res.Body.Close()
		t.Fatalf("%s answered instead of crashing: %s", victim, res.Status)
	}
	crashed := ""
	f.until(30*time.Second, "the crashed container runs again", func() (bool, string) {
		for id, is := range f.containers() {
			if is.State == "running" && is.Started != before[id].Started {
				crashed = id
				return true, ""
			}
		}
		return false, "none was started"
	})
	f.allAnswer(9114, 3)
	untouched := f.containers()

	f.must(f.c.Agents["web3"].Kill())
	f.startAgent("web3")
	time.Sleep(3 * time.Second) // nothing may happen: there is nothing to wait for
	f.untouched(untouched)

	f.startHub()
	f.allUp()
	f.converged("web", time.Minute)
	f.converged("worker", time.Minute)
	f.untouched(untouched)
	if now := f.instanceIDs(); now != ids {
		t.Errorf("the instances are %s, were %s", now, ids)
	}
	f.soon(30*time.Second, fleet.EventInstanceExited, "exited with code 1")
	f.never(fleet.EventInstancePlaced, fleet.EventInstanceDraining)
	for _, in := range f.service("web").Instances {
		want := 0
		if in.Actual.Container == crashed {
			want = 1
		}
		if in.Actual.Restarts != want {
			t.Errorf("%s was restarted %d times, not %d", in.ID, in.Actual.Restarts, want)
		}
	}
	f.inPool("web", 3)
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
