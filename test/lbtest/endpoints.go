package lbtest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
)

// AnEndpointWaitsForItsCheck and takes no traffic before.
func AnEndpointWaitsForItsCheck(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web := NewPool(t, "web")
	a := NewProgram(t, "a")
	a.health.Store(false)
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Until("a fails its check", func(x fleet.BalancerActual) bool {
		return EndpointOf(x, web.Service, "a").Check == fleet.CheckFailing
	})
	if e := EndpointOf(r.Now(), web.Service, "a"); e.State != fleet.EndpointDraining || e.Drained {
		t.Errorf("before its check passed: %+v", e)
	}
	a.health.Store(true)
	r.Ready(web, "a")
}

// TCPConnectionsHoldDrainedBack for as long as they are open.
func TCPConnectionsHoldDrainedBack(t *testing.T, d Driver) {
	r := NewRig(t, d)
	db := NewPool(t, "db")
	db.Routes[0].Protocol = fleet.ProtocolTCP
	db.Check.Type = fleet.ProbeTCP
	a := NewProgram(t, "a")
	db.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady)}
	r.Apply(db)
	r.Ready(db, "a")
	c := &Client{Address: Address(db)}
	defer c.Close()
	if _, err := c.Post("/"); err != nil {
		t.Fatal(err)
	}
	Set(db, "a", fleet.EndpointDraining)
	r.Apply(db)
	began := time.Now()
	Poll(t, "it is busy for longer than an idle one", func() bool {
		e := EndpointOf(r.Now(), db.Service, "a")
		if e.Drained || e.Connections != 1 {
			t.Fatalf("%+v", e)
		}
		return time.Since(began) > sequence.MinDrain+time.Second
	})
	if _, err := c.Post("/"); err != nil {
		t.Error("an open connection was cut:", err)
	}
	c.Close()
	r.Drained(db, "a")
}

// AWebSocketOutlivesAReloadAndHoldsDrainedBack until its client ends it.
func AWebSocketOutlivesAReloadAndHoldsDrainedBack(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web := NewPool(t, "web")
	a := NewProgram(t, "a")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")
	conn, reader := OpenSocket(t, Address(web))
	r.Reload(t)
	Poll(t, "of the workers of before the one that has it is left", func() bool { return len(r.Processes(t).Old) == 1 })
	Set(web, "a", fleet.EndpointDraining)
	r.Apply(web)
	began := time.Now()
	Poll(t, "it is busy for longer than an idle one", func() bool {
		if EndpointOf(r.Now(), web.Service, "a").Drained {
			t.Fatal("drained under an open WebSocket")
		}
		return time.Since(began) > sequence.MinDrain+time.Second
	})
	if now := r.Processes(t); len(now.Old) != 1 {
		t.Fatalf("%+v", now)
	}
	if _, err := fmt.Fprintln(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	if line, err := reader.ReadString('\n'); err != nil || line != "hello\n" {
		t.Fatalf("%q, %v", line, err)
	}
	conn.Close()
	r.Drained(web, "a")
}

// ARemovedServiceGivesItsPortBack and another one has it.
func ARemovedServiceGivesItsPortBack(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web, api := NewPool(t, "web"), NewPool(t, "api")
	a := NewProgram(t, "a")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady)}
	r.Apply(api, web)
	r.Ready(web, "a")
	web.Removed, web.Endpoints = true, nil
	r.Apply(api, web)
	if _, err := (&Client{Address: Address(web)}).Post("/"); err == nil {
		t.Error("it is still served")
	}
	api.Routes[0].Listen = append(api.Routes[0].Listen, web.Routes[0].Listen...)
	slices.Sort(api.Routes[0].Listen)
	r.Apply(api)
}
