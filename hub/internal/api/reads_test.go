package api

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

func TestLists(t *testing.T) {
	s := serve(t)
	cases := map[string]string{ // the path, and what the items are called
		"/v1/services":                            "shop/db shop/web shop/empty",
		"/v1/services?project=shop":               "shop/db shop/web shop/empty",
		"/v1/services?project=other":              "",
		"/v1/instances":                           "1a-1 1a-2 2b-1",
		"/v1/instances?service=shop/web":          "1a-1 1a-2",
		"/v1/instances?host=web1":                 "1a-1 2b-1",
		"/v1/instances?host=web1&service=shop/db": "2b-1",
		"/v1/hosts":                               "web1 web2",
		"/v1/balancers":                           "web1/haproxy",
		"/v1/projects/shop/services/web/pools":    "web1/haproxy",
		"/v1/projects/shop/services/db/pools":     "",
		"/v1/projects/shop/services/web/versions": "5 4 2",
		"/v1/projects/shop/services/db/versions":  "",
	}
	for path, want := range cases {
		a := s.get(path)
		type item struct {
			ID, Key, Balancer string
			Number            json.Number
		}
		got := decode[struct {
			Items    []item
			Revision uint64
		}](t, a)
		var names []string
		for _, i := range got.Items {
			names = append(names, i.ID+i.Key+i.Balancer+i.Number.String())
		}
		if a.status != 200 || strings.Join(names, " ") != want || got.Revision != revisionNow {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		if want == "" && !strings.Contains(a.body, `"items":[]`) {
			t.Errorf("%s: no items are not an empty list: %s", path, a.body)
		}
		if a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be cached", path)
		}
	}
}

func TestSingleReadsCarryTheirGeneration(t *testing.T) {
	s := serve(t)
	service := s.get("/v1/projects/shop/services/web")
	if got := decode[fleet.ServiceView](t, service); service.status != 200 || got.Key != web || service.header.Get("ETag") != `"7"` {
		t.Errorf("service: %d %v %s", service.status, service.header, service.body)
	}
	host := s.get("/v1/hosts/web2")
	if got := decode[fleet.HostView](t, host); host.status != 200 || got.ID != "web2" || host.header.Get("ETag") != `"12"` {
		t.Errorf("host: %d %v %s", host.status, host.header, host.body)
	}
}

