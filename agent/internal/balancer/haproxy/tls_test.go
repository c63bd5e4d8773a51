package haproxy

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/lbtest"
)

// Services that share a port get TLS there by one command, of which the balancer hears
// one service after the other: what neither can have alone is taken once both ask.
func TestTLSComesToASharedPort(t *testing.T) {
	t.Parallel()
	k := lbtest.NewKeeper(t)
	r := lbtest.NewRig(t, driver(), k.Keeps)
	k.Issue("shop", "shop.example")
	port := lbtest.FreePort(t)
	api, shop := lbtest.RoutedPool(t, "api", port, "shop.example", "/api"), lbtest.RoutedPool(t, "shop", port, "shop.example", "")
	r.Apply(api, shop)
	r.Ready(api, "api")
	r.Ready(shop, "shop")
	api.Routes[0].Certificates = map[int][]string{port: {"shop"}}
	r.WantNext(api, shop)
	r.Until("alone it can't", func(a fleet.BalancerActual) bool {
		return strings.Contains(lbtest.PoolOf(a, api.Service).Problem, "a port has TLS for all or for none")
	})
	if body, _ := lbtest.Ask(t, lbtest.Address(shop), "shop.example", "/api"); body != "api" {
		t.Errorf("meanwhile %q", body)
	}
	began := time.Now()
	shop.Routes[0].Certificates = map[int][]string{port: {"shop"}}
	shop.Generation = r.NextGeneration()
	r.WantAgain(api, shop)
	for _, pool := range []*fleet.Pool{api, shop} {
		r.Until("both have it", func(a fleet.BalancerActual) bool { return lbtest.PoolOf(a, pool.Service).Generation == pool.Generation })
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s: they waited for another try", took)
	}
	if body, _ := lbtest.Get(t, k.Browser(lbtest.Address(shop)), "https://shop.example/api"); body != "api" {
		t.Errorf("by TLS %q", body)
	}
}
