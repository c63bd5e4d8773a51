package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterhq/muster/shared/fleet"
)

var update = flag.Bool("update", false, "write docs/openapi.json anew")

func TestHealth(t *testing.T) {
	broken := errors.New("the broker does not listen")
	var now error
	s := serve(t, func(o *Options) { o.Ready = func() error { return now } })
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
		if a := s.get(path); a.status != 200 || a.body != want {
			t.Errorf("%s: %d %q", path, a.status, a.body)
		}
	}
	now = broken
	if p := s.get("/readyz").problem(t, 503, "unavailable"); p.Detail != broken.Error() {
		t.Errorf("%+v", p)
	}
	if a := s.get("/healthz"); a.status != 200 {
		t.Errorf("not ready, and not alive: %d", a.status)
	}
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "other_room"}))
	s := serve(t, func(o *Options) { o.Registry = registry })
	s.get("/v1/hosts/web1")
	s.get("/v1/hosts/none")
	s.get("/made/up")
	s.call("MADEUP", "/v1/hosts", "")
	text := s.get("/metrics").body
	for _, want := range []string{
		`muster_build_info{version="1.2.3"} 1`,
		`muster_http_request_seconds_count{method="GET",route="/v1/hosts/{host}",status="200"} 1`,
		`muster_http_request_seconds_count{method="GET",route="/v1/hosts/{host}",status="404"} 1`,
		`muster_http_request_seconds_count{method="any",route="none",status="404"} 1`,
		`muster_http_request_seconds_count{method="any",route="none",status="405"} 1`,
		`muster_http_requests_in_flight 1`,
		"other_room 0",
		"go_goroutines ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if strings.Contains(text, "made") || strings.Contains(text, "MADEUP") {
		t.Error("callers can make up labels")
	}
}

func TestLongHeadersAreRefused(t *testing.T) {
	if a := serve(t).call("GET", "/v1/hosts", "", "X-Long", strings.Repeat("x", 64<<10)); a.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%d", a.status)
	}
}

// A body that is too large is refused before it comes.
func TestLargeBodiesNeedntBeSent(t *testing.T) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(serve(t).url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/login HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", 64<<20)
	if status, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(status, " 413 ") {
		t.Errorf("%q, %v", status, err)
	}
}

