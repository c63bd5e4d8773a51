package api

import (
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

func TestExplain(t *testing.T) {
	s := serve(t)
	for path, want := range map[string]fleet.Explanation{
		"/v1/instances/1a-2/explain":                   {Service: web, Instance: "1a-2", Host: "web2", Verdict: "it would be placed on web2 again"},
		"/v1/projects/shop/services/db/explain?slot=3": {Service: db, Slot: 3, Verdict: "no host can have it"},
		"/v1/projects/shop/services/web/explain":       {Service: web, Verdict: "no host can have it"},
	} {
		a := s.call("GET", path, "")
		if got := decode[fleet.Explanation](t, a); a.status != 200 || got.Service != want.Service || got.Instance != want.Instance || got.Slot != want.Slot || got.Host != want.Host || got.Verdict != want.Verdict {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	s.call("GET", "/v1/instances/none/explain", "").problem(t, 404, "not_found")
	s.call("GET", "/v1/projects/shop/services/none/explain", "").problem(t, 404, "not_found")
	s.call("GET", "/v1/projects/shop/services/db/explain?slot=-1", "").problem(t, 422, "invalid")
}

// What is rebalanced need not be one service, and then there is nothing to compare an
// ETag with.
func TestRebalanceAll(t *testing.T) {
	s := serve(t)
	for body, want := range map[string]fleet.Command{
		"":                                 {Do: "rebalance"},
		`{"project":"shop","dryRun":true}`: {Do: "rebalance", Project: "shop", DryRun: true},
	} {
		if a := s.call("POST", "/v1/rebalance", body); a.status != 200 {
			t.Fatalf("%s: %d %s", body, a.status, a.body)
		}
		if got := s.fleet.last(t); got.Do != want.Do || got.Project != want.Project || got.DryRun != want.DryRun || !got.Service.IsZero() {
			t.Errorf("%s: %+v", body, got)
		}
		s.call("POST", "/v1/rebalance", body, "If-Match", `"42"`).problem(t, 422, "invalid")
	}
	s.call("POST", "/v1/rebalance", `{"project":"../etc"}`).problem(t, 422, "invalid")
	s.call("POST", "/v1/rebalance", `{"services":[]}`).problem(t, 422, "invalid")
}
