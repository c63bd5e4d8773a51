package api

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/policy"
	"github.com/musterhq/muster/shared/fleet"
)

func TestOrders(t *testing.T) {
	s := serve(t)
	haproxy := fleet.BalancerKey{Host: "web1", Name: "haproxy"}
	services := []fleet.Service{{Key: db}, {Key: web}}
	cases := []struct {
		method, path, body string
		want               fleet.Command
	}{
		{"POST", "/v1/projects/shop/apply", `{"document":"a: 1"}`,
			fleet.Command{Do: "apply", Project: "shop", Services: services, Document: "a: 1", Warnings: []string{"warned"}}},
		{"POST", "/v1/projects/shop/apply", `{"document":"a: 1","dryRun":true,"prune":true}`,
			fleet.Command{Do: "apply", Project: "shop", Services: services, Document: "a: 1", Warnings: []string{"warned"}, DryRun: true, Prune: true}},
		{"DELETE", "/v1/projects/shop/services/web", "", fleet.Command{Do: "remove", Service: web}},
		{"POST", "/v1/projects/shop/services/web/scale", `{"count":0}`, fleet.Command{Do: "scale", Service: web}},
		{"POST", "/v1/projects/shop/services/web/scale", `{"count":5}`, fleet.Command{Do: "scale", Service: web, Count: 5}},
		{"POST", "/v1/projects/shop/services/web/restart", "", fleet.Command{Do: "restart", Service: web}},
		{"POST", "/v1/projects/shop/services/web/freeze", "", fleet.Command{Do: "freeze", Service: web}},
		{"POST", "/v1/projects/shop/services/web/unfreeze", "", fleet.Command{Do: "unfreeze", Service: web}},
		{"POST", "/v1/projects/shop/services/web/rollback", "", fleet.Command{Do: "rollback", Service: web}},
		{"POST", "/v1/projects/shop/services/web/rollback", `{"version":3}`, fleet.Command{Do: "rollback", Service: web, Version: 3}},
		{"POST", "/v1/projects/shop/services/web/rollout/promote", "", fleet.Command{Do: "rollout-promote", Service: web}},
		{"POST", "/v1/projects/shop/services/web/rollout/promote", `{"rollout":31,"fully":true}`, fleet.Command{Do: "rollout-promote", Service: web, Rollout: 31, Fully: true}},
		{"POST", "/v1/projects/shop/services/web/rollout/pause", `{"rollout":31}`, fleet.Command{Do: "rollout-pause", Service: web, Rollout: 31}},
		{"POST", "/v1/projects/shop/services/web/rollout/resume", `{"rollout":31}`, fleet.Command{Do: "rollout-resume", Service: web, Rollout: 31}},
		{"POST", "/v1/projects/shop/services/web/rollout/abort", `{}`, fleet.Command{Do: "rollout-abort", Service: web}},
		{"POST", "/v1/projects/shop/services/web/rollout/retry", `{"rollout":31}`, fleet.Command{Do: "rollout-retry", Service: web, Rollout: 31}},
		{"POST", "/v1/hosts/web1/drain", "", fleet.Command{Do: "host-drain", Host: "web1"}},
		{"POST", "/v1/hosts/web1/activate", "", fleet.Command{Do: "host-activate", Host: "web1"}},
		{"POST", "/v1/hosts/web1/freeze", "", fleet.Command{Do: "freeze", Host: "web1"}},
		{"POST", "/v1/hosts/web1/unfreeze", "", fleet.Command{Do: "unfreeze", Host: "web1"}},
		{"POST", "/v1/hosts/web1/fail", "", fleet.Command{Do: "host-fail", Host: "web1"}},
		{"POST", "/v1/hosts/web1/maintenance", "", fleet.Command{Do: "host-maintenance", Host: "web1"}},
		{"POST", "/v1/hosts/web1/maintenance", `{"for":"2h","reason":"disk swap","drain":true}`,
			fleet.Command{Do: "host-maintenance", Host: "web1", For: fleet.Duration(2 * time.Hour), Reason: "disk swap", Drain: true}},
		{"POST", "/v1/rebalance", `{"service":"shop/web","plan":"abc"}`, fleet.Command{Do: "rebalance", Service: web, Plan: "abc"}},
		{"DELETE", "/v1/hosts/web1", "", fleet.Command{Do: "host-remove", Host: "web1", Policy: "stop"}},
		{"DELETE", "/v1/hosts/web1?policy=keep&force=true&dataLost=true&unserved=true", "",
			fleet.Command{Do: "host-remove", Host: "web1", Policy: "keep", Force: true, DataLost: true, Unserved: true}},
		{"DELETE", "/v1/balancers/web1/haproxy", "", fleet.Command{Do: "balancer-forget", Balancer: haproxy}},
	}
	seen := map[string]bool{}
	for _, c := range cases {
		a := s.call(c.method, c.path, c.body)
		result := decode[fleet.Result](t, a)
		if a.status != 200 || result.Revision != 43 || result.Message != "done: "+c.want.Do {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.body)
		}
		got := s.fleet.last(t)
		if len(got.ID) < 20 || seen[got.ID] || got.Actor != "anonymous" || got.By.From != "127.0.0.1" || got.By.Role != fleet.RoleAdmin {
			t.Errorf("%s %s: id %q, actor %q", c.method, c.path, got.ID, got.Actor)
		}
		seen[got.ID] = true
		got.ID, got.Actor, got.By = "", "", fleet.Principal{}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s %s: command %+v; want %+v", c.method, c.path, got, c.want)
		}
		// The same with headers, where they are allowed.
		headers := []string{"Idempotency-Key", "try-7", "If-Match", `"42"`}
		conditional := c.want.Do != fleet.DoApply && c.want.Do != fleet.DoBalancerForget
		if !conditional {
			s.call(c.method, c.path, c.body, headers...).problem(t, 422, "invalid")
			headers[3] = "*"
		}
		a = s.call(c.method, c.path, c.body, headers...)
		got = s.fleet.last(t)
		if a.status != 200 || got.ID != "try-7" || conditional != (got.IfMatch == 42) {
			t.Errorf("%s %s with headers: %d %s, command %+v", c.method, c.path, a.status, a.body, got)
		}
	}
}

