package turn

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// onPorts is a service that balancers offer: container ports and the listener
// of each.
func onPorts(key string, listen map[int]int, balancers ...string) fleet.Service {
	s := webService(1, "web:1")
	s.Key = must(fleet.ParseServiceKey(key))
	s.Spec.Publish = nil
	s.Balancing = &fleet.Balancing{Balancers: balancers}
	for _, target := range slices.Sorted(maps.Keys(listen)) {
		s.Spec.Publish = append(s.Spec.Publish, fleet.Publish{Target: target, Protocol: "tcp"})
		s.Balancing.Routes = append(s.Balancing.Routes, fleet.Route{Target: target, Listen: []int{listen[target]}, Protocol: fleet.ProtocolHTTP})
	}
	return s
}

// onFixed is a service that has a port of its host, which may not be not.
func onFixed(key string, port int, protocol, not string) fleet.Service {
	s := webService(1, "dns:1")
	s.Key, s.Balancing = must(fleet.ParseServiceKey(key)), nil
	s.Spec.Publish = []fleet.Publish{{Target: 9, Protocol: protocol, HostPort: port}}
	s.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Value: not}}
	return s
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// applyAll applies one project's services.
func (w *world) applyAll(services ...fleet.Service) Reply {
	w.t.Helper()
	return w.order(fleet.Command{Do: fleet.DoApply, Project: services[0].Key.Project, Services: services})
}

// names are the name ports of all services that have one.
func (w *world) names() string {
	out := map[string][]int{}
	for key, s := range w.s.Services {
		if len(s.NamePorts) > 0 {
			out[key.String()] = s.NamePorts
		}
	}
	return fmt.Sprint(out)
}

// wantPortsOnce: no balancer is sent a port twice.
func (w *world) wantPortsOnce() {
	w.t.Helper()
	for id, h := range w.hosts {
		owner := map[int]fleet.ServiceKey{}
		for _, key := range sorted(h.pools, fleet.ServiceKey.Less) {
			for _, r := range h.pools[key].Routes {
				for _, port := range r.Listen {
					if other, taken := owner[port]; taken {
						w.t.Errorf("%s is to listen on %d for %s and for %s", id, port, other, key)
					}
					owner[port] = key
				}
			}
		}
	}
}

