package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// agents answer the hub's questions by sending what sends says.
type agents struct {
	s     *server
	sends func(host string, ask fleet.Ask) io.Reader // nil: silence
	group sync.WaitGroup
	mu    sync.Mutex
	asked []fleet.Ask
	codes []int
}

func (a *agents) Ask(host string, ask fleet.Ask) error {
	a.mu.Lock()
	a.asked = append(a.asked, ask)
	a.mu.Unlock()
	body := a.sends(host, ask)
	if body == nil {
		return nil
	}
	a.group.Go(func() {
		response, err := a.s.conns.Post(a.s.url+ask.Stream, "application/octet-stream", body)
		if err != nil {
			return // the hub may cut it off
		}
		defer response.Body.Close()
		a.mu.Lock()
		defer a.mu.Unlock()
		a.codes = append(a.codes, response.StatusCode)
	})
	return nil
}

func serveAgents(t *testing.T, sends func(host string, ask fleet.Ask) io.Reader, change ...func(*Options)) (*server, *agents) {
	a := &agents{sends: sends}
	a.s = serve(t, append(change, func(o *Options) { o.Asker = a })...)
	t.Cleanup(func() { a.group.Wait() })
	return a.s, a
}

func lines(host string, ask fleet.Ask) io.Reader {
	return strings.NewReader(fmt.Sprintf("%s on %s\nlast %d", ask.Instance, host, ask.Tail))
}

func TestInstanceLogs(t *testing.T) {
	s, agents := serveAgents(t, lines)
	a := s.get("/v1/instances/1a-2/logs?tail=7")
	if a.status != 200 || a.body != "1a-2 on web2\nlast 7\n" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
		t.Errorf("%d %v %q", a.status, a.header, a.body)
	}
	agents.group.Wait()
	ask := agents.asked[0]
	if ask.Do != fleet.AskLogs || ask.TTL.D() != 30*time.Second || len(ask.ID) < 20 || strings.Contains(ask.Stream, ask.ID) {
		t.Errorf("asked %+v", ask)
	}
	if len(agents.codes) != 1 || agents.codes[0] != http.StatusNoContent {
		t.Errorf("the agent was answered %v", agents.codes)
	}
	// The stream's name is good once, and is not in the log.
	s.call("POST", ask.Stream, "more").problem(t, 404, "not_found")
	if strings.Contains(s.log.String(), strings.TrimPrefix(ask.Stream, streamPath)) {
		t.Error("the log has the stream's name")
	}
	if s.get("/v1/instances/1a-2/logs"); agents.asked[1].Tail != 200 {
		t.Errorf("without tail: %+v", agents.asked[1])
	}
}

func TestServiceLogs(t *testing.T) {
	s, _ := serveAgents(t, lines)
	if a := s.get("/v1/projects/shop/services/web/logs?tail=2"); a.status != 200 ||
		a.body != "1a-1 | 1a-1 on web1\n1a-1 | last 2\n1a-2 | 1a-2 on web2\n1a-2 | last 2\n" {
		t.Errorf("several: %d %q", a.status, a.body)
	}
	if a := s.get("/v1/projects/shop/services/db/logs?tail=2"); a.status != 200 || a.body != "2b-1 on web1\nlast 2\n" {
		t.Errorf("one: %d %q", a.status, a.body)
	}
	if a := s.get("/v1/projects/shop/services/empty/logs"); a.status != 200 || a.body != "" {
		t.Errorf("none: %d %q", a.status, a.body)
	}
}

func TestLongLinesGetOnePrefix(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	s, _ := serveAgents(t, func(string, fleet.Ask) io.Reader { return strings.NewReader(long + "\n\nend\n") })
	a := s.get("/v1/projects/shop/services/web/logs")
	one := func(id string) string { return id + " | " + long + "\n" + id + " | \n" + id + " | end\n" }
	if a.body != one("1a-1")+one("1a-2") {
		t.Errorf("%d bytes", len(a.body))
	}
}

func TestAHostThatDoesNotAnswer(t *testing.T) {
	s, agents := serveAgents(t, func(host string, ask fleet.Ask) io.Reader {
		if host == "web1" {
			return nil
		}
		return lines(host, ask)
	}, func(o *Options) { o.Limits.StreamBegin = 20 * time.Millisecond })
	p := s.get("/v1/instances/1a-1/logs").problem(t, 503, "unavailable")
	if p.Detail != "host web1 did not answer" || p.Hint == "" {
		t.Errorf("%+v", p)
	}
	s.call("POST", agents.asked[0].Stream, "too late").problem(t, 404, "not_found")
	a := s.get("/v1/projects/shop/services/web/logs?tail=1")
	if a.status != 200 || a.body != "1a-1 | (host web1 did not answer)\n1a-2 | 1a-2 on web2\n1a-2 | last 1\n" {
		t.Errorf("%d %q", a.status, a.body)
	}
}

