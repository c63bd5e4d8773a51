package lbconf

import (
	"bytes"
	"fmt"
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

const oldNginx, newNginx = 0, 1

// nginxGlobal is that of a nginx of Debian 12, or of one that keeps clients.
func nginxGlobal(age int) NginxGlobal {
	g := DefaultNginx()
	g.Name, g.Dir, g.User = "edge", "/run/muster/lb", "www-data"
	g.Stream = "/usr/lib/nginx/modules/ngx_stream_module.so"
	g.Version = []NginxVersion{{1, 22, 1}, {1, 30, 6}}[age]
	return g
}

// nginxGoldens are the inputs of the files in testdata that end with ".conf":
// those of HAProxy's, and what only nginx is told.
func nginxGoldens() map[string]NginxInput {
	all := map[string]NginxInput{}
	for name, input := range goldens() {
		all[name] = NginxInput{Global: nginxGlobal(oldNginx), Pools: input.Pools}
		if len(input.Global.Certificates) > 0 {
			all[name] = NginxInput{Global: nginxGlobal(oldNginx), Pools: input.Pools, Certificates: nginxCertificates()}
		}
	}
	every := everySetting()
	tuned := nginxGlobal(newNginx)
	tuned.Bind, tuned.MaxConn, tuned.HardStop, tuned.Retries, tuned.LogDir = every.Bind, every.MaxConn, every.HardStop, every.Retries, "/run/muster/log"
	tuned.Connect, tuned.KeepAlive, tuned.Idle, tuned.Tunnel = every.Connect, every.KeepAlive, every.Idle, every.Tunnel
	all["everything"] = NginxInput{Global: tuned, Pools: []fleet.Pool{everyField()}, Certificates: nginxCertificates()}
	down := web()
	down.Measure = true
	all["down"] = NginxInput{Global: nginxGlobal(newNginx), Pools: []fleet.Pool{down}, Down: []ServerName{{down.Service, 80, "b2"}}}
	none := nginxGlobal(oldNginx)
	none.Retries = 0
	all["no-retries-tuned"] = NginxInput{Global: none, Pools: []fleet.Pool{web()}}
	all["shared"] = NginxInput{Global: nginxGlobal(oldNginx), Pools: sharedPort()}
	return all
}

func nginxCertificates() map[string]NginxCertificate {
	return map[string]NginxCertificate{
		"shop.example": {Path: "/run/muster/lb/a.pem", Names: []string{"shop.example", "*.shop.example"}},
		"other":        {Path: "/run/muster/lb/b.pem", Names: []string{"other.example"}},
	}
}

// sharedPort are two services on one port, by host name and path.
func sharedPort() []fleet.Pool {
	api := web()
	api.Service, api.Routes[0].Paths = key("shop/api"), []string{"/api", "/v1.0"}
	site := web()
	site.Routes = []fleet.Route{{Target: 80, Listen: []int{8080}, Protocol: fleet.ProtocolHTTP, Hosts: []string{"*.shop.example", "shop.example"}}}
	site.Endpoints = slices.Clone(site.Endpoints)
	return []fleet.Pool{api, site}
}

func TestNginxGolden(t *testing.T) {
	for name, input := range nginxGoldens() {
		t.Run(name, func(t *testing.T) {
			got, err := Nginx(input)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".conf")
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
			pools, err := Pools(got)
			if err != nil || !reflect.DeepEqual(pools, input.Pools) {
				t.Errorf("the seal holds %+v, %v", pools, err)
			}
			if down, err := NginxDown(got); err != nil || !slices.Equal(down, input.Down) {
				t.Errorf("the file has %+v down, %v", down, err)
			}
			if told := NginxTells(got); told != NginxStructure(input) {
				t.Errorf("the file tells the structure %q", told)
			}
			input.Global.Version = installed(t)
			acceptable(t, input)
		})
	}
}

// installed is the version of this machine's nginx.
func installed(t *testing.T) NginxVersion {
	t.Helper()
	output, err := exec.Command("nginx", "-v").CombinedOutput()
	version, ok := ParseNginxVersion(string(output))
	if err != nil || !ok {
		t.Fatalf("%v\n%s", err, output)
	}
	return version
}

// acceptable has this machine's nginx look at a file, in a directory where it
// may be run.
func acceptable(t *testing.T, input NginxInput) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "temp"), 0o700); err != nil {
		t.Fatal(err)
	}
	input.Global.Dir, input.Global.User, input.Global.Bind = dir, "", nil
	for name := range input.Certificates {
		certificate := input.Certificates[name]
		certificate.Path = filepath.Join(dir, name+".pem")
		input.Certificates[name] = certificate
		output, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x",
			"-keyout", certificate.Path, "-out", certificate.Path+".crt").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		chain, err := os.ReadFile(certificate.Path + ".crt")
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.OpenFile(certificate.Path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.Write(chain); err != nil {
			t.Fatal(err)
		}
		file.Close()
	}
	text, err := Nginx(input)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command("nginx", "-t", "-q", "-c", path, "-p", dir, "-e", filepath.Join(dir, "error.log")).CombinedOutput()
	if err != nil || len(output) > 0 {
		t.Errorf("nginx says: %v\n%s", err, output)
	}
}

