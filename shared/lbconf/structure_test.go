package lbconf

import (
	"reflect"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

// routeChanges change one field of a route each.
var routeChanges = map[string]func(*fleet.Route){
	"Target":   func(r *fleet.Route) { r.Target = 81 },
	"Listen":   func(r *fleet.Route) { r.Listen = []int{1, 2} },
	"Protocol": func(r *fleet.Route) { r.Protocol = fleet.ProtocolTCP },
	"Hosts":    func(r *fleet.Route) { r.Hosts = []string{"a.example"} },
	"Paths":    func(r *fleet.Route) { r.Paths = []string{"/a"} },
	"Named": func(r *fleet.Route) {
		r.Listen, r.Hosts, r.Named = []int{8080, 8081}, []string{"a.example"}, []int{8080}
	},
	"Certificates": func(r *fleet.Route) { r.Certificates = map[int][]string{8080: {"a"}} },
	"Algorithm":    func(r *fleet.Route) { r.Algorithm = fleet.AlgorithmLeastConn },
	"Sticky":       func(r *fleet.Route) { r.Sticky = true },
	"Timeouts":     func(r *fleet.Route) { r.Timeouts = &fleet.Timeouts{Connect: 5e9} },
	"SendProxy":    func(r *fleet.Route) { r.Protocol, r.SendProxy = fleet.ProtocolTCP, true },
	"AcceptProxy":  func(r *fleet.Route) { r.AcceptProxy = []int{8080} },
	"Snippets":     func(r *fleet.Route) { r.Snippets = map[string]string{DriverHAProxy: "acl a always_true"} },
}

func TestSameSectionKnowsEveryFieldOfARoute(t *testing.T) {
	for i := range reflect.TypeFor[fleet.Route]().NumField() {
		name := reflect.TypeFor[fleet.Route]().Field(i).Name
		pool, change := web(), routeChanges[name]
		if change == nil {
			t.Errorf("no change of %s", name)
			continue
		}
		if change(&pool.Routes[0]); SameSection(web(), pool) {
			t.Errorf("%s: the section is the same", name)
		}
		if Structure(Input{Global: global(), Pools: []fleet.Pool{pool}}) == Structure(Input{Global: global(), Pools: []fleet.Pool{web()}}) {
			t.Errorf("%s: the structure is the same", name)
		}
	}
	a, b := everyField(), everyField()
	if !SameSection(a, b) {
		t.Error("two that are alike differ")
	}
	b.Routes[0].Timeouts.Idle++
	if SameSection(a, b) {
		t.Error("a timeout makes no difference")
	}
}
