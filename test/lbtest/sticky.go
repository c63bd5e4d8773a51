package lbtest

import (
	"net/http"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// StickyClients stay with their instance: with one that was added while the program ran,
// and through a reload. Who drains gets none of them any more, though HAProxy's own
// draining would let them come back.
func StickyClients(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web := NewPool(t, "web")
	web.Routes[0].Sticky, web.Routes[0].Algorithm = true, fleet.AlgorithmLeastConn
	a, b, c := NewProgram(t, "a"), NewProgram(t, "b"), NewProgram(t, "c")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")
	reloads := r.Reloads.Load()
	web.Endpoints = append(web.Endpoints, b.Endpoint(fleet.EndpointReady), c.Endpoint(fleet.EndpointReady))
	r.Apply(web)
	r.Ready(web, "b")
	r.Ready(web, "c")
	if now := r.Reloads.Load(); d.AsItRuns && now != reloads {
		t.Errorf("%d reloads for instances that come", now-reloads)
	}
	cookies := map[string]*http.Cookie{}
	Poll(t, "each has clients", func() bool {
		who, response := Ask(t, Address(web), "x", "/")
		if len(response.Cookies()) != 1 || !response.Cookies()[0].HttpOnly {
			t.Fatalf("%s gives cookies %v", who, response.Cookies())
		}
		cookies[who] = response.Cookies()[0]
		return len(cookies) == 3
	})
	stay := func(except string) {
		t.Helper()
		for who, cookie := range cookies {
			for range 10 {
				if now, _ := Ask(t, Address(web), "x", "/", cookie); now != who && who != except || now == except {
					t.Fatalf("%s's client is answered by %s", who, now)
				}
			}
		}
	}
	stay("")
	r.Reload(t)
	r.Ready(web, "a")
	stay("")

	l := d.startLoad(t, Address(web), 4, 5*time.Millisecond)
	Set(web, "b", fleet.EndpointDraining)
	r.Apply(web)
	stay("b")
	r.Drained(web, "b")
	r.Reload(t)
	stay("b")
	b.Exit()
	Remove(web, "b")
	r.Apply(web)
	stay("b")
	l.lostNothing(t)
}

// StickyClientsAreTakenOver by a candidate without traffic: it is checked, and gets none of
// them before; then all come to it.
func StickyClientsAreTakenOver(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web := NewPool(t, "web")
	web.Routes[0].Sticky = true
	web.Endpoints = []fleet.Endpoint{NewProgram(t, "a").Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")
	_, response := Ask(t, Address(web), "x", "/")
	cookie := response.Cookies()[0]
	web.Endpoints = append(web.Endpoints, NewProgram(t, "b").Endpoint(fleet.EndpointParked))
	r.Apply(web)
	r.Until("the candidate is checked", func(a fleet.BalancerActual) bool {
		return EndpointOf(a, web.Service, "b").Check == fleet.CheckPassing
	})
	Answer(t, web, "a")
	Set(web, "a", fleet.EndpointParked)
	Set(web, "b", fleet.EndpointReady)
	r.Apply(web)
	for range 10 {
		if who, _ := Ask(t, Address(web), "x", "/", cookie); who != "b" {
			t.Fatalf("a's client is answered by %s", who)
		}
	}
	Set(web, "a", fleet.EndpointReady)
	Set(web, "b", fleet.EndpointParked)
	r.Apply(web)
	r.Ready(web, "a")
	Answer(t, web, "a")
}

// ClientsByTheirAddress stay where they are, too, while others come.
func ClientsByTheirAddress(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web := NewPool(t, "web")
	web.Routes[0].Algorithm = fleet.AlgorithmSource
	for _, id := range []string{"a", "b"} {
		web.Endpoints = append(web.Endpoints, NewProgram(t, id).Endpoint(fleet.EndpointReady))
	}
	r.Apply(web)
	r.Ready(web, "a")
	r.Ready(web, "b")
	first, _ := Ask(t, Address(web), "x", "/")
	Answer(t, web, first)
	Set(web, first, fleet.EndpointDraining)
	r.Apply(web)
	r.Drained(web, first)
	if now, _ := Ask(t, Address(web), "x", "/"); now == first {
		t.Errorf("%s drains, and gets requests", first)
	}
}
