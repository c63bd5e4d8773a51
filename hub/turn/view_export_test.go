package turn

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// exports are the services that are exported, with their routes and endpoints.
func (w *world) exports() string {
	var lines []string
	for _, service := range w.view().Exports() {
		line := fmt.Sprintf("%s %t", service.Service, service.Offered)
		for _, route := range service.Routes {
			line += fmt.Sprintf(" %s:%d", route.Protocol, route.Target)
		}
		states := map[string]int{}
		for _, e := range service.Endpoints {
			states[e.State]++
			if e.Host == "" || e.Ports[service.Routes[0].Target] == 0 {
				line += fmt.Sprintf(" %s on %q at %v", e.Instance, e.Host, e.Ports)
			}
		}
		lines = append(lines, strings.TrimSuffix(fmt.Sprintf("%s %v", line, states), " map[]"))
	}
	return strings.Join(lines, "\n")
}

// inner is on no balancer, and has a port.
func inner() fleet.Service {
	s := webService(1, "inner")
	s.Key.Name, s.Balancing = "inner", nil
	s.Spec.Publish = []fleet.Publish{{Target: 9000, Protocol: "tcp"}}
	return s
}

// TestExportsNeedNoBalancer: what would be in the pool of a balancer is exported though
// the fleet drives none, and what has ports alone as such.
func TestExportsNeedNoBalancer(t *testing.T) {
	w := newWorld(t, "web1", "web2").join()
	silent := webService(1, "silent")
	silent.Key.Name, silent.Balancing, silent.Spec.Publish = "silent", nil, nil
	w.apply(webService(2, "web:1"), inner(), silent)
	w.pass(10 * time.Second)
	if got := w.exports(); got != "shop/inner false tcp:9000 map[ready:1]\nshop/web true http:80 map[ready:2]" {
		t.Errorf("exported is\n%s", got)
	}
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 0})
	w.order(fleet.Command{Do: fleet.DoRemove, Service: inner().Key})
	w.pass(10 * time.Second)
	if got := w.exports(); got != "shop/web true http:80" {
		t.Errorf("when nothing runs, exported is\n%s", got)
	}
}

// TestExportsGoByThePools: who leaves is draining there as well, and who holds its place
// on the balancers holds it in what is exported.
func TestExportsGoByThePools(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
	w.apply(webService(3, "web:1"))
	w.pass(10 * time.Second)
	if got := w.exports(); got != "shop/web true http:80 map[ready:3]" {
		t.Errorf("exported is\n%s", got)
	}
	w.hosts["web1"].drained = false
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 2})
	w.pass(5 * time.Second)
	if got := w.exports(); got != "shop/web true http:80 map[draining:1 ready:2]" {
		t.Errorf("while one drains, exported is\n%s", got)
	}
	for _, in := range w.view().Instances(web, "") {
		w.hosts[in.Host].unready[in.ID] = true
	}
	w.pass(5 * time.Second)
	if got := w.exports(); !strings.Contains(got, "ready:2") {
		t.Errorf("when all of them are reported unready, exported is\n%s", got)
	}
}