func TestPortsAreSharedOut(t *testing.T) {
	shop := onPorts("shop/web", map[int]int{8080: 80})
	nowhere := onFixed("blog/dns", 8080, "tcp", "web2")
	nowhere.Count = 0
	for _, test := range []struct {
		name    string
		stands  []fleet.Service
		applied []fleet.Service
		says    string // the error, or a warning
		names   string
	}{
		{"names are free", nil, []fleet.Service{shop}, "", "map[shop/web:[8080]]"},
		{"a listener is one service's", []fleet.Service{shop}, []fleet.Service{onPorts("blog/web", map[int]int{9000: 80})}, "port 80 on the balancers belongs to shop/web", ""},
		{"a listener takes a name port", []fleet.Service{shop}, []fleet.Service{onPorts("blog/web", map[int]int{9000: 8080})},
			"web:8080 of shop is no longer reachable by name: port 8080 on the balancers belongs to blog/web; use web:80", "map[blog/web:[9000]]"},
		{"a name port takes nothing", []fleet.Service{shop}, []fleet.Service{onPorts("blog/web", map[int]int{80: 9000})},
			"web:80 is not reachable by name: port 80 on the balancers belongs to shop/web; use web:9000", "map[shop/web:[8080]]"},
		{"a name port stays with who had it", []fleet.Service{shop}, []fleet.Service{onPorts("shop/a", map[int]int{8080: 81}), shop},
			"a:8080 is not reachable by name: port 8080 on the balancers belongs to shop/web; use a:81", "map[shop/web:[8080]]"},
		{"nor does a service take its own listener", nil, []fleet.Service{onPorts("shop/web", map[int]int{80: 81, 90: 80})},
			"web:80 is not reachable by name: port 80 on the balancers belongs to shop/web; use web:81", "map[shop/web:[90]]"},

		{"two balancers", []fleet.Service{onPorts("shop/web", map[int]int{8080: 80}, "web1/haproxy")},
			[]fleet.Service{onPorts("blog/web", map[int]int{8080: 80}, "web2/haproxy")}, "", "map[blog/web:[8080] shop/web:[8080]]"},
		{"two balancers in one file", nil,
			[]fleet.Service{onPorts("shop/a", map[int]int{8080: 80}, "web1/haproxy"), onPorts("shop/b", map[int]int{8080: 80}, "web2/haproxy")}, "", "map[shop/a:[8080] shop/b:[8080]]"},
		{"two in one file", nil, []fleet.Service{onPorts("shop/a", map[int]int{80: 80}), onPorts("shop/b", map[int]int{80: 80}, "web2/haproxy")}, "port 80 on the balancers belongs to shop/a", ""},
		{"a name on every host", []fleet.Service{onPorts("shop/web", map[int]int{8080: 80}, "haproxy")},
			[]fleet.Service{onPorts("blog/web", map[int]int{8080: 80}, "web2/haproxy")}, "port 80 on the balancers belongs to shop/web", ""},
		{"a balancer that may join", []fleet.Service{onPorts("shop/web", map[int]int{8080: 80}, "haproxy", "web1/edge")},
			[]fleet.Service{onPorts("blog/web", map[int]int{8080: 80}, "web9/haproxy")}, "port 80 on the balancers belongs to shop/web", ""},
		{"a listener takes a name port on one balancer", []fleet.Service{shop}, []fleet.Service{onPorts("blog/web", map[int]int{9000: 8080}, "web2/haproxy")},
			"web:8080 of shop is no longer", "map[blog/web:[9000]]"},

		{"an instance has the port", []fleet.Service{onFixed("shop/dns", 80, "tcp", "web2")}, []fleet.Service{onPorts("blog/web", map[int]int{80: 80})},
			"port 80 on web1, which has a balancer, is a fixed port of shop/dns", ""},
		{"on another balancer's host", []fleet.Service{onFixed("shop/dns", 80, "tcp", "web2")}, []fleet.Service{onPorts("blog/web", map[int]int{9000: 80}, "web2/haproxy")},
			"", "map[blog/web:[9000]]"},
		{"over udp", []fleet.Service{onFixed("shop/dns", 80, "udp", "web2")}, []fleet.Service{onPorts("blog/web", map[int]int{80: 80})}, "", "map[]"},
		{"a fixed port takes a name port", []fleet.Service{shop}, []fleet.Service{onFixed("blog/dns", 8080, "tcp", "web2")},
			"web:8080 of shop is no longer reachable by name: port 8080 on web1, which has a balancer, is a fixed port of blog/dns; use web:80", "map[]"},
		{"and keeps it", []fleet.Service{nowhere}, []fleet.Service{shop},
			"web:8080 is not reachable by name: port 8080 on web1, which has a balancer, is a fixed port of blog/dns; use web:80", "map[]"},
		{"over udp it doesn't", []fleet.Service{shop}, []fleet.Service{onFixed("blog/dns", 8080, "udp", "")}, "", "map[shop/web:[8080]]"},
		{"nor where it can't be", []fleet.Service{onPorts("shop/web", map[int]int{8080: 80}, "web2/haproxy")},
			[]fleet.Service{onFixed("blog/dns", 8080, "tcp", "web2")}, "", "map[shop/web:[8080]]"},

		{"another process has the port", nil, []fleet.Service{onPorts("shop/web", map[int]int{80: 22})}, "port 22 on web1, which has a balancer, is used by another process", ""},
		{"on another host", nil, []fleet.Service{onPorts("shop/web", map[int]int{80: 22}, "web2/haproxy")}, "", "map[shop/web:[80]]"},
		{"another process has the name", nil, []fleet.Service{onPorts("shop/web", map[int]int{22: 80})}, "web:22 is not reachable by name: port 22 on web1, which has a balancer, is used by another process; use web:80", "map[]"},
		{"what the agent saw is the balancer's", []fleet.Service{onPorts("shop/web", map[int]int{22: 80}, "web2/haproxy")},
			[]fleet.Service{onPorts("shop/web", map[int]int{80: 22}, "web2/haproxy")}, "", "map[shop/web:[80]]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").withBalancer("web2")
			w.hosts["web1"].foreign = []int{22}
			w.hosts["web3"].foreign = []int{80}
			w.join()
			for i := range test.stands {
				if reply := w.applyAll(test.stands[i]); reply.Err != nil {
					t.Fatal(reply.Err)
				}
			}
			w.pass(4 * time.Second)
			if len(test.stands) > 0 {
				w.hosts["web2"].foreign = []int{22}
				w.pass(time.Second)
			}
			before := w.names()
			reply := w.order(fleet.Command{Do: fleet.DoApply, Project: test.applied[0].Key.Project, Services: test.applied, DryRun: true})
			if w.names() != before {
				t.Fatalf("a dry run makes the names %s", w.names())
			}
			again := w.applyAll(test.applied...)
			if reply.Err != nil || again.Err != nil {
				if text := fmt.Sprint(again.Err); text != fmt.Sprint(reply.Err) || test.names != "" || !strings.Contains(text, test.says) {
					t.Errorf("got %v; in the dry run %v", text, reply.Err)
				}
				return
			}
			warnings := strings.Join(again.Result.Plan.Warnings, "\n")
			if warnings != strings.Join(reply.Result.Plan.Warnings, "\n") || test.says == "" && warnings != "" || !strings.Contains(warnings, test.says) {
				t.Errorf("it warns of %q; in the dry run of %q", warnings, reply.Result.Plan.Warnings)
			}
			w.wantPortsOnce()
			w.pass(4 * time.Second)
			if w.names() != test.names {
				t.Errorf("the names are %s", w.names())
			}
			if reply := w.applyAll(test.applied...); reply.Err != nil || reply.Result.Changed {
				t.Errorf("applied again: %+v", reply)
			}
		})
	}
}

