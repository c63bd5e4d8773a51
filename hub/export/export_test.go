package export

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

var update = flag.Bool("update", false, "write what the tests compare with anew")

func endpoint(id string, version int, address string, port, weight int, state string) fleet.EndpointView {
	return fleet.EndpointView{
		Endpoint: fleet.Endpoint{Instance: id, Version: version, Address: address, Ports: map[int]int{8080: port, 9000: port + 1}, Weight: weight, State: state},
		Host:     "web" + id[:1],
	}
}

// services is a fleet with a bit of everything: a canary under way, states of all
// kinds, host names and paths, gRPC, TCP, one without endpoints and one on no balancer.
func services() []fleet.ExportView {
	plain := []fleet.EndpointView{endpoint("1-1", 1, "10.0.0.1", 20001, 128, fleet.EndpointReady), endpoint("2-1", 1, "fd00::2", 20002, 128, fleet.EndpointReady)}
	canary := []fleet.EndpointView{
		endpoint("1-3", 1, "10.0.0.1", 20021, 19, fleet.EndpointReady), endpoint("2-3", 1, "10.0.0.2", 20023, 19, fleet.EndpointReady),
		endpoint("3-3", 2, "10.0.0.3", 20025, 2, fleet.EndpointReady),
	}
	return []fleet.ExportView{
		{
			Service: key("blog", "none"), Offered: true, Check: fleet.Check{Type: fleet.ProbeTCP}, Endpoints: []fleet.EndpointView{},
			Routes: []fleet.Route{{Target: 80, Listen: []int{80}, Protocol: fleet.ProtocolHTTP}},
		},
		{
			Service: key("shop", "api"), Offered: true, Check: fleet.Check{Type: fleet.ProbeTCP}, Endpoints: plain,
			Routes: []fleet.Route{
				{Target: 8080, Listen: []int{50051}, Protocol: fleet.ProtocolGRPC, Algorithm: fleet.AlgorithmLeastConn},
				{Target: 9000, Listen: []int{9000}, Protocol: fleet.ProtocolTCP, SendProxy: true, Algorithm: fleet.AlgorithmSource, Timeouts: &fleet.Timeouts{Connect: fleet.Duration(time.Second), Tunnel: fleet.Duration(time.Hour)}},
			},
		},
		{
			Service: key("shop", "canary"), Offered: true, Check: fleet.Check{Type: fleet.ProbeHTTP},
			Routes: []fleet.Route{
				{Target: 8080, Listen: []int{8080}, Protocol: fleet.ProtocolHTTP},
				{Target: 9000, Listen: []int{9001}, Protocol: fleet.ProtocolTCP},
			},
			Endpoints: canary,
		},
		{
			Service: key("shop", "metrics"), Endpoints: plain[:1], Check: fleet.Check{Type: fleet.ProbeTCP},
			Routes: []fleet.Route{{Target: 8080, Listen: []int{}, Protocol: fleet.ProtocolTCP}, {Target: 9000, Listen: []int{}, Protocol: fleet.ProtocolTCP}},
		},
		{
			Service: key("shop", "web"), Offered: true,
			Check: fleet.Check{Type: fleet.ProbeHTTP, Path: "/healthz", Interval: fleet.Duration(2 * time.Second), Rise: 2, Fall: 3},
			Routes: []fleet.Route{{
				Target: 8080, Listen: []int{80, 443}, Protocol: fleet.ProtocolHTTP, Hosts: []string{"*.shop.example", "shop.example"}, Paths: []string{"/", "/api"},
				Certificates: map[int][]string{443: {"shop"}}, Sticky: true,
			}},
			Endpoints: []fleet.EndpointView{
				endpoint("1-2", 1, "10.0.0.1", 20011, 19, fleet.EndpointReady), endpoint("2-2", 1, "10.0.0.2", 20012, 19, fleet.EndpointReady),
				endpoint("3-2", 2, "10.0.0.3", 20013, 2, fleet.EndpointReady), endpoint("4-2", 1, "10.0.0.4", 20014, 128, fleet.EndpointDraining),
				endpoint("5-2", 1, "10.0.0.5", 20015, 128, fleet.EndpointParked), endpoint("6-2", 2, "10.0.0.6", 20016, 128, fleet.EndpointPreparing),
				endpoint("7-2", 1, "a-name", 20017, 128, fleet.EndpointReady), endpoint("8-2", 1, "10.0.0.8", -1, 128, fleet.EndpointReady),
			},
		},
	}
}

func key(project, name string) fleet.ServiceKey {
	return fleet.ServiceKey{Project: project, Name: name}
}

func render(t *testing.T, format string, services []fleet.ExportView) []byte {
	t.Helper()
	out, err := Render(format, services)
	if err != nil {
		t.Fatal(err)
	}
	if isJSON := json.Valid(out.Body); isJSON != (out.Type == "application/json") {
		t.Errorf("%s is said to be %s", format, out.Type)
	}
	return out.Body
}

func TestGolden(t *testing.T) {
	for _, format := range Formats() {
		for name, all := range map[string][]fleet.ExportView{"everything": services(), "nothing": nil} {
			path := filepath.Join("testdata", name+"."+format)
			got := render(t, format, all)
			if again := render(t, format, all); !bytes.Equal(got, again) {
				t.Errorf("%s differs from one time to the next", format)
			}
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %v, got\n%s", path, err, got)
			}
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	if _, err := Render("caddy", nil); err == nil || !strings.Contains(err.Error(), "haproxy, nginx, traefik, prometheus, json") {
		t.Errorf("got %v", err)
	}
}

func TestChoose(t *testing.T) {
	for want, choice := range map[string]Choice{
		"blog/none:1 shop/api:2 shop/canary:2 shop/metrics:2 shop/web:1": {},
		"shop/api:1 shop/canary:1 shop/metrics:2":                        {Project: "shop", Protocol: fleet.ProtocolTCP},
		"blog/none:1 shop/api:1 shop/canary:1 shop/web:1":                {Protocol: fleet.ProtocolHTTP},
		"shop/web:1": {Services: []fleet.ServiceKey{key("shop", "web"), key("shop", "gone")}},
		"":           {Services: []fleet.ServiceKey{key("shop", "web")}, Project: "blog"},
	} {
		before := services()
		var got []string
		for _, service := range Choose(before, choice) {
			got = append(got, service.Service.String()+":"+string(rune('0'+len(service.Routes))))
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%+v: %s, want %s", choice, text, want)
		}
		if len(before[1].Routes) != 2 || before[1].Routes[1].Target != 9000 {
			t.Error("the services that were given were changed")
		}
	}
}

// TestPriorities: as the fleet's own balancers have it.
func TestPriorities(t *testing.T) {
	order := [][2]string{
		{"www.shop.example", "/api"}, {"shop.example", "/"}, {"a.b", "/" + strings.Repeat("x", 500)},
		{"*.shop.example", "/a"}, {"*.shop.example", ""}, {"*.example", "/aaaaaaaaaaaaaaaaaaaa"}, {"", "/api/v1"}, {"", "/api"}, {"", ""},
	}
	exact := order[:3] // of one host each: no request meets two of them
	for i := range order {
		for j := i + 1; j < len(order); j++ {
			if i < len(exact) && j < len(exact) {
				continue
			}
			if a, b := priority(order[i][0], order[i][1]), priority(order[j][0], order[j][1]); a <= b {
				t.Errorf("%v has %d, %v has %d", order[i], a, order[j], b)
			}
		}
	}
}
