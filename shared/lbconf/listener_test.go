package lbconf

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

// sharing is a pool with one route on port 80.
func sharing(service string, change func(*fleet.Route)) fleet.Pool {
	pool := fleet.Pool{Service: key(service), Routes: []fleet.Route{{Target: 80, Listen: []int{80}, Protocol: fleet.ProtocolHTTP}}}
	change(&pool.Routes[0])
	return pool
}

func routed(hosts, paths string) func(*fleet.Route) {
	return func(r *fleet.Route) { r.Hosts, r.Paths = strings.Fields(hosts), strings.Fields(paths) }
}

func TestListenersInTheOrderInWhichTheyAreAsked(t *testing.T) {
	listeners, err := Listeners([]fleet.Pool{
		sharing("a/any", routed("", "")),
		sharing("a/api", routed("", "/api")),
		sharing("a/below", routed("*.example *.shop.example", "")),
		sharing("a/deep", routed("shop.example", "/api/v1")),
		sharing("a/shop", routed("shop.example www.shop.example", "/api")),
	})
	if err != nil || len(listeners) != 1 || !listeners[0].Shared {
		t.Fatalf("%+v, %v", listeners, err)
	}
	var got []string
	for _, m := range listeners[0].Matches {
		got = append(got, m.Host+m.Path+"="+m.Pool.Service.Name)
	}
	want := "www.shop.example/api=shop shop.example/api/v1=deep shop.example/api=shop *.shop.example=below *.example=below /api=api =any"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
	got = nil
	for _, s := range listeners[0].Servers() {
		line := s.Host + ":"
		for _, m := range s.Matches {
			line += fmt.Sprintf(" %s=%s", m.Path, m.Pool.Service.Name)
		}
		got = append(got, line)
	}
	wantServers := []string{
		"www.shop.example: /api=shop =below", "shop.example: /api/v1=deep /api=shop =below", "*.shop.example: =below", "*.example: =below", ": /api=api =any",
	}
	if !slices.Equal(got, wantServers) {
		t.Errorf("got  %q\nwant %q", got, wantServers)
	}
}

func TestWhatCanNotShareAPort(t *testing.T) {
	secured := func(r *fleet.Route) { r.Hosts, r.Certificates = []string{"b.example"}, map[int][]string{80: {"b"}} }
	for name, other := range map[string]func(*fleet.Route){
		"port 80 belongs to a/web already, and only http and grpc share a port":               func(r *fleet.Route) { r.Protocol = fleet.ProtocolTCP },
		"port 80 belongs to a/web already, and http and grpc share a port with TLS only":      func(r *fleet.Route) { r.Protocol, r.Hosts = fleet.ProtocolGRPC, []string{"b.example"} },
		"port 80 belongs to a/web already, and a port has TLS for all or for none":            secured,
		"port 80 belongs to a/web already, and one of them has it for its name alone":         func(r *fleet.Route) { r.Hosts, r.Named = []string{"b.example"}, []int{80} },
		"port 80 belongs to a/web already, and a port has the PROXY protocol for all or none": nil,
		"a.example/x on port 80 belongs to a/web already":                                     routed("a.example b.example", "/x"),
	} {
		if other == nil {
			name = strings.Replace(name, "or none", "or for none", 1)
			other = func(r *fleet.Route) { r.Hosts, r.AcceptProxy = []string{"b.example"}, []int{80} }
		}
		_, err := Listeners([]fleet.Pool{sharing("a/web", routed("a.example", "/x")), sharing("b/web", other)})
		if fleet.CodeOf(err) != fleet.CodeConflict || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	both, err := Listeners([]fleet.Pool{sharing("a/web", secured), sharing("b/web", func(r *fleet.Route) {
		r.Protocol, r.Paths, r.Certificates = fleet.ProtocolGRPC, []string{"/shop.Rank"}, map[int][]string{80: {"c", "b"}}
	})})
	if err != nil || !slices.Equal(both[0].Certificates, []string{"b", "c"}) {
		t.Errorf("http and grpc with TLS: %+v, %v", both, err)
	}
}

func TestServes(t *testing.T) {
	route := func(hosts, paths string) *fleet.Route {
		r := sharing("a/web", routed(hosts, paths)).Routes[0]
		return &r
	}
	for _, c := range []struct {
		was, now *fleet.Route
		want     bool
	}{
		{route("", ""), route("a.example", "/x"), true},
		{route("a.example", ""), route("", ""), false},
		{route("*.example", "/x"), route("a.example", "/x/y"), true},
		{route("*.example", "/x"), route("a.example", "/xy"), false},
		{route("", "/x"), route("", "/x /y"), false},
		{&fleet.Route{Listen: []int{81}}, route("", ""), false},
	} {
		if Serves(80, c.was, c.now) != c.want {
			t.Errorf("%+v serves %+v: want %v", c.was, c.now, c.want)
		}
	}
}

func TestOddRoutes(t *testing.T) {
	for name, change := range map[string]func(*fleet.Route){
		"a host in capitals":       routed("Shop.example", ""),
		"a host with a port":       routed("shop.example:80", ""),
		"a wildcard within":        routed("a.*.example", ""),
		"hosts out of order":       routed("b.example a.example", ""),
		"a host twice":             routed("a.example a.example", ""),
		"a path with a blank":      func(r *fleet.Route) { r.Paths = []string{"/a b"} },
		"a path that ends with /":  routed("", "/a/"),
		"the root as a path":       routed("", "/"),
		"a path that leads up":     routed("", "/a/../b"),
		"a path with a quote":      routed("", `/a"`),
		"an encoded path":          routed("", "/%61"),
		"a name without names":     func(r *fleet.Route) { r.Named = []int{80} },
		"TLS where nobody listens": func(r *fleet.Route) { r.Certificates = map[int][]string{443: {"a"}} },
		"TLS without certificates": func(r *fleet.Route) { r.Certificates = map[int][]string{80: nil} },
		"a certificate elsewhere":  func(r *fleet.Route) { r.Certificates = map[int][]string{80: {"../a"}} },
		"an odd algorithm":         func(r *fleet.Route) { r.Algorithm = "random" },
		"a sticky one of tcp":      func(r *fleet.Route) { r.Protocol, r.Sticky = fleet.ProtocolTCP, true },
		"PROXY to http":            func(r *fleet.Route) { r.SendProxy = true },
		"PROXY where nobody is":    func(r *fleet.Route) { r.AcceptProxy = []int{81} },
		"a negative timeout":       func(r *fleet.Route) { r.Timeouts = &fleet.Timeouts{Idle: -1} },
		"a timeout of a month":     func(r *fleet.Route) { r.Timeouts = &fleet.Timeouts{Tunnel: fleet.Duration(31 * 24 * 3600e9)} },
		"an odd snippet":           func(r *fleet.Route) { r.Snippets = map[string]string{DriverHAProxy: "backend x"} },
		"hosts of tcp":             func(r *fleet.Route) { r.Protocol, r.Hosts = fleet.ProtocolTCP, []string{"a.example"} },
	} {
		pool := sharing("a/web", change)
		if err := ValidatePool(pool); fleet.CodeOf(err) != fleet.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := ValidatePool(everyField()); err != nil {
		t.Error(err)
	}
}
