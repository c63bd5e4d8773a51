package lbconf

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

var update = flag.Bool("update", false, "write the golden files anew")

func global() Global {
	g := DefaultGlobal()
	g.Name = "edge"
	g.RuntimeSocket = "/run/muster/lb/haproxy.sock"
	return g
}

func key(text string) fleet.ServiceKey {
	k, err := fleet.ParseServiceKey(text)
	if err != nil {
		panic(err)
	}
	return k
}

func web() fleet.Pool {
	return fleet.Pool{
		Service:    key("shop/web"),
		Generation: 7,
		Routes:     []fleet.Route{{Target: 80, Listen: []int{8080}, Protocol: fleet.ProtocolHTTP}},
		Check:      fleet.Check{Type: fleet.ProbeHTTP, Path: "/health?deep=1"},
		Endpoints: []fleet.Endpoint{
			{Instance: "a1", Version: 1, Address: "10.0.0.1", Ports: map[int]int{80: 32001}, Weight: 128, State: fleet.EndpointReady},
			{Instance: "b2", Version: 2, Address: "10.0.0.2", Ports: map[int]int{80: 32002}, Weight: 6, State: fleet.EndpointReady},
		},
	}
}

// goldens are the inputs of the files in testdata.
func goldens() map[string]Input {
	db := fleet.Pool{
		Service:      key("shop/db.main"),
		Generation:   9,
		Routes:       []fleet.Route{{Target: 5432, Listen: []int{5432, 15432}, Protocol: fleet.ProtocolTCP}},
		Check:        fleet.Check{Type: fleet.ProbeTCP, Interval: fleet.Duration(500 * time.Millisecond), Timeout: fleet.Duration(2 * time.Second), Rise: 2, Fall: 3},
		DrainTimeout: fleet.Duration(10 * time.Minute),
		Endpoints:    []fleet.Endpoint{{Instance: "d1", Address: "fd00::1", Ports: map[int]int{5432: 32010}, Weight: 256, State: fleet.EndpointReady}},
	}
	states := web()
	states.Endpoints[0].State = fleet.EndpointDraining
	states.Endpoints[1].State = fleet.EndpointPreparing
	mixed := web()
	mixed.Routes = append(mixed.Routes, fleet.Route{Target: 9000, Listen: []int{9000}, Protocol: fleet.ProtocolTCP})
	for i := range mixed.Endpoints {
		mixed.Endpoints[i].Ports[9000] = 33000 + i
	}
	tcpChecked := web()
	tcpChecked.Routes[0].Protocol = fleet.ProtocolTCP
	ports := mixed // b2 is of a version that publishes another port, c3 of one that publishes none
	ports.Endpoints = slices.Clone(mixed.Endpoints)
	ports.Endpoints[0].Ports = map[int]int{80: 32001, 9000: 33000}
	ports.Endpoints[1].Ports = map[int]int{9000: 33001}
	ports.Endpoints = append(ports.Endpoints, fleet.Endpoint{Instance: "c3", Address: "10.0.0.3", Weight: 128, State: fleet.EndpointReady})
	called := web()
	called.Routes = append(called.Routes, fleet.Route{Target: 9000, Listen: []int{9000}, Protocol: fleet.ProtocolGRPC})
	called.Endpoints[1].Ports[9000] = 33001 // a1 is of a version without gRPC
	gone := web()
	gone.Removed = true
	tuned := global()
	tuned.Retries, tuned.MaxConn = 0, 500
	tuned.Bind = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::1")}

	sticky := states
	sticky.Routes = slices.Clone(states.Routes)
	sticky.Routes[0].Sticky, sticky.Routes[0].Algorithm = true, fleet.AlgorithmLeastConn
	secured := global()
	secured.Certificates = map[string]string{"shop.example": "/run/muster/certificates/shop.example-1.pem", "other": "/run/muster/certificates/other-2.pem"}

	return map[string]Input{
		"sticky":           {Global: global(), Pools: []fleet.Pool{sticky}},
		"shared":           {Global: secured, Pools: sharedPorts()},
		"tls":              {Global: secured, Pools: []fleet.Pool{encrypted()}},
		"empty":            {Global: global()},
		"http":             {Global: global(), Pools: []fleet.Pool{web()}},
		"two-services":     {Global: global(), Pools: []fleet.Pool{db, web()}},
		"states":           {Global: global(), Pools: []fleet.Pool{states}},
		"http-and-tcp":     {Global: global(), Pools: []fleet.Pool{mixed}},
		"ports-differ":     {Global: global(), Pools: []fleet.Pool{ports}},
		"tcp-http-check":   {Global: global(), Pools: []fleet.Pool{tcpChecked}},
		"http-and-grpc":    {Global: global(), Pools: []fleet.Pool{called}},
		"removed":          {Global: global(), Pools: []fleet.Pool{gone}},
		"no-retries-tuned": {Global: tuned, Pools: []fleet.Pool{web()}},
		"everything":       {Global: everySetting(), Pools: []fleet.Pool{everyField()}},
	}
}

