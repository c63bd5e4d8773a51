package turn

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// onRoute is a service with one listener on port 443, or so.
func onRoute(key string, change func(*fleet.Route)) fleet.Service {
	s := onPorts(key, map[int]int{8080: 443})
	change(&s.Balancing.Routes[0])
	return s
}

func by(hosts, paths string, certificates ...string) func(*fleet.Route) {
	return func(r *fleet.Route) {
		r.Hosts, r.Paths = strings.Fields(hosts), strings.Fields(paths)
		if len(certificates) > 0 {
			r.Certificates = map[int][]string{443: certificates}
		}
	}
}

// Services share a listener by host names and paths, those of one file and of several;
// who can't is told why.
func TestServicesShareAListener(t *testing.T) {
	shop := onRoute("shop/web", by("shop.example", "", "shop"))
	for _, test := range []struct {
		name   string
		stands fleet.Service
		next   fleet.Service
		says   string
	}{
		{"another host", shop, onRoute("blog/web", by("blog.example", "", "blog")), ""},
		{"another path", shop, onRoute("blog/web", by("shop.example", "/blog", "shop")), ""},
		{"what is left", shop, onRoute("blog/web", by("", "", "blog")), ""},
		{"the same", shop, onRoute("blog/web", by("a.example shop.example", "", "blog")),
			"port 443 on the balancers belongs to shop/web, and both are for shop.example (choose another listen port, other balancers with x-lb.balancers, or hosts or paths of its own)"},
		{"without TLS", shop, onRoute("blog/web", by("blog.example", "")), "port 443 on the balancers belongs to shop/web, and a port has TLS for all or for none"},
		{"bytes", shop, onRoute("blog/db", func(r *fleet.Route) { r.Protocol = fleet.ProtocolTCP }), "port 443 on the balancers belongs to shop/web, and only http and grpc share a port"},
		{"two that take all", onRoute("shop/web", by("", "")), onRoute("blog/web", by("", "")), "port 443 on the balancers belongs to shop/web ("},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, "web1", "web2").withBalancer("web1").join()
			if reply := w.applyAll(test.stands); reply.Err != nil {
				t.Fatal(reply.Err)
			}
			reply := w.applyAll(test.next)
			if test.says == "" != (reply.Err == nil) || reply.Err != nil && !strings.Contains(reply.Err.Error(), test.says) {
				t.Fatalf("it says %v", reply.Err)
			}
			w.pass(5 * time.Second)
			before := w.hosts["web1"].pools[test.stands.Key].Generation
			if reply.Err == nil {
				w.order(fleet.Command{Do: fleet.DoRemove, Service: test.next.Key})
				w.pass(time.Minute)
				if pool := w.hosts["web1"].pools[test.stands.Key]; pool.Generation != before || pool.Removed {
					t.Errorf("who leaves disturbs who stays: %+v", pool)
				}
			}
		})
	}
}

// A name means the service whatever its host names are, where the port is free; a
// listener of many doesn't.
func TestNamesOfServicesWithHostNames(t *testing.T) {
	w := newWorld(t, "web1").withBalancer("web1").join()
	reply := w.applyAll(onRoute("shop/api", by("shop.example", "/api")), onRoute("shop/web", func(r *fleet.Route) {
		r.Target, r.Hosts = 443, []string{"shop.example"}
	}))
	if reply.Err != nil || len(reply.Result.Plan.Warnings) != 1 || !strings.Contains(reply.Result.Plan.Warnings[0], "web:443 is not reachable by name: port 443 answers to shop.example") {
		t.Fatalf("%+v", reply)
	}
	w.pass(5 * time.Second)
	routes := w.hosts["web1"].pools[fleet.ServiceKey{Project: "shop", Name: "api"}].Routes
	if len(routes) != 1 || !slices.Equal(routes[0].Listen, []int{443, 8080}) || !slices.Equal(routes[0].Named, []int{8080}) {
		t.Errorf("routes %+v", routes)
	}
	view, _ := w.s.View(w.now).Service(fleet.ServiceKey{Project: "shop", Name: "api"})
	if want := []string{"http shop.example:443/api -> 8080"}; !slices.Equal(view.Offers, want) {
		t.Errorf("offers %q", view.Offers)
	}
}

func TestOffers(t *testing.T) {
	secured := map[int][]string{443: {"a"}}
	for _, test := range []struct {
		route fleet.Route
		want  string
	}{
		{fleet.Route{Protocol: fleet.ProtocolTCP}, "tcp 192.0.2.1:443 -> 80"},
		{fleet.Route{Protocol: fleet.ProtocolTCP, Certificates: secured}, "tls 192.0.2.1:443 -> 80"},
		{fleet.Route{Protocol: fleet.ProtocolGRPC, Certificates: secured, Paths: []string{"/a"}}, "grpcs 192.0.2.1:443/a -> 80"},
		{fleet.Route{Protocol: fleet.ProtocolHTTP, Certificates: secured, Hosts: []string{"*.a", "a"}}, "https *.a:443 -> 80, https a:443 -> 80"},
	} {
		test.route.Target, test.route.Listen = 80, []int{443}
		if got := strings.Join(offer(test.route, "192.0.2.1", 443), ", "); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}