func TestAHostThatRefuses(t *testing.T) {
	var s *server
	s = serve(t, func(o *Options) {
		o.Asker = askerFunc(func(host string, ask fleet.Ask) error {
			switch ask.Instance {
			case "1a-1":
				s.api.Answered("web2", fleet.Answer{ID: ask.ID, Problem: "not mine"}) // not its question
				s.api.Answered("web1", fleet.Answer{ID: "other", Problem: "other"})
				s.api.Answered("web1", fleet.Answer{ID: ask.ID, OK: true})
				s.api.Answered("web1", fleet.Answer{ID: ask.ID, Problem: "no such container"})
			case "1a-2":
				s.call("POST", ask.Stream, "", ProblemHeader, "no such file")
			default:
				return errors.New("the wire is cut")
			}
			return nil
		})
	})
	if p := s.get("/v1/instances/1a-1/logs").problem(t, 503, "unavailable"); p.Detail != "host web1 gives no logs: no such container" {
		t.Errorf("%+v", p)
	}
	if p := s.get("/v1/instances/1a-2/logs").problem(t, 503, "unavailable"); p.Detail != "host web2 gives no logs: no such file" {
		t.Errorf("%+v", p)
	}
	s.get("/v1/instances/2b-1/logs").problem(t, 500, "internal")
}

func TestLogsAreBounded(t *testing.T) {
	s, _ := serveAgents(t, func(string, fleet.Ask) io.Reader {
		return strings.NewReader(strings.Repeat("123456789\n", 100))
	}, func(o *Options) { o.Limits.LogBytes = 500 })
	if a := s.get("/v1/instances/1a-1/logs"); a.body != strings.Repeat("123456789\n", 50)+"\n(cut off after 500 bytes)\n" {
		t.Errorf("one: %q", a.body)
	}
	if a := s.get("/v1/projects/shop/services/web/logs"); !strings.HasSuffix(a.body, "\n(cut off after 500 bytes)\n") || len(a.body) != 527 || strings.Contains(a.body, "1a-2") {
		t.Errorf("several: %d bytes: %q", len(a.body), a.body)
	}
}

func TestStreamsAreCounted(t *testing.T) {
	s, agents := serveAgents(t, func(string, fleet.Ask) io.Reader { return nil },
		func(o *Options) { o.Limits.Streams = 1 })
	var waiting sync.WaitGroup
	waiting.Go(func() { s.get("/v1/instances/1a-1/logs") })
	poll(t, func() bool { agents.mu.Lock(); defer agents.mu.Unlock(); return len(agents.asked) == 1 })
	s.get("/v1/instances/1a-2/logs").problem(t, 503, "unavailable")
	s.call("POST", agents.asked[0].Stream, "done")
	waiting.Wait()
	waiting.Go(func() { s.get("/v1/instances/1a-2/logs") })
	poll(t, func() bool { agents.mu.Lock(); defer agents.mu.Unlock(); return len(agents.asked) == 2 })
	s.call("POST", agents.asked[1].Stream, "done")
	waiting.Wait()
}

// An agent that sends on and on, or begins and says no more, holds nobody
// longer than the limit.
func TestAStreamThatDoesNotEnd(t *testing.T) {
	silence, tap := io.Pipe()
	defer tap.Close()
	s, agents := serveAgents(t, func(string, fleet.Ask) io.Reader {
		return io.MultiReader(strings.NewReader("begun\n"), silence)
	}, func(o *Options) { o.Limits.LogTime = 300 * time.Millisecond })
	a := s.get("/v1/instances/1a-1/logs")
	if a.body != "begun\n(the stream from host web1 broke off)\n" {
		t.Errorf("%q", a.body)
	}
	tap.Close()
	agents.group.Wait()
	poll(t, func() bool { return streamsOpen(s.api) == 0 })
}

func TestAReaderThatLeavesEndsTheStream(t *testing.T) {
	silence, tap := io.Pipe()
	defer tap.Close()
	s, agents := serveAgents(t, func(string, fleet.Ask) io.Reader {
		return io.MultiReader(strings.NewReader("begun\n"), silence)
	}, func(o *Options) { o.Limits.LogTime = time.Hour })
	response, err := s.conns.Get(s.url + "/v1/instances/1a-1/logs")
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 6)
	if _, err := io.ReadFull(response.Body, first); err != nil || string(first) != "begun\n" {
		t.Fatalf("%q %v", first, err)
	}
	s.call("POST", agents.asked[0].Stream, "me too").problem(t, 404, "not_found")
	response.Body.Close()
	poll(t, func() bool { return streamsOpen(s.api) == 0 })
	tap.Close()
	agents.group.Wait()
}

func TestLogsDontKeepTheServer(t *testing.T) {
	s, agents := serveAgents(t, func(string, fleet.Ask) io.Reader { return nil })
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if p := s.get("/v1/instances/1a-1/logs").problem(t, 503, "unavailable"); p.Detail != "the hub is stopping" {
			t.Errorf("%+v", p)
		}
	})
	poll(t, func() bool { agents.mu.Lock(); defer agents.mu.Unlock(); return len(agents.asked) == 1 })
	s.stop()
	waiting.Wait()
}

func streamsOpen(a *API) int {
	a.streams.mu.Lock()
	defer a.streams.mu.Unlock()
	return a.streams.open
}