// sharedPorts are services on the same ports by host name and path.
func sharedPorts() []fleet.Pool {
	tls := map[int][]string{443: {"shop.example"}}
	route := func(service string, route fleet.Route) fleet.Pool {
		return fleet.Pool{
			Service: key(service), Routes: []fleet.Route{route},
			Endpoints: []fleet.Endpoint{{Instance: "a1", Address: "10.0.0.1", Ports: map[int]int{route.Target: 32001}, Weight: 128, State: fleet.EndpointReady}},
		}
	}
	return []fleet.Pool{
		route("blog/any", fleet.Route{Target: 80, Listen: []int{80}, Protocol: fleet.ProtocolHTTP}),
		route("shop/api", fleet.Route{
			Target: 8080, Listen: []int{80, 443, 8080}, Protocol: fleet.ProtocolHTTP, Hosts: []string{"*.shop.example", "shop.example"}, Paths: []string{"/api", "/v1/x~y"},
			Named: []int{8080}, Certificates: tls, Timeouts: &fleet.Timeouts{Request: fleet.Duration(time.Hour), Idle: fleet.Duration(time.Minute)},
		}),
		route("shop/rank", fleet.Route{Target: 9000, Listen: []int{443}, Protocol: fleet.ProtocolGRPC, Paths: []string{"/shop.Rank"}, Certificates: map[int][]string{443: {"other"}}}),
		route("shop/web", fleet.Route{Target: 80, Listen: []int{80, 443}, Protocol: fleet.ProtocolHTTP, Hosts: []string{"shop.example"}, Certificates: tls}),
	}
}

// encrypted has TLS and the PROXY protocol wherever they can be.
func encrypted() fleet.Pool {
	tls := map[int][]string{443: {"shop.example", "other"}}
	pool := web()
	pool.Routes = []fleet.Route{
		{Target: 80, Listen: []int{80, 443}, Protocol: fleet.ProtocolHTTP, Certificates: tls, AcceptProxy: []int{80, 443}},
		{Target: 90, Listen: []int{90}, Protocol: fleet.ProtocolGRPC, Certificates: map[int][]string{90: {"other"}}, AcceptProxy: []int{90}},
		{Target: 91, Listen: []int{91, 92}, Protocol: fleet.ProtocolTCP, Certificates: map[int][]string{91: {"other"}}, SendProxy: true, AcceptProxy: []int{92}, Algorithm: fleet.AlgorithmSource},
	}
	for i := range pool.Endpoints {
		pool.Endpoints[i].Ports = map[int]int{80: 32001, 90: 32002, 91: 32003}
	}
	return pool
}

