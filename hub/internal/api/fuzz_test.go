package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

// FuzzRequest: whatever is asked, the API answers with what was asked for or
// with a problem that says what is wrong; it makes no mistake, and an order that
// gets through to the fleet names what exists by proper names.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/v1/projects/shop/apply", "application/json", "key-1", "", "", `{"document":"name: shop","dryRun":true}`)
	f.Add("POST", "/v1/projects/shop/apply", "application/json", "", `"42"`, "", `{"document":1,"x":[]}`)
	f.Add("POST", "/v1/projects/shop/services/web/scale", "application/json", "", `"42"`, "", `{"count":3}`)
	f.Add("POST", "/v1/projects/shop/services/web/restart", "", "key with spaces", `*`, "", "")
	f.Add("DELETE", "/v1/projects/shop/services/web", "", "", `W/"1"`, "", "")
	f.Add("GET", "/v1/services?project=shop", "", "", "", "", "")
	f.Add("GET", "/v1/projects/sh%6fp/services/we%2fb", "", "", "", "", "")
	f.Add("GET", "/v1/events?since=41&type=muster.host.*&type=x&service=shop/web&host=web1&limit=5", "", "", "", "", "")
	f.Add("GET", "/v1/events?since=-1&limit=100000", "", "", "", "", "")
	f.Add("GET", "/v1/watch?since=42", "", "", "", "41", "")
	f.Add("GET", "/v1/instances/1a-1/logs?tail=5", "", "", "", "", "")
	f.Add("DELETE", "/v1/hosts/web1?policy=keep&force=true&unserved=true", "", "", "", "", "")
	f.Add("POST", "/v1/hosts/web1/fail?dataLost=true", "", "", "", "", "")
	f.Add("DELETE", "/v1/balancers/web1/haproxy", "", "", "", "", "")
	f.Add("POST", "/v1/streams/x", "application/octet-stream", "", "", "", "log\n")
	f.Add("POST", "/v1/users", "application/json", "", "", "", `{"name":"ann","role":"viewer"}`)
	f.Add("PATCH", "/v1/users/ann", "application/json", "", "", "", `{"role":"admin","disabled":null}`)
	f.Add("POST", "/v1/api-tokens", "application/json", "", "", "", `{"user":"ann","name":"ci","role":"viewer","ttl":"1h"}`)
	f.Add("GET", "/v1/audit?who=ann&before=7", "", "", "", "", "")
	f.Add("BREW", "/v1/../healthz", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, method, target, contentType, idempotencyKey, ifMatch, lastEventID, body string) {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://hub"+target, strings.NewReader(body))
		if err != nil || !strings.HasPrefix(target, "/") || request.URL.Host != "hub" {
			return // no client could ask that
		}
		for name, value := range map[string]string{"Content-Type": contentType, "Idempotency-Key": idempotencyKey, "If-Match": ifMatch, "Last-Event-ID": lastEventID} {
			if value != "" {
				request.Header.Set(name, value)
			}
		}
		asked := &fakeFleet{watch: func(context.Context, uint64) (<-chan fleet.Change, error) {
			return nil, fleet.NotFound("too old")
		}}
		api := New(Options{
			Fleet: asked, Map: mapNothing, Logger: slog.New(slog.DiscardHandler), Limits: DefaultLimits(),
			Asker:  askerFunc(func(string, fleet.Ask) error { return fleet.NotFound("nobody is there") }),
			Sealer: fakeSealer{}, People: &fakePeople{}, Trail: &fakeTrail{},
		})
		answer := httptest.NewRecorder()
		behind(Anyone, api.handler).ServeHTTP(answer, request)
		wantProblem(t, answer)
		for _, c := range asked.commands {
			wantProper(t, c)
		}
	})
}

// wantProblem wants an answer that is no success to say what is wrong.
func wantProblem(t *testing.T, answer *httptest.ResponseRecorder) {
	t.Helper()
	if answer.Code < 400 {
		return
	}
	var p Problem
	if err := json.Unmarshal(answer.Body.Bytes(), &p); err != nil || p.Status != answer.Code || p.Detail == "" || p.Code == "" {
		t.Errorf("%d is answered with %q: %v", answer.Code, answer.Body, err)
	}
	if answer.Code == http.StatusInternalServerError {
		t.Errorf("the hub made a mistake: %+v", p)
	}
}

func wantProper(t *testing.T, c fleet.Command) {
	t.Helper()
	if c.ID == "" || c.Actor == "" || c.Actor != c.By.Name || !validKey(c.ID) {
		t.Errorf("an order without an id or an actor: %+v", c)
	}
	if !c.Service.IsZero() {
		if _, err := fleet.ParseServiceKey(c.Service.String()); err != nil {
			t.Error(err)
		}
	}
	if c.Host != "" && fleet.ValidateHost(c.Host) != nil {
		t.Errorf("an order about the host %q", c.Host)
	}
	if c.Project != "" && fleet.ValidateProject(c.Project) != nil {
		t.Errorf("an order about the project %q", c.Project)
	}
}
