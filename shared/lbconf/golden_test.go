package lbconf

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// everySetting differs from DefaultGlobal in all of it.
func everySetting() Global {
	return Global{
		Name: "edge-2", RuntimeSocket: "/var/lib/muster/lb/haproxy.sock", Bind: []netip.Addr{netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
		MaxConn: 1000, HardStop: 2 * time.Hour, Retries: 1, Connect: 5 * time.Second, KeepAlive: 20 * time.Second, Idle: time.Minute, Tunnel: 2 * time.Hour,
		Certificates: map[string]string{"shop.example": "/run/muster/certificates/shop.example-1.pem", "other": "/run/muster/certificates/other-2.pem"},
	}
}

// everyField has all that a pool can have, and names as odd as they may be.
func everyField() fleet.Pool {
	ports := map[int]int{80: 20001, 9090: 20002}
	return fleet.Pool{
		Service: key("shop_2-x/Web.app_1-b"), Balancers: []string{"edge", "web1/edge"}, Generation: 1 << 40,
		Routes: []fleet.Route{
			{
				Target: 80, Listen: []int{80, 443, 8080}, Protocol: fleet.ProtocolHTTP, Hosts: []string{"*.shop.example", "shop.example"}, Paths: []string{"/api", "/v1/x~y"}, Named: []int{80},
				Certificates: map[int][]string{443: {"shop.example", "other"}}, Algorithm: fleet.AlgorithmLeastConn, Sticky: true, AcceptProxy: []int{8080},
				Timeouts: &fleet.Timeouts{Connect: fleet.Duration(time.Second), Request: fleet.Duration(time.Hour), Idle: fleet.Duration(7 * time.Second), Tunnel: fleet.Duration(3 * time.Hour)},
				Snippets: map[string]string{DriverHAProxy: "http-request set-header X-Shop 'a b'", DriverNginx: "add_header X-Shop \"a b\";"},
			},
			{Target: 9090, Listen: []int{9090}, Protocol: fleet.ProtocolTCP, Algorithm: fleet.AlgorithmSource, SendProxy: true},
		},
		Check: fleet.Check{
			Type: fleet.ProbeHTTP, Path: "/a~b/%7B?x=1&y=(2);z=:@*,+!", Interval: fleet.Duration(1500 * time.Microsecond), Timeout: fleet.Duration(time.Microsecond), Rise: 3, Fall: 5,
		},
		DrainTimeout: fleet.Duration(3 * time.Hour),
		Endpoints: []fleet.Endpoint{
			{Instance: "1c-1", Version: 3, Address: "10.0.0.1", Ports: ports, Weight: 1, State: fleet.EndpointReady},
			{Instance: "1c-2", Version: 2, Address: "::ffff:10.0.0.2", Ports: ports, Weight: fleet.MaxWeight, State: fleet.EndpointDraining},
			{Instance: "1c-3", Version: 1, Address: "2001:db8::2", Ports: ports, Weight: fleet.DefaultWeight, State: fleet.EndpointPreparing},
		},
		Measure: true,
	}
}

// TestEveryFieldIsInAGoldenFile: a field that is new has to be in some input
// before it is released.
func TestEveryFieldIsInAGoldenFile(t *testing.T) {
	set, all := map[string]bool{}, map[string]bool{}
	for _, input := range goldens() {
		look(reflect.ValueOf(input), "", set, all)
	}
	for field := range all {
		if !set[field] {
			t.Errorf("no input has %s", field)
		}
	}
	defaults, every := reflect.ValueOf(DefaultGlobal()), reflect.ValueOf(everySetting())
	for i := range defaults.NumField() {
		if reflect.DeepEqual(defaults.Field(i).Interface(), every.Field(i).Interface()) {
			t.Errorf("no input changes %s", defaults.Type().Field(i).Name)
		}
	}
}

// look notes which fields there are, and which are set.
func look(v reflect.Value, path string, set, all map[string]bool) {
	all[path] = true
	set[path] = set[path] || !v.IsZero()
	switch {
	case v.Type() == reflect.TypeFor[netip.Addr]():
	case v.Kind() == reflect.Pointer:
		if !v.IsNil() {
			look(v.Elem(), path, set, all)
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			look(v.Index(i), path+"[]", set, all)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			look(v.Field(i), fmt.Sprintf("%s.%s", path, v.Type().Field(i).Name), set, all)
		}
	}
}