// onDisk is a golden file whose certificates are there.
func onDisk(t *testing.T, golden string) string {
	t.Helper()
	content, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, name := range []string{"shop.example-1.pem", "other-2.pem"} {
		if err := os.WriteFile(filepath.Join(folder, name), selfSigned(t), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(folder, "haproxy.cfg")
	if err := os.WriteFile(path, bytes.ReplaceAll(content, []byte("/run/muster/certificates"), []byte(folder)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func selfSigned(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"shop.example"}}
	chain, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
}

func TestHAProxyGolden(t *testing.T) {
	for name, input := range goldens() {
		t.Run(name, func(t *testing.T) {
			got, err := HAProxy(input)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".cfg")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("rendered:\n%s", got)
			}
			output, err := exec.Command("haproxy", "-c", "-f", onDisk(t, path)).CombinedOutput()
			if err != nil || strings.Contains(string(output), "WARNING") {
				t.Errorf("haproxy says: %v\n%s", err, output)
			}
			pools, err := Pools(got)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(pools, input.Pools) {
				t.Errorf("the seal holds %+v", pools)
			}
		})
	}
}

func TestWhatCanNotBeRendered(t *testing.T) {
	cases := map[string]func(*fleet.Pool){
		"a path with a line":    func(p *fleet.Pool) { p.Check.Path = "/a\nserver x 1.2.3.4:5" },
		"a path with a blank":   func(p *fleet.Pool) { p.Check.Path = "/a HTTP/1.1" },
		"a path with a quote":   func(p *fleet.Pool) { p.Check.Path = `/"` },
		"a path with a comment": func(p *fleet.Pool) { p.Check.Path = "/#" },
		"a path with variables": func(p *fleet.Pool) { p.Check.Path = "/$HOME" },
		"a relative path":       func(p *fleet.Pool) { p.Check.Path = "health" },
		"an unknown check":      func(p *fleet.Pool) { p.Check.Type = "icmp" },
		"a negative interval":   func(p *fleet.Pool) { p.Check.Interval = -1 },
		"an unknown protocol":   func(p *fleet.Pool) { p.Routes[0].Protocol = "udp" },
		"no port":               func(p *fleet.Pool) { p.Routes[0].Listen = []int{0} },
		"a port too high":       func(p *fleet.Pool) { p.Routes[0].Target = 65536 },
		"a target twice":        func(p *fleet.Pool) { p.Routes = append(p.Routes, p.Routes[0]) },
		"a port twice":          func(p *fleet.Pool) { p.Routes[0].Listen = []int{80, 80} },
		"a name for an address": func(p *fleet.Pool) { p.Endpoints[0].Address = "web1" },
		"an address with zone":  func(p *fleet.Pool) { p.Endpoints[0].Address = "fe80::1%eth0" },
		"an odd instance":       func(p *fleet.Pool) { p.Endpoints[0].Instance = "a b" },
		"an instance twice":     func(p *fleet.Pool) { p.Endpoints[1].Instance = "a1" },
		"no weight":             func(p *fleet.Pool) { p.Endpoints[0].Weight = 0 },
		"a weight too high":     func(p *fleet.Pool) { p.Endpoints[0].Weight = 257 },
		"an unknown state":      func(p *fleet.Pool) { p.Endpoints[0].State = "gone" },
		"a host port too high":  func(p *fleet.Pool) { p.Endpoints[0].Ports[80] = 65536 },
		"a negative host port":  func(p *fleet.Pool) { p.Endpoints[0].Ports[80] = -1 },
		"an odd service":        func(p *fleet.Pool) { p.Service.Name = "web\nglobal" },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			pool := web()
			spoil(&pool)
			if out, err := HAProxy(Input{Global: global(), Pools: []fleet.Pool{pool}}); err == nil {
				t.Errorf("rendered:\n%s", out)
			}
		})
	}
	other := web()
	other.Service = key("shop/other")
	if _, err := HAProxy(Input{Global: global(), Pools: []fleet.Pool{other, web()}}); err == nil {
		t.Error("two services on one port were rendered")
	}
	odd := global()
	odd.RuntimeSocket = "/run/a b"
	if _, err := HAProxy(Input{Global: odd}); err == nil {
		t.Error("a socket with a blank was rendered")
	}
}

func TestSoundLeavesOutWhatIsWrong(t *testing.T) {
	pool := web()
	if sound, problem := Sound(pool); problem != nil || !reflect.DeepEqual(sound, pool) {
		t.Errorf("a good pool became %+v: %v", sound, problem)
	}
	pool.Endpoints[0].Address = "web1"
	sound, problem := Sound(pool)
	if len(sound.Endpoints) != 1 || sound.Endpoints[0].Instance != "b2" || len(pool.Endpoints) != 2 {
		t.Errorf("left: %+v", sound.Endpoints)
	}
	if problem == nil || !strings.Contains(problem.Error(), `endpoint a1: "web1" is not an IP address`) {
		t.Errorf("it says %v", problem)
	}
	pool.Endpoints = append(pool.Endpoints, pool.Endpoints[1])
	sound, problem = Sound(pool)
	if len(sound.Endpoints) != 1 || problem == nil || !strings.Contains(problem.Error(), "2 endpoints are wrong") {
		t.Errorf("left: %+v, %v", sound.Endpoints, problem)
	}
	if err := ValidatePool(pool); err == nil {
		t.Error("a pool with wrong endpoints is valid")
	}
}