func TestNginxVersions(t *testing.T) {
	for text, want := range map[string]NginxVersion{
		"nginx version: nginx/1.22.1":               {1, 22, 1},
		"nginx version: nginx/1.30.6\nbuilt with x": {1, 30, 6},
		"nginx version: nginx/1.18.0 (Ubuntu)":      {1, 18, 0},
	} {
		if got, ok := ParseNginxVersion(text); !ok || got != want {
			t.Errorf("%q is %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "nginx/", "nginx/1.2", "nginx/1.a.3", "openresty/1.2.3", "nginx/1.-2.3"} {
		if got, ok := ParseNginxVersion(text); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
	if v := (NginxVersion{1, 22, 1}); !v.AtLeast(NginxOldest) || v.AtLeast(NginxKeepsClients) || !v.AtLeast(v) || v.String() != "1.22.1" {
		t.Errorf("%s compares wrongly", v)
	}
}

// TestNginxStructure: what nginx needs not know changes nothing.
func TestNginxStructure(t *testing.T) {
	input := func(change func(*NginxInput)) string {
		in := NginxInput{Global: nginxGlobal(oldNginx), Pools: []fleet.Pool{web()}}
		change(&in)
		return NginxStructure(in)
	}
	same := input(func(*NginxInput) {})
	for name, change := range map[string]func(*NginxInput){
		"a generation": func(in *NginxInput) { in.Pools[0].Generation++ },
		"a check":      func(in *NginxInput) { in.Pools[0].Check.Interval = fleet.Duration(time.Minute) },
		"a newcomer": func(in *NginxInput) {
			e := in.Pools[0].Endpoints[0]
			e.Instance, e.State = "c3", fleet.EndpointDraining
			in.Pools[0].Endpoints = append(in.Pools[0].Endpoints, e)
		},
		"haproxy's snippet": func(in *NginxInput) {
			in.Pools[0].Routes[0].Snippets = map[string]string{DriverHAProxy: "acl a always_true"}
		},
	} {
		if input(change) != same {
			t.Errorf("%s needs a reload", name)
		}
	}
	for name, change := range map[string]func(*NginxInput){
		"a weight":         func(in *NginxInput) { in.Pools[0].Endpoints[0].Weight++ },
		"a state":          func(in *NginxInput) { in.Pools[0].Endpoints[0].State = fleet.EndpointDraining },
		"one that is down": func(in *NginxInput) { in.Down = []ServerName{{key("shop/web"), 80, "a1"}} },
		"a port":           func(in *NginxInput) { in.Pools[0].Routes[0].Listen = []int{9} },
		"counting":         func(in *NginxInput) { in.Pools[0].Measure = true },
		"a longer drain":   func(in *NginxInput) { in.Pools[0].DrainTimeout = fleet.Duration(time.Hour) },
		"a snippet":        func(in *NginxInput) { in.Pools[0].Routes[0].Snippets = map[string]string{DriverNginx: "etag off;"} },
	} {
		if input(change) == same {
			t.Errorf("%s needs no reload", name)
		}
	}
}

// TestASnippetCountsInsteadOfOurs: nginx refuses a directive that is there twice.
func TestASnippetCountsInsteadOfOurs(t *testing.T) {
	pool := web()
	pool.Routes[0].Timeouts = &fleet.Timeouts{Request: fleet.Duration(time.Minute)}
	pool.Routes[0].Snippets = map[string]string{DriverNginx: "proxy_read_timeout 5s;\nproxy_set_header HOST inside; # note\nif ($a) { set $b c; }"}
	text, err := Nginx(NginxInput{Global: nginxGlobal(oldNginx), Pools: []fleet.Pool{pool}})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "proxy_set_header Host ") || strings.Contains(string(text), fmt.Sprintf("            proxy_read_timeout %s;", nginxTime(time.Minute))) {
		t.Errorf("both are there:\n%s", text)
	}
}

// TestNamesOfServersAreApart: nginx doesn't tell upper from lower case.
func TestNamesOfServersAreApart(t *testing.T) {
	seen := map[string]string{}
	for _, service := range []string{"a/b", "a/B", "a/b.x", "a/b_2ex", "a-x/b", "a_x/b", "a_2d_x/b"} {
		name := strings.ToLower(NginxUpstream(key(service), 80))
		if other, taken := seen[name]; taken {
			t.Errorf("%s and %s are both %s", service, other, name)
		}
		seen[name] = service
	}
}