func TestBadOrders(t *testing.T) {
	s := serve(t)
	const scale, apply = "/v1/projects/shop/services/web/scale", "/v1/projects/shop/apply"
	long := strings.Repeat("x", 129)
	cases := map[string]struct {
		path, body string
		headers    []string
		status     int
	}{
		"not JSON":               {scale, `{"count":`, nil, 400},
		"no body":                {scale, ``, nil, 400},
		"another kind of body":   {scale, `count: 1`, []string{"Content-Type", "application/yaml"}, 415},
		"a list":                 {scale, `[1]`, nil, 422},
		"no count":               {scale, `{}`, nil, 422},
		"a count in words":       {scale, `{"count":"five"}`, nil, 422},
		"a count below 0":        {scale, `{"count":-1}`, nil, 422},
		"too large a count":      {scale, `{"count":100001}`, nil, 422},
		"an unknown field":       {scale, `{"count":1,"cuont":2}`, nil, 422},
		"a large body":           {scale, `{"count":1,"x":"` + strings.Repeat("x", 70_000) + `"}`, nil, 413},
		"a large document":       {apply, `{"document":"` + strings.Repeat("x", 2<<20) + `"}`, nil, 413},
		"an empty document":      {apply, `{"document":""}`, nil, 422},
		"no document":            {apply, `{"prune":true}`, nil, 422},
		"a bad project":          {"/v1/projects/Shop/apply", `{"document":"x"}`, nil, 422},
		"another project":        {"/v1/projects/other/apply", `{"document":"x"}`, nil, 422},
		"a bad service":          {"/v1/projects/shop/services/-/restart", ``, nil, 422},
		"a version below 0":      {"/v1/projects/shop/services/web/rollback", `{"version":-1}`, nil, 422},
		"a version in words":     {"/v1/projects/shop/services/web/rollback", `{"version":"old"}`, nil, 422},
		"another verb's field":   {"/v1/projects/shop/services/web/rollout/abort", `{"fully":true}`, nil, 422},
		"an unknown rollout":     {"/v1/projects/shop/services/web/rollout/promote", `{"rollout":-1}`, nil, 422},
		"a bad host":             {"/v1/hosts/-/drain", ``, nil, 422},
		"a key with a space":     {"/v1/hosts/web1/drain", ``, []string{"Idempotency-Key", "a b"}, 422},
		"a key with an umlaut":   {"/v1/hosts/web1/drain", ``, []string{"Idempotency-Key", "ä"}, 422},
		"too long a key":         {"/v1/hosts/web1/drain", ``, []string{"Idempotency-Key", long}, 422},
		"an ETag without quotes": {"/v1/hosts/web1/drain", ``, []string{"If-Match", "42"}, 422},
		"a weak ETag":            {"/v1/hosts/web1/drain", ``, []string{"If-Match", `W/"42"`}, 422},
		"another's ETag":         {"/v1/hosts/web1/drain", ``, []string{"If-Match", `"abc"`}, 422},
		"generation 0":           {"/v1/hosts/web1/drain", ``, []string{"If-Match", `"0"`}, 422},
		"several ETags":          {"/v1/hosts/web1/drain", ``, []string{"If-Match", `"1", "2"`}, 422},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s.call("POST", c.path, c.body, c.headers...).problem(t, c.status, "invalid")
		})
	}
	s.call("DELETE", "/v1/balancers/web1/HA", "").problem(t, 422, "invalid")
	if len(s.fleet.commands) > 0 {
		t.Errorf("commands were given: %+v", s.fleet.commands)
	}
}

