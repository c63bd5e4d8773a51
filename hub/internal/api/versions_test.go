package api

import (
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

const webPath = "/v1/projects/shop/services/web"

func TestOneVersion(t *testing.T) {
	a := serve(t).get(webPath + "/versions/4")
	if v := decode[fleet.VersionView](t, a); a.status != 200 || v.Number != 4 || !v.Current || v.Spec == nil || v.Spec.Image != "web:4" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestDifferences(t *testing.T) {
	s := serve(t)
	for query, want := range map[string]string{
		"":             `{"from":2,"to":4,"fields":[{"path":"spec.image","from":"web:2","to":"web:4"}]}`,
		"?to=5":        `{"from":4,"to":5,"fields":[{"path":"spec.image","from":"web:4","to":"web:5"}]}`,
		"?from=5":      `{"from":5,"to":4,"fields":[{"path":"spec.image","from":"web:5","to":"web:4"}]}`,
		"?from=2&to=5": `{"from":2,"to":5,"fields":[{"path":"spec.image","from":"web:2","to":"web:5"}]}`,
		"?from=4&to=4": `{"from":4,"to":4,"fields":[]}`,
	} {
		if a := s.get(webPath + "/diff" + query); a.status != 200 || strings.TrimSpace(a.body) != want {
			t.Errorf("%q: %d %s; want %s", query, a.status, a.body, want)
		}
	}
	if p := s.get(webPath+"/diff?to=2").problem(t, 404, "not_found"); !strings.Contains(p.Detail, "before 2") || p.Hint == "" {
		t.Errorf("%+v", p)
	}
}

func TestTheLastRollout(t *testing.T) {
	s := serve(t)
	a := s.get(webPath + "/rollout")
	if r := decode[fleet.RolloutView](t, a); a.status != 200 || r.Service != web || r.ID != 31 || r.Weight != 25 || len(r.Versions) != 2 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if p := s.get("/v1/projects/shop/services/db/rollout").problem(t, 404, "not_found"); p.Detail != "shop/db has had no rollout yet" || p.Hint == "" {
		t.Errorf("%+v", p)
	}
}
