package nginx

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
)

func TestEndpointsComeAndGo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	a, b := newProgram(t, "a"), newProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")

	web.Endpoints = append(web.Endpoints, b.endpoint(fleet.EndpointReady))
	r.apply(web)
	r.ready(web, "b")
	set(web, "a", fleet.EndpointDraining)
	r.apply(web)
	answersAlone(t, web, "b")
	r.drained(web, "a")
	a.exit()
	remove(web, "a")
	before := r.reloads.Load()
	r.apply(web)
	if r.reloads.Load() != before {
		t.Error("nginx was reloaded for one that had no traffic any more")
	}
	answersAlone(t, web, "b")
}

// TestOneReloadForAll: what changes at the same time is in the same reload.
func TestOneReloadForAll(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.slow = true })
	var pools []*fleet.Pool
	for i := range 5 {
		pool := newPool(t, fmt.Sprintf("web%d", i))
		pool.Endpoints = []fleet.Endpoint{newProgram(t, fmt.Sprintf("a%d", i)).endpoint(fleet.EndpointReady)}
		pools = append(pools, pool)
	}
	r.apply(pools...)
	for i, pool := range pools {
		r.ready(pool, fmt.Sprintf("a%d", i))
	}
	before := r.reloads.Load()
	for i, pool := range pools {
		pool.Endpoints[0].Weight = 1 + i
		r.want(pools...)
	}
	r.apply(pools...)
	if n := r.reloads.Load() - before; n > 2 {
		t.Errorf("%d reloads for one change", n)
	}
}

func TestAnEndpointWaitsForItsCheck(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	a := newProgram(t, "a")
	a.health.Store(false)
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.until("a fails its check", func(x fleet.BalancerActual) bool {
		return endpointOf(x, web.Service, "a").Check == fleet.CheckFailing
	})
	if e := endpointOf(r.now(), web.Service, "a"); e.State != fleet.EndpointDraining || e.Drained {
		t.Errorf("before its check passed: %+v", e)
	}
	a.health.Store(true)
	r.ready(web, "a")
}

// A connection that an old worker has may lead to any endpoint that this worker
// knows, whichever it is at now.
func TestAnOldWorkerHoldsDrainedBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	a, b := newProgram(t, "a"), newProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady), b.endpoint(fleet.EndpointReady)}
	web.Endpoints[0].Weight, web.Endpoints[1].Weight = 1, fleet.MaxWeight // the first connection is with b
	r.apply(web)
	r.ready(web, "a")
	r.ready(web, "b")
	conn, _ := openSocket(t, address(web))
	r.reload()
	set(web, "a", fleet.EndpointDraining)
	r.apply(web)
	began := time.Now()
	poll(t, "it is held back for longer than an idle one", func() bool {
		if endpointOf(r.now(), web.Service, "a").Drained {
			t.Fatal("drained while an old worker could still send")
		}
		return time.Since(began) > sequence.MinDrain+time.Second
	})
	conn.Close()
	r.drained(web, "a")
}

func TestACrashedNginxComesBackAsItWas(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	a, b := newProgram(t, "a"), newProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady), b.endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")
	r.ready(web, "b")
	set(web, "a", fleet.EndpointDraining)
	r.apply(web)
	before := r.pids()
	if err := syscall.Kill(before.master, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.until("the fall is reported", func(x fleet.BalancerActual) bool { return !x.Up && x.Problem != "" })
	r.until("up again", func(x fleet.BalancerActual) bool { return x.Up && x.Problem == "" })
	if now := r.pids(); now.master == before.master {
		t.Error("the master is the same")
	}
	answersAlone(t, web, "b")
}

func TestANewAgentAdoptsNginx(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	a := newProgram(t, "a")
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")
	before := r.pids()
	r.detach()
	r.attach()
	r.until("acknowledged before anything is wanted", func(x fleet.BalancerActual) bool {
		return x.Up && poolOf(x, web.Service).Generation == web.Generation
	})
	r.apply(web)
	r.ready(web, "a")
	if now := r.pids(); now.master != before.master || now.current != before.current {
		t.Errorf("%+v became %+v", before, now)
	}
}

func TestTCPConnectionsHoldDrainedBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	db := newPool(t, "db")
	db.Routes[0].Protocol = fleet.ProtocolTCP
	db.Check.Type = fleet.ProbeTCP
	a := newProgram(t, "a")
	db.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady)}
	r.apply(db)
	r.ready(db, "a")
	c := &client{address: address(db)}
	defer c.close()
	if _, err := c.post("/"); err != nil {
		t.Fatal(err)
	}
	set(db, "a", fleet.EndpointDraining)
	r.apply(db)
	began := time.Now()
	poll(t, "it is busy for longer than an idle one", func() bool {
		e := endpointOf(r.now(), db.Service, "a")
		if e.Drained || e.Connections != 1 {
			t.Fatalf("%+v", e)
		}
		return time.Since(began) > sequence.MinDrain+time.Second
	})
	if _, err := c.post("/"); err != nil {
		t.Error("an open connection was cut:", err)
	}
	c.close()
	r.drained(db, "a")
}

func TestARemovedServiceGivesItsPortBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web, api := newPool(t, "web"), newPool(t, "api")
	a := newProgram(t, "a")
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady)}
	r.apply(api, web)
	r.ready(web, "a")
	web.Removed, web.Endpoints = true, nil
	r.apply(api, web)
	if _, err := (&client{address: address(web)}).post("/"); err == nil {
		t.Error("it is still served")
	}
	api.Routes[0].Listen = append(api.Routes[0].Listen, web.Routes[0].Listen...)
	slices.Sort(api.Routes[0].Listen)
	r.apply(api)
}

func TestAWebSocketOutlivesAReloadAndHoldsDrainedBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	a := newProgram(t, "a")
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")
	conn, reader := openSocket(t, address(web))
	r.reload()
	if now := r.pids(); len(now.old) != 1 {
		t.Fatalf("%+v", now)
	}
	set(web, "a", fleet.EndpointDraining)
	r.apply(web)
	began := time.Now()
	poll(t, "it is busy for longer than an idle one", func() bool {
		if endpointOf(r.now(), web.Service, "a").Drained {
			t.Fatal("drained under an open WebSocket")
		}
		return time.Since(began) > sequence.MinDrain+time.Second
	})
	if _, err := fmt.Fprintln(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	if line, err := reader.ReadString('\n'); err != nil || line != "hello\n" {
		t.Fatalf("%q, %v", line, err)
	}
	conn.Close()
	r.drained(web, "a")
}
