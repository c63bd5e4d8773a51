package compose_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/hub/compose"
	"github.com/musterhq/muster/shared/fleet"
)

func TestMapRefusesWhatIsNoDocument(t *testing.T) {
	for name, test := range map[string]struct{ document, want string }{
		"empty":         {"", "empty"},
		"list":          {"- a", "top level must be a mapping"},
		"two documents": {"name: a\n---\nname: b\n", "more than one"},
		"broken":        {"name: [", "can't be read"},
		"no name":       {"services: {a: {image: b}}", "name: a project needs a name"},
		"bad name":      {"name: Shop\nservices: {a: {image: b}}", `name: "Shop" is not a project name`},
		"no services":   {"name: shop", "services: missing"},
		"service list":  {"name: shop\nservices: [a]", "services: must be a mapping"},
		"duplicate":     {"name: shop\nname: shop", "already defined"},
		"too long":      {"name: shop\n#" + strings.Repeat("x", compose.MaxDocument), "the limit is"},
		"interpolation": {"name: shop\nservices: {a: {image: 'web:${TAG}'}}", "is not an image"},
		"aliases":       {bomb, "excessive aliasing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := compose.Map([]byte(test.document))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if code := fleet.CodeOf(err); code != fleet.CodeInvalid {
				t.Errorf("code %q", code)
			}
		})
	}
}

const bomb = `name: shop
x-a: &a [x,x,x,x,x,x,x,x,x,x]
x-b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]
x-c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]
x-d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]
x-e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]
x-f: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]
x-g: [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]
`

func TestMapReadsJSON(t *testing.T) {
	project, err := compose.Map([]byte(`{"name": "shop", "services": {"web": {"image": "nginx", "command": null,
		"ports": [{"target": 80, "published": "8080"}], "x-lb": {"listen": 8080}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	route := project.Services[0].Balancing.Routes[0]
	if route.Target != 80 || route.Protocol != fleet.ProtocolHTTP || len(route.Listen) != 1 || route.Listen[0] != 8080 {
		t.Errorf("got %+v", route)
	}
}

func TestMapRefusesTextThatIsNoNumber(t *testing.T) {
	for _, text := range []string{"", "-1", "+80", "0", "65536", "8e1", "0x50", " 80", "80.0", "99999999999999999999", "true"} {
		_, err := compose.Map([]byte("name: shop\nservices: {web: {image: nginx, x-lb: {listen: '" + text + "'}}}"))
		if err == nil || !strings.Contains(err.Error(), "services.web.x-lb.listen: must be a number from 1 to 65535, not "+text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestMapNeverDropsAnOptionOfAShortMount(t *testing.T) {
	for short, refused := range map[string]string{
		"/a:/a":              "",
		"/a:/a:ro":           "",
		"data:/d:rw,cached":  "",
		"/a:/a:rshared":      "",
		"/a:/a:Z":            "Z",
		"/a:/a:ro,z":         "z",
		"data:/d:nocopy":     "",
		"/a:/a:unheard-of":   "unheard-of",
		"data:/d:ro,subpath": "subpath",
	} {
		_, err := compose.Map([]byte("name: shop\nservices: {web: {image: nginx, volumes: ['" + short + "']}}\nvolumes: {data: }"))
		switch want := "services.web.volumes[0]: option \"" + refused + "\" is not supported"; {
		case refused == "" && err != nil, refused != "" && (err == nil || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("%s: %v", short, err)
		}
	}
}

func TestMapNeverDropsAMountedPathTwice(t *testing.T) {
	_, err := compose.Map([]byte("name: shop\nservices: {web: {image: nginx, volumes: ['/a', '/a']}}"))
	if err == nil || !strings.Contains(err.Error(), "services.web.volumes: two entries") {
		t.Fatalf("got %v", err)
	}
}

// A port of one address of the host is no port for balancers elsewhere.
func TestBalancersDoNotReachAPortOfOneAddress(t *testing.T) {
	for _, test := range []struct{ ip, lb, want string }{
		{"127.0.0.1", "{listen: 8000, target: 80}", "services.web.ports[0].host_ip: balancers send to container port 80, and reach it on no host but one that advertises 127.0.0.1"},
		{"127.0.0.1", "{listen: 8000, target: 81}", ""},
		{"0.0.0.0", "{listen: 8000, target: 80}", ""},
	} {
		project, err := compose.Map([]byte("name: shop\nservices: {web: {image: nginx, ports: [{target: 80, published: '9000', mode: host, host_ip: " + test.ip + "}], x-lb: " + test.lb + "}}"))
		if got := strings.Join(project.Warnings, "; "); err != nil || got != test.want {
			t.Errorf("%s with %s: %v, warnings %q", test.ip, test.lb, err, got)
		}
	}
}

// The Compose library tells of one of these, another one each time.
func TestMapTellsOfEveryWrongShape(t *testing.T) {
	document := `name: shop
services:
  web:
    image: [nginx]
    scale: {}
    expose: [80, [81], {}]
    ports: [{target: [], published: "80", mode: {}}, {target: 80, protocol: []}]
    healthcheck: {test: {}, retries: []}
    labels: {a.b: [], a: {b: 1}}
    deploy: {replicas: , placement: , resources: {limits: {cpus: [], memory: []}}}
`
	want := []string{
		"services.web.deploy.placement: must be a mapping",
		"services.web.deploy.replicas: must be a integer or string",
		"services.web.deploy.resources.limits.cpus: must be a number or string",
		"services.web.deploy.resources.limits.memory: must be a string",
		"services.web.expose[1]: must be a number or string",
		"services.web.healthcheck.retries: must be a number or string",
		"services.web.healthcheck.test: must be a string",
		"services.web.image: must be a string",
		"services.web.labels.a: must be a boolean, null, number or string",
		"services.web.labels.a.b: must be a boolean, null, number or string",
		"services.web.ports[0].mode: must be a string",
		"services.web.ports[0].target: must be a integer or string",
		"services.web.ports[1].protocol: must be a string",
		"services.web.scale: must be a integer or string",
	}
	for range 20 {
		_, err := compose.Map([]byte(document))
		var got []string
		for _, e := range compose.Errors(err) {
			got = append(got, e.Error())
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got\n%s", strings.Join(got, "\n"))
		}
	}
}

func TestErrorsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("name: shop\nservices:\n  web:\n    image: nginx\n")
	for i := range 300 {
		b.WriteString("    key" + strings.Repeat("a", i) + ": 1\n")
	}
	_, err := compose.Map([]byte(b.String()))
	all := compose.Errors(err)
	if len(all) != 101 || !strings.Contains(all[100].Message, "200 more") {
		t.Errorf("%d errors, the last %v", len(all), all[len(all)-1])
	}
}

func TestErrorsTakesAnyError(t *testing.T) {
	if compose.Errors(nil) != nil {
		t.Error("nil became errors")
	}
	if got := compose.Errors(fleet.NotFound("gone")); len(got) != 1 || got[0].Code != fleet.CodeNotFound {
		t.Errorf("got %v", got)
	}
}