func TestAChangedFileIsForeign(t *testing.T) {
	ours, err := HAProxy(Input{Global: global(), Pools: []fleet.Pool{web()}})
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{
		"none of ours":    []byte("global\n"),
		"empty":           nil,
		"a line added":    append(bytes.Clone(ours), "# x\n"...),
		"a weight edited": bytes.Replace(ours, []byte("weight 128"), []byte("weight 1"), 1),
		"cut off":         ours[:len(ours)-1],
		"only the notice": []byte(notice),
	} {
		if _, err := Pools(file); err != ErrForeign {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStructureFollowsOnlyWhatNeedsAReload(t *testing.T) {
	base := Structure(Input{Global: global(), Pools: []fleet.Pool{web()}})
	same := web()
	same.Generation, same.Endpoints, same.DrainTimeout, same.Measure = 8, nil, fleet.Duration(time.Second), true
	if Structure(Input{Global: global(), Pools: []fleet.Pool{same}}) != base || !SameSection(web(), same) {
		t.Error("endpoints, a drain timeout that isn't the longest, or that it is measured need a reload")
	}
	longest, gone := web(), web()
	longest.DrainTimeout = fleet.Duration(time.Hour)
	if Structure(Input{Global: global(), Pools: []fleet.Pool{longest}}) == base {
		t.Error("an old worker ends before the longest drain does")
	}
	longest.Removed, gone.Removed = true, true
	if Structure(Input{Global: global(), Pools: []fleet.Pool{longest}}) != Structure(Input{Global: global()}) ||
		Structure(Input{Global: global(), Pools: []fleet.Pool{gone}}) != Structure(Input{Global: global()}) {
		t.Error("to forget a removed pool needs a reload")
	}
	for name, change := range map[string]func(*fleet.Pool){
		"service":  func(p *fleet.Pool) { p.Service.Name = "x" },
		"removed":  func(p *fleet.Pool) { p.Removed = true },
		"target":   func(p *fleet.Pool) { p.Routes[0].Target = 81 },
		"listen":   func(p *fleet.Pool) { p.Routes[0].Listen = []int{1, 2} },
		"protocol": func(p *fleet.Pool) { p.Routes[0].Protocol = fleet.ProtocolTCP },
		"type":     func(p *fleet.Pool) { p.Check.Type = fleet.ProbeTCP },
		"path":     func(p *fleet.Pool) { p.Check.Path = "/" },
		"interval": func(p *fleet.Pool) { p.Check.Interval = 1 },
		"timeout":  func(p *fleet.Pool) { p.Check.Timeout = 1 },
		"rise":     func(p *fleet.Pool) { p.Check.Rise = 9 },
		"fall":     func(p *fleet.Pool) { p.Check.Fall = 9 },
	} {
		pool := web()
		change(&pool)
		if Structure(Input{Global: global(), Pools: []fleet.Pool{pool}}) == base {
			t.Errorf("%s: the structure is the same", name)
		}
		if name != "service" && SameSection(web(), pool) {
			t.Errorf("%s: the section is the same", name)
		}
	}
	if n := reflect.TypeFor[fleet.Check]().NumField(); n != 6 {
		t.Errorf("a check has %d fields: Structure and SameSection know 6", n)
	}
}

func TestEverySettingNeedsAReload(t *testing.T) {
	pools := []fleet.Pool{encrypted()}
	base := Structure(Input{Global: global(), Pools: pools})
	for i := range reflect.TypeFor[Global]().NumField() {
		g := global()
		switch field := reflect.ValueOf(&g).Elem().Field(i); field.Kind() {
		case reflect.String:
			field.SetString("/other")
		case reflect.Int, reflect.Int64:
			field.SetInt(field.Int() + int64(time.Minute))
		case reflect.Map:
			field.Set(reflect.ValueOf(map[string]string{"other": "/other.pem"}))
		default:
			field.Set(reflect.ValueOf([]netip.Addr{netip.MustParseAddr("192.0.2.1")}))
		}
		if Structure(Input{Global: g, Pools: pools}) == base {
			t.Errorf("%s: the structure is the same", reflect.TypeFor[Global]().Field(i).Name)
		}
	}
}

func TestNames(t *testing.T) {
	name := BackendName(key("a_b/C.d-e"), 80)
	kind, service, port, ok := ParseName(name)
	if !ok || kind != 'b' || service != key("a_b/C.d-e") || port != 80 {
		t.Error(name, kind, service, port, ok)
	}
	for _, odd := range []string{"", "GLOBAL", "x:a:b:1", "b:a:b", "b:a:b:x", "b:a:b:c:1"} {
		if _, _, _, ok := ParseName(odd); ok {
			t.Errorf("%q was read", odd)
		}
	}
	if a, b := GenerationVar(key("a/b-c")), GenerationVar(key("a-b/c")); a == b || a != "proc.muster_gen_a_2fb_2dc" {
		t.Error(a, b)
	}
}