// Who loses a name port is told by an event, and its balancers are told before
// those of the service that gets it.
func TestLostNamePortIsToldWithItsCause(t *testing.T) {
	w := newWorld(t, "web1").withBalancer("web1").join()
	w.applyAll(onPorts("shop/web", map[int]int{8080: 80}))
	w.pass(4 * time.Second)
	w.events = nil
	out := w.step(CommandIn{fleet.Command{ID: "order", Actor: "ann", Do: fleet.DoApply, Project: "blog",
		Services: []fleet.Service{onPorts("blog/web", map[int]int{9000: 8080})}}})
	e := w.events[0]
	if e.Subject != "services/shop/web" || e.Cause != "order" || e.Actor != "ann" || !strings.Contains(e.Data.Message, "web:8080 of shop is no longer reachable") {
		t.Errorf("got %+v", e)
	}
	var pools []string
	for _, p := range out.Publish {
		if strings.Contains(p.Topic, "/pools/") {
			pools = append(pools, p.Topic[strings.Index(p.Topic, "/pools/"):])
		}
	}
	if !slices.Equal(pools, []string{"/pools/shop/web", "/pools/blog/web"}) {
		t.Errorf("published %v", pools)
	}
}

// A service that goes with the order leaves its ports to the others.
func TestPrunedServiceLeavesItsPorts(t *testing.T) {
	w := newWorld(t, "web1").withBalancer("web1").join()
	w.apply(onPorts("shop/web", map[int]int{8080: 80}))
	w.pass(4 * time.Second)
	reply := w.order(fleet.Command{Do: fleet.DoApply, Project: "shop", Prune: true, Services: []fleet.Service{onPorts("shop/new", map[int]int{8080: 80})}})
	if reply.Err != nil || len(reply.Result.Plan.Warnings) > 0 {
		t.Fatalf("got %+v", reply)
	}
	w.pass(10 * time.Second)
	if w.names() != "map[shop/new:[8080]]" {
		t.Errorf("the names are %s", w.names())
	}
	w.wantPortsOnce()
}

