package haproxy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

func TestEndpointsComeAndGoWithoutReload(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	a, b := newProgram(t, "a"), newProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")
	before := r.pids()

	web.Endpoints = append(web.Endpoints, b.endpoint(fleet.EndpointReady))
	r.apply(web)
	r.ready(web, "b")
	set(web, "a", fleet.EndpointDraining)
	r.apply(web)
	c := &client{address: address(web)}
	defer c.close()
	for range 10 {
		if who, err := c.post("/"); err != nil || who != "b" {
			t.Fatalf("answered by %q, %v; want b", who, err)
		}
	}
	r.drained(web, "a")
	a.exit()
	remove(web, "a")
	r.apply(web)
	poll(t, "a's server is deleted", func() bool {
		answer, err := r.lb.runtime.ask(context.Background(), "show servers state")
		return err == nil && strings.Contains(answer, " b ") && !strings.Contains(answer, " a ")
	})
	if now := r.pids(); now.current != before.current {
		t.Errorf("worker %d replaced %d: endpoints caused a reload", now.current, before.current)
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

func TestAnOldWorkerHoldsDrainedBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	a, b := newProgram(t, "a"), newProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady), b.endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")
	r.ready(web, "b")
	idle := &client{address: address(web)}
	defer idle.close()
	if _, err := idle.post("/"); err != nil {
		t.Fatal(err)
	}
	r.reload()
	set(web, "a", fleet.EndpointDraining)
	r.apply(web)
	began, held := time.Now(), false
	r.until("drained", func(x fleet.BalancerActual) bool {
		drained := endpointOf(x, web.Service, "a").Drained // said before the workers are looked at
		old := len(r.pids().old) > 0
		if old && drained {
			t.Error("drained while an old worker could still send")
		}
		held = held || old && time.Since(began) > sequence.MinDrain+time.Second
		return drained
	})
	if !held {
		t.Error("the old worker ended before it could hold anything back")
	}
}

func TestACrashedHAProxyComesBackAsItWas(t *testing.T) {
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

func TestANewAgentAdoptsHAProxy(t *testing.T) {
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

func TestTheWorkerKnowsItsGenerations(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	a := newProgram(t, "a")
	for range 3 {
		web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady)}
		r.apply(web)
		poll(t, "the worker has the generation", func() bool {
			answer, err := r.lb.runtime.ask(context.Background(), "get var "+lbconf.GenerationVar(web.Service))
			return err == nil && strings.Contains(answer, fmt.Sprintf("value=<%d>", web.Generation))
		})
	}
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
