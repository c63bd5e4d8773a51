package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

func TestExports(t *testing.T) {
	s := serve(t)
	cases := []struct{ path, kind, want string }{
		{"/v1/export/haproxy", "text/plain; charset=utf-8", "backend shop.web.80\n    mode http\n    balance roundrobin\n    server 1a-1 10.0.0.1:20001 "},
		{"/v1/export/nginx", "text/plain; charset=utf-8", "upstream shop.web.80 {\n    server 10.0.0.1:20001 weight=128;"},
		{"/v1/export/traefik", "application/json", `"url": "http://10.0.0.1:20001"`},
		{"/v1/export/prometheus", "application/json", `"10.0.0.1:20001"`},
		{"/v1/export/json", "application/json", `"service": "shop/web"`},
		{"/v1/export/prometheus?service=shop/gone", "application/json", "[]\n"},
		{"/v1/export/prometheus?project=blog", "application/json", "[]\n"},
		{"/v1/export/traefik?protocol=tcp", "application/json", "{}\n"},
		{"/v1/export/nginx?service=shop/gone&service=shop/web&project=shop&protocol=http", "text/plain; charset=utf-8", "upstream shop.web.80"},
	}
	for _, c := range cases {
		a := s.get(c.path)
		if a.status != 200 || a.header.Get("Content-Type") != c.kind || !strings.Contains(a.body, c.want) || a.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %v %s", c.path, a.status, a.header, a.body)
		}
	}
	for _, path := range []string{"/v1/export/caddy", "/v1/export/json?service=web", "/v1/export/json?project=Shop!", "/v1/export/json?protocol=udp"} {
		if a := s.get(path); a.status != 422 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

// TestExportsAreConditional: who has the same already is told so.
func TestExportsAreConditional(t *testing.T) {
	s := serve(t)
	first := s.get("/v1/export/traefik")
	tag := first.header.Get("ETag")
	if first.status != 200 || len(tag) != 34 {
		t.Fatalf("%d %v", first.status, first.header)
	}
	for known, want := range map[string]int{
		tag: http.StatusNotModified, "W/" + tag: http.StatusNotModified, `"other", ` + tag: http.StatusNotModified, "*": http.StatusNotModified,
		`"other"`: http.StatusOK,
	} {
		a := s.call(http.MethodGet, "/v1/export/traefik", "", "If-None-Match", known)
		if a.status != want || (want == http.StatusNotModified) != (a.body == "") || a.header.Get("ETag") != tag {
			t.Errorf("%s: %d %v %q", known, a.status, a.header, a.body)
		}
	}
}

// TestTheSchemaIsForAnyone: editors have no token.
func TestTheSchemaIsForAnyone(t *testing.T) {
	s := serveBy(t, func(a *API) Door { return a.Bearer(fleet.ViaHTTPS) }, withPeople, func(o *Options) { o.EditorSchema = []byte("{}\n") })
	a := s.get("/v1/schema/compose.json")
	if a.status != 200 || a.body != "{}\n" || a.header.Get("Content-Type") != "application/schema+json" {
		t.Errorf("%d %v %q", a.status, a.header, a.body)
	}
	if again := s.call(http.MethodGet, "/v1/schema/compose.json", "", "If-None-Match", a.header.Get("ETag")); again.status != http.StatusNotModified || again.body != "" {
		t.Errorf("%d %q", again.status, again.body)
	}
}
