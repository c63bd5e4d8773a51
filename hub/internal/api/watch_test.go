package api

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// watcher reads the events of a stream.
type watcher struct {
	t     *testing.T
	lines *bufio.Scanner
	close func()
}

type sseEvent struct{ id, name, data string }

func (s *server) watch(path string, headers ...string) *watcher {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.conns.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	w := &watcher{t: s.t, lines: bufio.NewScanner(response.Body)}
	w.close = func() { cancel(); response.Body.Close() }
	s.t.Cleanup(w.close)
	return w
}

// next returns the next event; ok is false at the end of the stream. Comments
// come as events with data only.
func (w *watcher) next() (event sseEvent, ok bool) {
	w.t.Helper()
	for w.lines.Scan() {
		field, value, _ := strings.Cut(w.lines.Text(), ": ")
		switch field {
		case "id":
			event.id = value
		case "event":
			event.name = value
		case "data":
			event.data = value
		case "":
			if value != "" {
				event.data = value
				continue
			}
			return event, true
		}
	}
	return event, false
}

func (w *watcher) expect(id, name, data string) {
	w.t.Helper()
	event, ok := w.next()
	if !ok || event.id != id || event.name != name || !strings.Contains(event.data, data) {
		w.t.Fatalf("event %+v, %v; want %s %s with %q", event, ok, id, name, data)
	}
}

func (w *watcher) expectEnd() {
	w.t.Helper()
	if event, ok := w.next(); ok {
		w.t.Fatalf("event %+v; want the end", event)
	}
}

// changes is a Watch that notes where it began and sends what it is given.
type changes struct {
	mu    sync.Mutex
	since []uint64
	ch    chan fleet.Change
}

func (c *changes) watch(_ context.Context, since uint64) (<-chan fleet.Change, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since = append(c.since, since)
	return c.ch, nil
}

func TestWatch(t *testing.T) {
	s := serve(t)
	c := &changes{ch: make(chan fleet.Change, 10)}
	s.fleet.watch = c.watch
	w := s.watch("/v1/watch")
	w.expect("", "", "watching")
	c.ch <- fleet.Change{Revision: 43, Services: []fleet.ServiceKey{web}, Hosts: []string{"web1"}}
	c.ch <- fleet.Change{Revision: 45, Events: []fleet.Event{{ID: "e\n1"}}}
	w.expect("43", "change", `"services":["shop/web"],"hosts":["web1"]`)
	w.expect("45", "change", `"id":"e\n1"`)
	w.close()
	s.watch("/v1/watch?since=41").expect("", "", "watching")
	s.watch("/v1/watch?since=12", "Last-Event-ID", "39").expect("", "", "watching")
	if want := []uint64{42, 41, 39}; !equal(c.since, want) {
		t.Errorf("watched since %v; want %v", c.since, want)
	}
	s.call("GET", "/v1/watch", "", "Last-Event-ID", "x").problem(t, 422, "invalid")
}

func equal(a, b []uint64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestAWatcherThatWasTooSlowIsReset(t *testing.T) {
	s := serve(t)
	c := &changes{ch: make(chan fleet.Change, 1)}
	s.fleet.watch = c.watch
	w := s.watch("/v1/watch?since=40")
	w.expect("", "", "watching")
	c.ch <- fleet.Change{Revision: 41}
	close(c.ch)
	w.expect("41", "change", "")
	w.expect("42", "reset", `{"revision":42,"reason":"the watcher was too slow"}`)
	w.expectEnd()
}

func TestAWatcherThatWasAwayTooLongIsReset(t *testing.T) {
	s := serve(t)
	s.fleet.watch = func(context.Context, uint64) (<-chan fleet.Change, error) {
		return nil, fleet.NotFound("too old")
	}
	w := s.watch("/v1/watch?since=1")
	w.expect("42", "reset", "no longer known")
	w.expectEnd()
	w = s.watch("/v1/watch?since=0")
	w.expect("42", "reset", "since it was empty")
	w.expectEnd()
	w = s.watch("/v1/watch?since=43") // from before the hub's state was restored
	w.expect("42", "reset", "has not reached that revision")
	w.expectEnd()
	s.fleet.watch = func(context.Context, uint64) (<-chan fleet.Change, error) { return nil, errors.New("no") }
	s.get("/v1/watch").problem(t, 500, "internal")
}

func TestHeartbeats(t *testing.T) {
	s := serve(t, func(o *Options) { o.Limits.Heartbeat = 5 * time.Millisecond })
	s.fleet.watch = (&changes{}).watch
	w := s.watch("/v1/watch")
	w.expect("", "", "watching")
	w.expect("", "", "still here")
	w.expect("", "", "still here")
}

func TestWatchersAreCounted(t *testing.T) {
	s := serve(t, func(o *Options) { o.Limits.Watchers = 2 })
	s.fleet.watch = (&changes{}).watch
	first, second := s.watch("/v1/watch"), s.watch("/v1/watch")
	first.expect("", "", "watching")
	second.expect("", "", "watching")
	s.get("/v1/watch").problem(t, 503, "unavailable")
	if !strings.Contains(s.get("/metrics").body, "muster_http_watchers 2") {
		t.Error("the metrics don't count two watchers")
	}
	first.close()
	poll(t, func() bool { return len(s.api.watchers) == 1 })
	s.watch("/v1/watch").expect("", "", "watching")
}

// A watcher that takes nothing is cut off; the fleet isn't kept waiting.
func TestAWatcherThatTakesNothingIsCutOff(t *testing.T) {
	s := serve(t, func(o *Options) { o.Limits.WriteTime = 100 * time.Millisecond })
	c := &changes{ch: make(chan fleet.Change)}
	s.fleet.watch = c.watch
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET /v1/watch HTTP/1.1\r\nHost: hub\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	poll(t, func() bool { return len(s.api.watchers) == 1 })
	large := strings.Repeat("x", 1<<20)
	deadline := time.After(time.Minute)
	for i := 0; len(s.api.watchers) > 0; i++ {
		select {
		case c.ch <- fleet.Change{Revision: uint64(i), Hosts: []string{large}}:
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			t.Fatal("it is still served")
		}
	}
}

func TestWatchersDontKeepTheServer(t *testing.T) {
	s := serve(t)
	s.fleet.watch = (&changes{}).watch
	w := s.watch("/v1/watch")
	w.expect("", "", "watching")
	s.stop()
	w.expectEnd()
}

func TestWatchOutlastsDeadlines(t *testing.T) {
	s := serve(t, func(o *Options) {
		o.Limits.RequestTime, o.Limits.OrderTime = 100*time.Millisecond, 100*time.Millisecond
		o.Limits.Heartbeat = 50 * time.Millisecond
	})
	s.fleet.watch = (&changes{}).watch
	w := s.watch("/v1/watch")
	for i := range 12 {
		if _, ok := w.next(); !ok {
			t.Fatal("it ended after", strconv.Itoa(i))
		}
	}
}

// poll waits until a condition holds.
func poll(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never came about")
		}
	}
}
