package fleet

import (
	"reflect"
	"slices"
	"testing"
)

// everyRoute has every field set.
func everyRoute() Route {
	return Route{
		Target: 80, Listen: []int{80, 443}, Protocol: ProtocolGRPC, Hosts: []string{"a.example"}, Paths: []string{"/a"}, Named: []int{80},
		Certificates: map[int][]string{443: {"a"}}, Algorithm: AlgorithmSource, Sticky: true, Timeouts: &Timeouts{Connect: 1, Request: 1, Idle: 1, Tunnel: 1},
		SendProxy: true, AcceptProxy: []int{443}, Snippets: map[string]string{"nginx": "x;"},
	}
}

// A balancer from before a field would leave it out, so each has a feature, but
// those that routes have had from the beginning.
func TestEveryFieldOfARouteHasAFeature(t *testing.T) {
	every := reflect.ValueOf(everyRoute())
	for i := range every.NumField() {
		name := every.Type().Field(i).Name
		route := Route{Target: 80, Listen: []int{80}, Protocol: ProtocolHTTP}
		reflect.ValueOf(&route).Elem().Field(i).Set(every.Field(i))
		if old := name == "Target" || name == "Listen"; old != (len(route.Features()) == 0) || every.Field(i).IsZero() {
			t.Errorf("%s asks for %v", name, route.Features())
		}
	}
	route := everyRoute()
	if features := route.Features(); len(features) != 8 || !slices.IsSorted(features) {
		t.Errorf("all of it asks for %v", features)
	}
}

func TestRouted(t *testing.T) {
	route := Route{Listen: []int{80, 8080}, Named: []int{80}}
	if route.Routed(8080) {
		t.Error("without names or paths")
	}
	route.Paths = []string{"/a"}
	if !route.Routed(8080) || route.Routed(80) {
		t.Error("a path holds on 8080, and not on 80, which is for the name")
	}
}
