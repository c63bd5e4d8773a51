package nginx

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func TestVersionsThatPublishDifferentPorts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	a, b := newProgram(t, "a"), newProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")

	both := b.endpoint(fleet.EndpointReady)
	both.Ports[9090] = newProgram(t, "b-admin").port
	web.Routes = append(web.Routes, fleet.Route{Target: 9090, Listen: []int{freePort(t)}, Protocol: fleet.ProtocolHTTP})
	wrong := newProgram(t, "x").endpoint(fleet.EndpointReady)
	wrong.Address = "web1.example.com"
	web.Endpoints = append(web.Endpoints, both, wrong)
	r.apply(web)
	r.ready(web, "a")
	r.ready(web, "b")
	if problem := poolOf(r.now(), web.Service).Problem; !strings.Contains(problem, "endpoint x: ") {
		t.Errorf("its problem is %q", problem)
	}
	r.drained(web, "x")
	admin := *web
	admin.Routes = web.Routes[1:]
	answers(t, &admin, "b-admin")

	set(web, "a", fleet.EndpointDraining)
	r.apply(web)
	r.drained(web, "a")
	answers(t, web, "b")
	answers(t, &admin, "b-admin")
	remove(web, "a")
	remove(web, "x")
	r.apply(web)
	if problem := poolOf(r.now(), web.Service).Problem; problem != "" {
		t.Errorf("its problem is %q", problem)
	}
}

func TestAVersionThatPublishesAnotherPort(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	a, b := newProgram(t, "a"), newProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")

	moved := b.endpoint(fleet.EndpointReady)
	moved.Ports = map[int]int{9090: b.port}
	web.Routes[0].Target = 9090
	web.Endpoints = append(web.Endpoints, moved)
	r.apply(web)
	r.ready(web, "b")
	r.drained(web, "a")
	answers(t, web, "b")
	if e := endpointOf(r.now(), web.Service, "a"); e.State != fleet.EndpointPreparing || e.Check != fleet.CheckUnknown {
		t.Errorf("on no route, a is %+v", e)
	}
}

// A listener leads to another target, and back: under load nobody notices, nor
// when a version follows that serves the new target alone.
func TestAListenerMovesUnderLoad(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	for _, id := range []string{"a", "b"} {
		e := newProgram(t, id).endpoint(fleet.EndpointReady)
		e.Ports[9090] = e.Ports[80]
		e.Ports[7070] = newProgram(t, id+"-other").port
		web.Endpoints = append(web.Endpoints, e)
	}
	r.apply(web)
	r.ready(web, "a")
	r.ready(web, "b")
	l := startLoad(t, address(web), 8, 5*time.Millisecond)
	for _, target := range []int{9090, 80, 7070, 9090} {
		web.Routes[0].Target = target
		web.Check.Type = fleet.ProbeTCP // two versions are checked in two ways
		r.apply(web)
		r.ready(web, "a")
		r.ready(web, "b")
		time.Sleep(200 * time.Millisecond)
	}
	c := newProgram(t, "c").endpoint(fleet.EndpointReady)
	c.Ports = map[int]int{9090: c.Ports[80]}
	web.Endpoints = append(web.Endpoints, c)
	web.Check.Type = fleet.ProbeHTTP
	r.apply(web)
	r.ready(web, "c")
	set(web, "a", fleet.EndpointDraining)
	set(web, "b", fleet.EndpointDraining)
	r.apply(web)
	r.drained(web, "a")
	r.drained(web, "b")
	l.lostNothing(t)
	answers(t, web, "c")
}

// A listener is added for a port that the instances publish already: the one
// that is there goes on.
func TestAListenerIsAddedUnderLoad(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	for _, id := range []string{"a", "b"} {
		e := newProgram(t, id).endpoint(fleet.EndpointReady)
		e.Ports[9090] = newProgram(t, id+"-admin").port
		web.Endpoints = append(web.Endpoints, e)
	}
	r.apply(web)
	r.ready(web, "a")
	r.ready(web, "b")
	l := startLoad(t, address(web), 8, 5*time.Millisecond)
	web.Routes = append(web.Routes, fleet.Route{Target: 9090, Listen: []int{freePort(t)}, Protocol: fleet.ProtocolHTTP})
	r.apply(web)
	r.ready(web, "a")
	r.ready(web, "b")
	l.lostNothing(t)
}

// answers sends a few requests to a pool's first route.
func answers(t *testing.T, pool *fleet.Pool, want string) {
	t.Helper()
	c := &client{address: address(pool)}
	defer c.close()
	for range 5 {
		if who, err := c.post("/"); err != nil || who != want {
			t.Fatalf("answered by %q, %v; want %s", who, err, want)
		}
	}
}
