package lbtest

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

// ARejectedSectionStopsOnlyItsService and of that only what is new: a removal is in force.
func ARejectedSectionStopsOnlyItsService(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web, api := NewPool(t, "web"), NewPool(t, "api")
	a, b, c := NewProgram(t, "a"), NewProgram(t, "b"), NewProgram(t, "c")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady), b.Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")
	r.Ready(web, "b")
	acknowledged := web.Generation
	routes, check := slices.Clone(web.Routes), web.Check
	d.Spoil(web)
	Set(web, "a", fleet.EndpointDraining)
	api.Endpoints = []fleet.Endpoint{c.Endpoint(fleet.EndpointReady)}
	r.WantNext(api, web)
	r.Ready(api, "c")
	r.Until("the problem is reported, the removal in force", func(x fleet.BalancerActual) bool {
		pool := PoolOf(x, web.Service)
		return strings.Contains(pool.Problem, "rejects") && strings.Contains(pool.Problem, d.Complaint) && pool.Generation == acknowledged &&
			EndpointOf(x, web.Service, "a").State == fleet.EndpointDraining
	})
	Answer(t, web, "b")
	web.Routes, web.Check = routes, check
	r.Apply(api, web)
	if problem := PoolOf(r.Now(), web.Service).Problem; problem != "" {
		t.Error(problem)
	}
}

// ATakenPortStopsOnlyItsService until it is free.
func ATakenPortStopsOnlyItsService(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web, api := NewPool(t, "web"), NewPool(t, "api")
	holder, c := NewProgram(t, "holder"), NewProgram(t, "c")
	web.Routes[0].Listen = []int{holder.Port}
	api.Endpoints = []fleet.Endpoint{c.Endpoint(fleet.EndpointReady)}
	r.WantNext(api, web)
	r.Ready(api, "c")
	r.Until("the port's problem", func(x fleet.BalancerActual) bool {
		return strings.Contains(PoolOf(x, web.Service).Problem, "can't listen")
	})
	holder.Exit()
	r.Until("the port is had", func(x fleet.BalancerActual) bool {
		return PoolOf(x, web.Service).Generation == web.Generation && PoolOf(x, web.Service).Problem == ""
	})
}

// APortThatIsTakenAtTheStartStopsOnlyItsService while the others are served from then on.
func APortThatIsTakenAtTheStartStopsOnlyItsService(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web, api := NewPool(t, "web"), NewPool(t, "api")
	a, c := NewProgram(t, "a"), NewProgram(t, "c")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady)}
	api.Endpoints = []fleet.Endpoint{c.Endpoint(fleet.EndpointReady)}
	r.Apply(api, web)
	r.Ready(web, "a")
	r.Ready(api, "c")
	r.Detach()
	if err := r.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	holder, err := net.Listen("tcp", Address(web))
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	r.Attach()
	r.WantNext(api, web)
	r.Ready(api, "c")
	r.Until("the port's problem", func(x fleet.BalancerActual) bool {
		return strings.Contains(PoolOf(x, web.Service).Problem, "can't listen")
	})
	holder.Close()
	r.Ready(web, "a")
}