// A fixed port of a service that is being removed comes to no other host, and
// keeps nobody from a name.
func TestRemovedServiceWantsNoPorts(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.order(fleet.Command{Do: fleet.DoHostDrain, Host: "web1"})
	w.apply(onFixed("shop/dns", 8080, "tcp", ""))
	w.pass(4 * time.Second)
	w.order(fleet.Command{Do: fleet.DoHostActivate, Host: "web1"})
	w.hosts["web2"].lingers = true
	w.order(fleet.Command{Do: fleet.DoRemove, Service: fleet.ServiceKey{Project: "shop", Name: "dns"}})
	w.pass(4 * time.Second)
	w.apply(onPorts("shop/web", map[int]int{8080: 80}))
	if len(w.s.Services) != 2 || w.names() != "map[shop/web:[8080]]" {
		t.Errorf("%d services, the names are %s", len(w.s.Services), w.names())
	}
}

func TestFixedPortsKeepOffListeners(t *testing.T) {
	listens := onPorts("shop/web", map[int]int{80: 8080})
	for _, test := range []struct {
		name  string
		hosts []string
		fixed fleet.Service
		on    string // the host; empty: none
	}{
		{"another host is free", []string{"web1", "web2"}, onFixed("shop/a", 8080, "tcp", ""), "web2"},
		{"no other is", []string{"web1"}, onFixed("shop/a", 8080, "tcp", ""), ""},
		{"a name port yields", []string{"web1"}, onFixed("shop/a", 80, "tcp", ""), "web1"},
		{"udp", []string{"web1"}, onFixed("shop/a", 8080, "udp", ""), "web1"},
	} {
		for order, services := range map[string][][]fleet.Service{
			"in one file":        {{test.fixed, listens}},
			"the listener first": {{listens}, {test.fixed}},
		} {
			t.Run(test.name+", "+order, func(t *testing.T) {
				w := newWorld(t, test.hosts...).withBalancer("web1").join()
				for _, file := range services {
					if reply := w.apply(file...); reply.Err != nil {
						t.Fatal(reply.Err)
					}
				}
				w.pass(4 * time.Second)
				v, _ := w.view().Service(test.fixed.Key)
				if test.on == "" {
					if v.State != fleet.ServiceHeld || !strings.Contains(v.Reasons[0], "port 8080 is used by the balancer, for shop/web") {
						t.Errorf("%s: %v", v.State, v.Reasons)
					}
					return
				}
				if v.State != fleet.ServiceConverged || v.Instances[0].Host != test.on {
					t.Errorf("%s: %v, %+v", v.State, v.Reasons, v.Instances)
				}
				for _, e := range w.events {
					if e.Type == fleet.EventServiceHeld {
						t.Errorf("told as held: %s", e.Data.Message)
					}
				}
			})
		}
	}
}

// A fixed port waits until the balancer has let go of it.
func TestFixedPortWaitsForTheListenerToGo(t *testing.T) {
	w := newWorld(t, "web1").withBalancer("web1").join()
	w.apply(onPorts("shop/web", map[int]int{80: 8080}), onFixed("shop/a", 8080, "tcp", ""))
	w.pass(4 * time.Second)
	key := fleet.ServiceKey{Project: "shop", Name: "a"}
	w.hosts["web1"].deaf = true
	off := onPorts("shop/web", map[int]int{80: 8080})
	off.Balancing = nil
	w.apply(off)
	w.pass(4 * time.Second)
	if v, _ := w.view().Service(key); len(v.Instances) != 0 {
		t.Fatalf("placed on %s, whose balancer still listens", v.Instances[0].Host)
	}
	w.hosts["web1"].deaf = false
	w.pass(10 * time.Second)
	if v, _ := w.view().Service(key); v.State != fleet.ServiceConverged {
		t.Errorf("%s: %v", v.State, v.Reasons)
	}
}
