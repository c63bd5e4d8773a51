package lbtest

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// VersionsThatPublishDifferentPorts are each had on their own. Who can't be sent to is said,
// and has nothing to drain.
func VersionsThatPublishDifferentPorts(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web := NewPool(t, "web")
	a, b := NewProgram(t, "a"), NewProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")

	both := b.Endpoint(fleet.EndpointReady)
	both.Ports[9090] = NewProgram(t, "b-admin").Port
	web.Routes = append(web.Routes, fleet.Route{Target: 9090, Listen: []int{FreePort(t)}, Protocol: fleet.ProtocolHTTP})
	wrong := NewProgram(t, "x").Endpoint(fleet.EndpointReady)
	wrong.Address = "web1.example.com"
	web.Endpoints = append(web.Endpoints, both, wrong)
	r.Apply(web)
	r.Ready(web, "a")
	r.Ready(web, "b")
	if problem := PoolOf(r.Now(), web.Service).Problem; !strings.Contains(problem, "endpoint x: ") {
		t.Errorf("its problem is %q", problem)
	}
	r.Drained(web, "x")
	admin := *web
	admin.Routes = web.Routes[1:]
	Answer(t, &admin, "b-admin")

	Set(web, "a", fleet.EndpointDraining)
	r.Apply(web)
	r.Drained(web, "a")
	Answer(t, web, "b")
	Answer(t, &admin, "b-admin")
	Remove(web, "a")
	Remove(web, "x")
	r.Apply(web)
	if problem := PoolOf(r.Now(), web.Service).Problem; problem != "" {
		t.Errorf("its problem is %q", problem)
	}
}

// AVersionThatPublishesAnotherPort takes over, and the former is on no route.
func AVersionThatPublishesAnotherPort(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web := NewPool(t, "web")
	a, b := NewProgram(t, "a"), NewProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")

	moved := b.Endpoint(fleet.EndpointReady)
	moved.Ports = map[int]int{9090: b.Port}
	web.Routes[0].Target = 9090
	web.Endpoints = append(web.Endpoints, moved)
	r.Apply(web)
	r.Ready(web, "b")
	r.Drained(web, "a")
	Answer(t, web, "b")
	if e := EndpointOf(r.Now(), web.Service, "a"); e.State != fleet.EndpointPreparing || e.Check != fleet.CheckUnknown {
		t.Errorf("on no route, a is %+v", e)
	}
}

// AListenerMovesUnderLoad to another target, and back: nobody notices, nor
// when a version follows that serves the new target alone.
func AListenerMovesUnderLoad(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web := NewPool(t, "web")
	for _, id := range []string{"a", "b"} {
		e := NewProgram(t, id).Endpoint(fleet.EndpointReady)
		e.Ports[9090] = e.Ports[80]
		e.Ports[7070] = NewProgram(t, id+"-other").Port
		web.Endpoints = append(web.Endpoints, e)
	}
	r.Apply(web)
	r.Ready(web, "a")
	r.Ready(web, "b")
	l := d.startLoad(t, Address(web), 8, 5*time.Millisecond)
	for _, target := range []int{9090, 80, 7070, 9090} {
		web.Routes[0].Target = target
		web.Check.Type = fleet.ProbeTCP // two versions are checked in two ways
		r.Apply(web)
		r.Ready(web, "a")
		r.Ready(web, "b")
		time.Sleep(200 * time.Millisecond)
	}
	c := NewProgram(t, "c").Endpoint(fleet.EndpointReady)
	c.Ports = map[int]int{9090: c.Ports[80]}
	web.Endpoints = append(web.Endpoints, c)
	web.Check.Type = fleet.ProbeHTTP
	r.Apply(web)
	r.Ready(web, "c")
	Set(web, "a", fleet.EndpointDraining)
	Set(web, "b", fleet.EndpointDraining)
	r.Apply(web)
	r.Drained(web, "a")
	r.Drained(web, "b")
	l.lostNothing(t)
	Answer(t, web, "c")
}

// AListenerIsAddedUnderLoad for a port that the instances publish already: the one
// that is there goes on.
func AListenerIsAddedUnderLoad(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web := NewPool(t, "web")
	for _, id := range []string{"a", "b"} {
		e := NewProgram(t, id).Endpoint(fleet.EndpointReady)
		e.Ports[9090] = NewProgram(t, id+"-admin").Port
		web.Endpoints = append(web.Endpoints, e)
	}
	r.Apply(web)
	r.Ready(web, "a")
	r.Ready(web, "b")
	l := d.startLoad(t, Address(web), 8, 5*time.Millisecond)
	web.Routes = append(web.Routes, fleet.Route{Target: 9090, Listen: []int{FreePort(t)}, Protocol: fleet.ProtocolHTTP})
	r.Apply(web)
	r.Ready(web, "a")
	r.Ready(web, "b")
	l.lostNothing(t)
}