func TestVersion(t *testing.T) {
	if a := serve(t).get("/v1/version"); a.status != 200 || strings.TrimSpace(a.body) != `{"version":"1.2.3","api":"v1"}` {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestBadReads(t *testing.T) {
	s := serve(t)
	cases := []struct {
		path   string
		status int
		code   string
	}{
		{"/v1/services?project=Shop!", 422, "invalid"},
		{"/v1/projects/shop/services/none", 404, "not_found"},
		{"/v1/projects/shop/services/none/pools", 404, "not_found"},
		{"/v1/projects/shop/services/none/logs", 404, "not_found"},
		{"/v1/projects/shop/services/none/versions", 404, "not_found"},
		{"/v1/projects/shop/services/none/versions/1", 404, "not_found"},
		{"/v1/projects/shop/services/web/versions/3", 404, "not_found"},
		{"/v1/projects/shop/services/web/versions/0", 422, "invalid"},
		{"/v1/projects/shop/services/web/versions/new", 422, "invalid"},
		{"/v1/projects/shop/services/none/diff", 404, "not_found"},
		{"/v1/projects/shop/services/db/diff", 404, "not_found"},
		{"/v1/projects/shop/services/web/diff?to=2", 404, "not_found"},
		{"/v1/projects/shop/services/web/diff?from=3", 404, "not_found"},
		{"/v1/projects/shop/services/web/diff?from=-3", 422, "invalid"},
		{"/v1/projects/shop/services/none/rollout", 404, "not_found"},
		{"/v1/projects/shop/services/db/rollout", 404, "not_found"},
		{"/v1/projects/Shop/services/web", 422, "invalid"},
		{"/v1/projects/shop/services/-web", 422, "invalid"},
		{"/v1/projects/shop/services/web/logs?tail=0", 422, "invalid"},
		{"/v1/projects/shop/services/web/logs?tail=10001", 422, "invalid"},
		{"/v1/instances?service=web", 422, "invalid"},
		{"/v1/instances?host=WEB", 422, "invalid"},
		{"/v1/instances/9z-9/logs", 404, "not_found"},
		{"/v1/hosts/none", 404, "not_found"},
		{"/v1/hosts/NONE", 422, "invalid"},
		{"/v1/events?limit=0", 422, "invalid"},
		{"/v1/events?limit=1001", 422, "invalid"},
		{"/v1/events?limit=many", 422, "invalid"},
		{"/v1/events?since=yesterday", 422, "invalid"},
		{"/v1/events?service=web", 422, "invalid"},
		{"/v1/events?host=WEB", 422, "invalid"},
		{"/v1/watch?since=-1", 422, "invalid"},
		{"/v1/nothing", 404, "not_found"},
		{"/", 404, "not_found"},
		{"/v1/projects/shop/apply", 405, "invalid"},
	}
	for _, c := range cases {
		s.get(c.path).problem(t, c.status, c.code)
	}
	if allow := s.get("/v1/projects/shop/apply").header.Get("Allow"); allow != "POST" {
		t.Errorf("Allow is %q", allow)
	}
	s.call("PATCH", "/v1/hosts", "").problem(t, 405, "invalid")
}

func TestReadsOfAHubInTrouble(t *testing.T) {
	s := serve(t)
	s.fleet.readErr = errors.New("wires are crossed")
	s.get("/v1/hosts").problem(t, 500, "internal")
	s.get("/v1/watch").problem(t, 500, "internal")
	s.get("/v1/instances/1a-1/logs").problem(t, 500, "internal")
	s.fleet.readErr = &fleet.Error{Code: fleet.CodeUnavailable, Message: "not yet"}
	a := s.get("/v1/hosts/web1")
	if a.problem(t, 503, "unavailable").Detail != "not yet" || a.header.Get("Retry-After") == "" {
		t.Errorf("%v %s", a.header, a.body)
	}
}

func TestEvents(t *testing.T) {
	s := serve(t)
	s.fleet.events = []fleet.Event{{ID: "new", Revision: 9}, {ID: "old", Revision: 8}}
	ids := func(a answer) string {
		var text []string
		for _, e := range decode[List[fleet.Event]](t, a).Items {
			text = append(text, e.ID)
		}
		return strings.Join(text, " ")
	}
	if a := s.get("/v1/events"); ids(a) != "old new" || !strings.Contains(a.body, `"revision":42`) {
		t.Errorf("the latest: %s", a.body)
	}
	s.fleet.events = []fleet.Event{{ID: "old"}, {ID: "new"}}
	a := s.get("/v1/events?since=7&type=muster.host.*,muster.engine.up&service=shop/web&host=web1&instance=1a-1&limit=5")
	if ids(a) != "old new" {
		t.Errorf("since: %s", a.body)
	}
	want := []EventFilter{
		{Limit: 100},
		{Since: true, After: 7, Limit: 5, Types: []string{"muster.host.*", "muster.engine.up"}, Service: web, Host: "web1", Instance: "1a-1"},
	}
	got, _ := json.Marshal(s.fleet.filters)
	if expected, _ := json.Marshal(want); string(got) != string(expected) {
		t.Errorf("filters %s; want %s", got, expected)
	}
	s.fleet.events = nil
	if a := s.get("/v1/events?since=0"); !strings.Contains(a.body, `"items":[]`) || !s.fleet.filters[2].Since {
		t.Errorf("none since 0: %s, filter %+v", a.body, s.fleet.filters[2])
	}
}

func TestEventFilter(t *testing.T) {
	event := fleet.Event{Type: "muster.instance.ready", Source: "hosts/web1", Data: fleet.EventData{Service: &web, Instance: "1a-1", Host: "web2"}}
	bare := fleet.Event{Type: "muster.fleet.held", Source: "hub"}
	cases := []struct {
		filter      EventFilter
		event, bare bool
	}{
		{EventFilter{}, true, true},
		{EventFilter{Types: []string{"muster.instance.ready"}}, true, false},
		{EventFilter{Types: []string{"muster.instance.read"}}, false, false},
		{EventFilter{Types: []string{"muster.engine.up", "muster.instance.*"}}, true, false},
		{EventFilter{Types: []string{"*"}}, true, true},
		{EventFilter{Service: web}, true, false},
		{EventFilter{Service: db}, false, false},
		{EventFilter{Host: "web1"}, true, false},
		{EventFilter{Host: "web2"}, true, false},
		{EventFilter{Host: "web3"}, false, false},
		{EventFilter{Instance: "1a-1"}, true, false},
		{EventFilter{Instance: "1a-2"}, false, false},
		{EventFilter{Instance: "1a-1", Host: "web3"}, false, false},
	}
	for _, c := range cases {
		if c.filter.Match(event) != c.event || c.filter.Match(bare) != c.bare {
			t.Errorf("%+v: %v and %v", c.filter, c.filter.Match(event), c.filter.Match(bare))
		}
	}
}
