package nginx

import (
	"net/http"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Sticky clients stay with their instance: with one that came later, and through a
// reload. Who drains gets none of them any more.
func TestStickyClients(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	web.Routes[0].Sticky, web.Routes[0].Algorithm = true, fleet.AlgorithmLeastConn
	a, b, c := newProgram(t, "a"), newProgram(t, "b"), newProgram(t, "c")
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")
	web.Endpoints = append(web.Endpoints, b.endpoint(fleet.EndpointReady), c.endpoint(fleet.EndpointReady))
	r.apply(web)
	r.ready(web, "b")
	r.ready(web, "c")
	cookies := map[string]*http.Cookie{}
	poll(t, "each has clients", func() bool {
		who, response := ask(t, address(web), "x", "/")
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
				if now, _ := ask(t, address(web), "x", "/", cookie); now != who && who != except || now == except {
					t.Fatalf("%s's client is answered by %s", who, now)
				}
			}
		}
	}
	stay("")
	r.reload()
	r.ready(web, "a")
	stay("")

	l := startLoad(t, address(web), 4, 5*time.Millisecond)
	set(web, "b", fleet.EndpointDraining)
	r.apply(web)
	stay("b")
	r.drained(web, "b")
	r.reload()
	stay("b")
	b.exit()
	remove(web, "b")
	r.apply(web)
	stay("b")
	l.lostNothing(t)
}

// A candidate without traffic is checked, and gets no client of those that it is to
// take over; then all come to it.
func TestStickyClientsAreTakenOver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	web.Routes[0].Sticky = true
	web.Endpoints = []fleet.Endpoint{newProgram(t, "a").endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")
	_, response := ask(t, address(web), "x", "/")
	cookie := response.Cookies()[0]
	web.Endpoints = append(web.Endpoints, newProgram(t, "b").endpoint(fleet.EndpointParked))
	r.apply(web)
	r.until("the candidate is checked", func(a fleet.BalancerActual) bool {
		return endpointOf(a, web.Service, "b").Check == fleet.CheckPassing
	})
	answers(t, web, "a")
	set(web, "a", fleet.EndpointParked)
	set(web, "b", fleet.EndpointReady)
	r.apply(web)
	for range 10 {
		if who, _ := ask(t, address(web), "x", "/", cookie); who != "b" {
			t.Fatalf("a's client is answered by %s", who)
		}
	}
	set(web, "a", fleet.EndpointReady)
	set(web, "b", fleet.EndpointParked)
	r.apply(web)
	r.ready(web, "a")
	answers(t, web, "a")
}

// By the source's address a client stays where it is, too, while others come.
func TestClientsByTheirAddress(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	web.Routes[0].Algorithm = fleet.AlgorithmSource
	for _, id := range []string{"a", "b"} {
		web.Endpoints = append(web.Endpoints, newProgram(t, id).endpoint(fleet.EndpointReady))
	}
	r.apply(web)
	r.ready(web, "a")
	r.ready(web, "b")
	first, _ := ask(t, address(web), "x", "/")
	answers(t, web, first)
	set(web, first, fleet.EndpointDraining)
	r.apply(web)
	r.drained(web, first)
	if now, _ := ask(t, address(web), "x", "/"); now == first {
		t.Errorf("%s drains, and gets requests", first)
	}
}
