package lbtest

import (
	"testing"
	"time"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
)

// GRPCLosesNothing of calls and streams that go through while one instance drains in the
// middle of a stream, another comes, and the program reloads.
func GRPCLosesNothing(t *testing.T, d Driver) {
	r := NewRig(t, d)
	pool := NewPool(t, "calls")
	pool.Routes[0].Protocol, pool.Check.Type = fleet.ProtocolGRPC, fleet.ProbeTCP
	a, b := newGRPCProgram(t, "a"), newGRPCProgram(t, "b")
	pool.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady), b.Endpoint(fleet.EndpointReady)}
	r.Apply(pool)
	r.Ready(pool, "a")
	r.Ready(pool, "b")
	calls := startCalls(t, Address(pool), 8)
	rests := connect(t, Address(pool))
	defer rests.Close()
	calls.call(rests)
	stays, ends := openTalk(t, Address(pool), "a"), openTalk(t, Address(pool), "a")
	Poll(t, "both are called", func() bool { return calls.by("a") > 9 && calls.by("b") > 9 })

	reloads := r.Reloads.Load()
	c := newGRPCProgram(t, "c")
	pool.Endpoints = append(pool.Endpoints, c.Endpoint(fleet.EndpointReady))
	r.Apply(pool)
	r.Ready(pool, "c")
	Poll(t, "c is called", func() bool { return calls.by("c") > 9 })
	Set(pool, "a", fleet.EndpointDraining)
	r.Apply(pool)
	if now := r.Reloads.Load(); d.AsItRuns && now != reloads {
		t.Errorf("%d reloads for endpoints that come and go", now-reloads)
	}
	ends.end()
	began, before := time.Now(), calls.by("a")
	Poll(t, "the stream that is left holds it back", func() bool {
		stays.say()
		if e := EndpointOf(r.Now(), pool.Service, "a"); e.Drained {
			t.Fatalf("%+v", e)
		}
		return time.Since(began) > sequence.MinDrain+time.Second
	})
	r.Reload(t)
	sent := calls.sent.Load()
	Poll(t, "enough is called after the reload", func() bool { return calls.sent.Load() > sent+99 })
	if len(r.Processes(t).Old) == 0 {
		t.Error("the old worker left its stream behind")
	}
	stays.say()
	if after := calls.by("a"); after != before {
		t.Errorf("it got %d calls while it drained", after-before)
	}
	stays.end()
	Poll(t, "the old worker ends, though a client that rests was with it", func() bool { return len(r.Processes(t).Old) == 0 })
	r.Drained(pool, "a")
	calls.call(rests)
	a.server.Stop()
	Remove(pool, "a")
	r.Apply(pool)
	calls.end()
}

// GRPCBesideAVersionWithoutIt is had from the one that has both; HTTP is served by both.
func GRPCBesideAVersionWithoutIt(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web := NewPool(t, "web")
	old, both, calls := NewProgram(t, "old"), NewProgram(t, "both"), newGRPCProgram(t, "both")
	web.Endpoints = []fleet.Endpoint{old.Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "old")

	next := both.Endpoint(fleet.EndpointReady)
	next.Ports[9090] = calls.Port
	web.Routes = append(web.Routes, fleet.Route{Target: 9090, Listen: []int{FreePort(t)}, Protocol: fleet.ProtocolGRPC})
	web.Endpoints = append(web.Endpoints, next)
	r.Apply(web)
	r.Ready(web, "old")
	r.Ready(web, "both")
	grpcOnly := *web
	grpcOnly.Routes = web.Routes[1:]
	some := startCalls(t, Address(&grpcOnly), 2)
	Poll(t, "the new one is called", func() bool { return some.by("both") > 99 })
	some.end()
	seen := map[string]bool{}
	Poll(t, "both serve HTTP", func() bool {
		c := &Client{Address: Address(web)}
		defer c.Close()
		who, err := c.Post("/")
		if err != nil {
			t.Fatal(err)
		}
		seen[who] = true
		return seen["old"] && seen["both"]
	})
}
