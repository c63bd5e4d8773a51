package nginx

import (
	"fmt"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/lbtest"
)

func TestEndpointsComeAndGo(t *testing.T) {
	t.Parallel()
	r := lbtest.NewRig(t, driver())
	web := lbtest.NewPool(t, "web")
	a, b := lbtest.NewProgram(t, "a"), lbtest.NewProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")

	web.Endpoints = append(web.Endpoints, b.Endpoint(fleet.EndpointReady))
	r.Apply(web)
	r.Ready(web, "b")
	lbtest.Set(web, "a", fleet.EndpointDraining)
	r.Apply(web)
	lbtest.Answer(t, web, "b")
	r.Drained(web, "a")
	a.Exit()
	lbtest.Remove(web, "a")
	before := r.Reloads.Load()
	r.Apply(web)
	if r.Reloads.Load() != before {
		t.Error("nginx was reloaded for one that had no traffic any more")
	}
	lbtest.Answer(t, web, "b")
}

// TestOneReloadForAll: what changes at the same time is in the same reload.
func TestOneReloadForAll(t *testing.T) {
	t.Parallel()
	r := lbtest.NewRig(t, paced())
	var pools []*fleet.Pool
	for i := range 5 {
		pool := lbtest.NewPool(t, fmt.Sprintf("web%d", i))
		pool.Endpoints = []fleet.Endpoint{lbtest.NewProgram(t, fmt.Sprintf("a%d", i)).Endpoint(fleet.EndpointReady)}
		pools = append(pools, pool)
	}
	r.Apply(pools...)
	for i, pool := range pools {
		r.Ready(pool, fmt.Sprintf("a%d", i))
	}
	before := r.Reloads.Load()
	for i, pool := range pools {
		pool.Endpoints[0].Weight = 1 + i
		r.WantNext(pools...)
	}
	r.Apply(pools...)
	if n := r.Reloads.Load() - before; n > 2 {
		t.Errorf("%d reloads for one change", n)
	}
}

// A connection that an old worker has may lead to any endpoint that this worker
// knows, whichever it is at now.
func TestAnOldWorkerHoldsDrainedBack(t *testing.T) {
	t.Parallel()
	r := lbtest.NewRig(t, driver())
	web := lbtest.NewPool(t, "web")
	a, b := lbtest.NewProgram(t, "a"), lbtest.NewProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady), b.Endpoint(fleet.EndpointReady)}
	web.Endpoints[0].Weight, web.Endpoints[1].Weight = 1, fleet.MaxWeight // the first connection is with b
	r.Apply(web)
	r.Ready(web, "a")
	r.Ready(web, "b")
	conn, _ := lbtest.OpenSocket(t, lbtest.Address(web))
	r.Reload(t)
	lbtest.Set(web, "a", fleet.EndpointDraining)
	r.Apply(web)
	began := time.Now()
	lbtest.Poll(t, "it is held back for longer than an idle one", func() bool {
		if lbtest.EndpointOf(r.Now(), web.Service, "a").Drained {
			t.Fatal("drained while an old worker could still send")
		}
		return time.Since(began) > sequence.MinDrain+time.Second
	})
	conn.Close()
	r.Drained(web, "a")
}
