package api

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

const prunePath = "/v1/hosts/web1/prune"

func TestAHostIsPruned(t *testing.T) {
	s, agents := serveAgents(t, func(string, fleet.Ask) io.Reader {
		return strings.NewReader(`{"images":[{"name":"web:1","bytes":7}],"bytes":7,"problem":"web:0 is in use"}`)
	})
	for i, body := range []string{"", `{"dryRun":true}`} {
		a := s.call("POST", prunePath, body)
		got := decode[fleet.Pruned](t, a)
		if a.status != 200 || got.Bytes != 7 || len(got.Images) != 1 || got.Images[0].Name != "web:1" || got.Problem == "" {
			t.Errorf("%d %s", a.status, a.body)
		}
		ask := agents.asked[i]
		if ask.Do != fleet.AskPrune || ask.DryRun != (i == 1) || ask.TTL.D() != s.api.limits.PruneTime || !slices.Equal(ask.Keep, fakeView{}.Images()) {
			t.Errorf("asked %+v", ask)
		}
	}
}

func TestWhatIsNotPruned(t *testing.T) {
	s, agents := serveAgents(t, func(string, fleet.Ask) io.Reader { return strings.NewReader("images\n") })
	s.call("POST", "/v1/hosts/none/prune", "").problem(t, 404, "not_found")
	s.call("POST", "/v1/hosts/-/prune", "").problem(t, 422, "invalid")
	s.call("POST", prunePath, `{"all":true}`).problem(t, 422, "invalid")
	if p := s.call("POST", "/v1/hosts/web2/prune", "").problem(t, 503, "unavailable"); p.Detail != "host web2 is lost" || p.Hint == "" {
		t.Errorf("%+v", p)
	}
	if len(agents.asked) > 0 {
		t.Errorf("asked %+v", agents.asked)
	}
	if p := s.call("POST", prunePath, "").problem(t, 503, "unavailable"); !strings.HasPrefix(p.Detail, "host web1 gave no answer that can be read: ") {
		t.Errorf("%+v", p)
	}
	poll(t, func() bool { return streamsOpen(s.api) == 0 })
}

func TestAnAgentThatCannotPrune(t *testing.T) {
	var s *server
	s = serve(t, func(o *Options) {
		o.Asker = askerFunc(func(host string, ask fleet.Ask) error {
			s.api.Answered(host, fleet.Answer{ID: ask.ID, Problem: "this agent doesn't know the question"})
			return nil
		})
	})
	want := "host web1 removes no images: this agent doesn't know the question"
	if p := s.call("POST", prunePath, "").problem(t, 503, "unavailable"); p.Detail != want {
		t.Errorf("%+v", p)
	}
}

// Removing many images takes longer than any other request may.
func TestPruningOutlastsDeadlines(t *testing.T) {
	slow, done := io.Pipe()
	s, _ := serveAgents(t, func(string, fleet.Ask) io.Reader {
		time.AfterFunc(100*time.Millisecond, func() {
			_, _ = done.Write([]byte(`{"bytes":7}`)) // the pipe breaks with the test
			done.Close()
		})
		return slow
	}, func(o *Options) { o.Limits.RequestTime, o.Limits.OrderTime = 20*time.Millisecond, 20*time.Millisecond })
	if a := s.call("POST", prunePath, ""); a.status != 200 || decode[fleet.Pruned](t, a).Bytes != 7 {
		t.Errorf("%d %s", a.status, a.body)
	}
}