func TestWhatDoesNotFitIsNamedAndNotRepeated(t *testing.T) {
	s := serve(t)
	a := s.call("POST", "/v1/projects/shop/apply", `{"document":{"PASSWORD":"hunter2"},"prune":"yes"}`)
	p := a.problem(t, 422, "invalid")
	if len(p.Errors) != 2 || strings.Contains(a.body, "hunter2") {
		t.Errorf("%s", a.body)
	}
	p = s.call("POST", "/v1/projects/shop/services/web/scale", `{"count":"five"}`).problem(t, 422, "invalid")
	if p.Path != "body.count" || !strings.Contains(p.Detail, "integer") {
		t.Errorf("%+v", p)
	}
	if strings.Contains(s.log.String(), "hunter2") {
		t.Error("it is in the log")
	}
}

func TestErrorsOfTheFleet(t *testing.T) {
	s := serve(t)
	both := errors.Join(fleet.Invalid("a", "wrong").WithHint("right it"), fleet.Invalid("b.c", "wrong too"))
	cases := []struct {
		err    error
		status int
		code   string
		detail string
	}{
		{fleet.Invalid("count", "no").WithHint("yes"), 422, "invalid", "no"},
		{fleet.NotFound("none"), 404, "not_found", "none"},
		{fleet.Conflict("x", "clash"), 409, "conflict", "clash"},
		{&fleet.Error{Code: fleet.CodePrecondition, Message: "changed"}, 412, "precondition", "changed"},
		{&fleet.Error{Code: fleet.CodeUnavailable, Message: "later"}, 503, "unavailable", "later"},
		{&fleet.Error{Code: fleet.CodeInternal, Message: "oops"}, 500, "internal", "oops"},
		{fmt.Errorf("turn 7: %w", fleet.NotFound("none")), 404, "not_found", "none"},
		{errors.New("secret plumbing"), 500, "internal", "the hub made a mistake"},
		{context.DeadlineExceeded, 503, "unavailable", "the hub did not answer in time"},
		{fmt.Errorf("map: %w", both), 422, "invalid", "wrong"},
	}
	for _, c := range cases {
		s.fleet.do = func(context.Context, fleet.Command) (fleet.Result, error) { return fleet.Result{}, c.err }
		a := s.call("POST", "/v1/hosts/web1/drain", "")
		if p := a.problem(t, c.status, c.code); p.Detail != c.detail {
			t.Errorf("%v: %+v", c.err, p)
		}
		if retry := a.header.Get("Retry-After"); (retry != "") != (c.status == 503) {
			t.Errorf("%v: Retry-After %q", c.err, retry)
		}
	}
	if !strings.Contains(s.log.String(), "secret plumbing") {
		t.Error("the log doesn't have what the caller wasn't told")
	}
}