// What has begun may finish when the server stops.
func TestShutdownWaitsForOrders(t *testing.T) {
	s := serve(t)
	begun, end := make(chan struct{}), make(chan struct{})
	s.fleet.do = func(context.Context, fleet.Command) (fleet.Result, error) {
		close(begun)
		<-end
		return fleet.Result{Revision: 1}, nil
	}
	var order, stop sync.WaitGroup
	order.Go(func() {
		if a := s.call("POST", "/v1/hosts/web1/drain", ""); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	<-begun
	stop.Go(s.stop)
	poll(t, func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	close(end)
	order.Wait()
	stop.Wait()
}

func TestServeReportsABrokenListener(t *testing.T) {
	s := serve(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if err := s.api.Serve(t.Context(), listener, Anyone); err == nil {
		t.Error("no error")
	}
}

// The description in docs is today's. Write it anew with
// go test ./hub/internal/api -run TestDescription -update.
func TestDescription(t *testing.T) {
	s := serve(t)
	a := s.get("/openapi.json")
	if a.status != 200 || a.header.Get("Content-Type") != "application/openapi+json" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	path := filepath.Join("..", "..", "..", "docs", "openapi.json")
	if *update {
		if err := os.WriteFile(path, []byte(a.body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != a.body {
		t.Error("docs/openapi.json is not what the API is: run this test with -update")
	}
}

func TestDescriptionNamesEverything(t *testing.T) {
	var doc struct {
		OpenAPI    string
		Paths      map[string]map[string]json.RawMessage
		Components struct {
			Schemas map[string]struct{ Properties map[string]json.RawMessage }
		}
	}
	if err := json.Unmarshal(serve(t).api.Document(), &doc); err != nil {
		t.Fatal(err)
	}
	var got []string
	for path, methods := range doc.Paths {
		for method := range methods {
			got = append(got, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(got)
	want := []string{
		"DELETE /v1/api-tokens/{user}/{token}",
		"DELETE /v1/balancers/{host}/{name}",
		"DELETE /v1/hosts/{host}",
		"DELETE /v1/join-tokens/{id}",
		"DELETE /v1/projects/{project}/secrets/{name}",
		"DELETE /v1/projects/{project}/services/{service}",
		"DELETE /v1/registries/{host}",
		"DELETE /v1/users/{name}",
		"GET /v1/acl", "GET /v1/api-tokens", "GET /v1/audit", "GET /v1/balancers", "GET /v1/ca", "GET /v1/events", "GET /v1/export/{format}", "GET /v1/hosts", "GET /v1/hosts/{host}", "GET /v1/hosts/{host}/log",
		"GET /v1/hub/log", "GET /v1/hub/settings", "GET /v1/instances", "GET /v1/instances/{instance}/explain", "GET /v1/instances/{instance}/logs",
		"GET /v1/join-tokens",
		"GET /v1/projects/{project}/services/{service}",
		"GET /v1/projects/{project}/services/{service}/diff",
		"GET /v1/projects/{project}/services/{service}/explain",
		"GET /v1/projects/{project}/services/{service}/logs",
		"GET /v1/projects/{project}/services/{service}/pools",
		"GET /v1/projects/{project}/services/{service}/rollout",
		"GET /v1/projects/{project}/services/{service}/versions",
		"GET /v1/projects/{project}/services/{service}/versions/{number}",
		"GET /v1/registries", "GET /v1/schema/compose.json", "GET /v1/secrets", "GET /v1/services", "GET /v1/users", "GET /v1/version", "GET /v1/watch", "GET /v1/whoami",
		"PATCH /v1/users/{name}",
		"POST /v1/api-tokens",
		"POST /v1/ca/rotate", "POST /v1/command", "POST /v1/first-admin",
		"POST /v1/hosts/{host}/activate", "POST /v1/hosts/{host}/drain", "POST /v1/hosts/{host}/fail",
		"POST /v1/hosts/{host}/freeze", "POST /v1/hosts/{host}/maintenance", "POST /v1/hosts/{host}/prune", "POST /v1/hosts/{host}/revoke", "POST /v1/hosts/{host}/unfreeze",
		"POST /v1/join", "POST /v1/join-tokens",
		"POST /v1/login", "POST /v1/logout",
		"POST /v1/projects/{project}/apply",
		"POST /v1/projects/{project}/services/{service}/freeze",
		"POST /v1/projects/{project}/services/{service}/restart",
		"POST /v1/projects/{project}/services/{service}/rollback",
		"POST /v1/projects/{project}/services/{service}/rollout/abort",
		"POST /v1/projects/{project}/services/{service}/rollout/pause",
		"POST /v1/projects/{project}/services/{service}/rollout/promote",
		"POST /v1/projects/{project}/services/{service}/rollout/resume",
		"POST /v1/projects/{project}/services/{service}/rollout/retry",
		"POST /v1/projects/{project}/services/{service}/scale",
		"POST /v1/projects/{project}/services/{service}/start", "POST /v1/projects/{project}/services/{service}/stop",
		"POST /v1/projects/{project}/services/{service}/unfreeze",
		"POST /v1/rebalance",
		"POST /v1/renew",
		"POST /v1/users", "PUT /v1/projects/{project}/secrets/{name}", "PUT /v1/registries/{host}", "PUT /v1/users/{name}/password",
	}
	if doc.OpenAPI != "3.1.0" || !slices.Equal(got, want) {
		t.Errorf("OpenAPI %s describes\n%s\nwant\n%s", doc.OpenAPI, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for schema, property := range map[string]string{"Problem": "code", "Spec": "stopGrace", "Change": "revision", "Reset": "reason"} {
		if _, ok := doc.Components.Schemas[schema].Properties[property]; !ok {
			t.Errorf("the schema %s lacks %s", schema, property)
		}
	}
	if grace := string(doc.Components.Schemas["Spec"].Properties["stopGrace"]); !strings.Contains(grace, `"string"`) {
		t.Errorf("a duration is described as %s", grace)
	}
}