func TestAllErrorsOfADocument(t *testing.T) {
	s := serve(t, func(o *Options) {
		o.Map = func([]byte) (string, []fleet.Service, []string, error) {
			return "", nil, nil, errors.Join(fleet.Invalid("services.web.ports[0]", "wrong").WithHint("right it"), fleet.Invalid("services.db", "wrong too"))
		}
	})
	p := s.call("POST", "/v1/projects/shop/apply", `{"document":"x"}`).problem(t, 422, "invalid")
	want := []Fault{{"services.web.ports[0]", "wrong", "right it"}, {"services.db", "wrong too", ""}}
	if p.Path != "services.web.ports[0]" || p.Hint != "right it" || !reflect.DeepEqual(p.Errors, want) {
		t.Errorf("%+v", p)
	}
}

func TestASlowHub(t *testing.T) {
	s := serve(t, func(o *Options) { o.Limits.OrderTime = 20 * time.Millisecond })
	s.fleet.do = func(ctx context.Context, _ fleet.Command) (fleet.Result, error) {
		<-ctx.Done()
		return fleet.Result{}, fmt.Errorf("wait for a turn: %w", ctx.Err())
	}
	p := s.call("POST", "/v1/hosts/web1/drain", "").problem(t, 503, "unavailable")
	if !strings.Contains(p.Hint, "Idempotency-Key") {
		t.Errorf("%+v", p)
	}
}

// An order may take longer than reading its request.
func TestAnOrderOutlastsTheReadDeadline(t *testing.T) {
	s := serve(t, func(o *Options) { o.Limits.RequestTime = 200 * time.Millisecond })
	s.fleet.do = func(ctx context.Context, _ fleet.Command) (fleet.Result, error) {
		select {
		case <-ctx.Done():
			return fleet.Result{}, ctx.Err()
		case <-time.After(600 * time.Millisecond):
			return fleet.Result{Revision: 1}, nil
		}
	}
	for _, order := range [][2]string{{"/v1/hosts/web1/drain", ""}, {"/v1/projects/shop/services/web/scale", `{"count":1}`}} {
		if a := s.call("POST", order[0], order[1]); a.status != 200 {
			t.Errorf("%s: %d %s", order[0], a.status, a.body)
		}
	}
}

func TestPanics(t *testing.T) {
	s := serve(t)
	s.fleet.do = func(context.Context, fleet.Command) (fleet.Result, error) { panic("at the disco") }
	s.call("POST", "/v1/hosts/web1/drain", "").problem(t, 500, "internal")
	if !strings.Contains(s.log.String(), "at the disco") {
		t.Error("the panic is not in the log")
	}
	s.fleet.do = nil
	if a := s.call("POST", "/v1/hosts/web1/drain", ""); a.status != 200 {
		t.Errorf("after a panic: %d", a.status)
	}
}

func TestOtherSitesPagesGiveNoOrders(t *testing.T) {
	s := serve(t)
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		s.call("POST", "/v1/hosts/web1/drain", "", headers...).problem(t, 403, "invalid")
	}
	if a := s.call("POST", "/v1/hosts/web1/drain", "", "Sec-Fetch-Site", "same-origin", "Origin", s.url); a.status != 200 {
		t.Errorf("its own page: %d %s", a.status, a.body)
	}
	if len(s.fleet.commands) != 1 {
		t.Errorf("%d commands", len(s.fleet.commands))
	}
}

// A list for another broker gives no host the rights of the hub.
func TestTheHubIsNoHostsNameForAnotherBroker(t *testing.T) {
	s := serve(t, func(o *Options) { o.Accounts = func() []policy.Account { return nil } })
	if a := s.get("/v1/acl"); a.status != 200 || !strings.Contains(a.body, "user muster.hub\n") {
		t.Errorf("%d %s", a.status, a.body)
	}
	s.get("/v1/acl?hub=muster-hub").problem(t, 422, "invalid")
}
