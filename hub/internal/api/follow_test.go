package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// living is a fleet whose one service has instances that come and go.
type living struct {
	fakeView
	mu        sync.Mutex // guards the rest
	instances []string
	removed   bool
	older     bool // the agents
}

func (l *living) set(removed bool, instances ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removed, l.instances = removed, instances
}

func (l *living) Instances(fleet.ServiceKey, string) (all []fleet.InstanceView) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range l.instances {
		in := fleet.InstanceView{ID: id, Service: web, Host: "web1"}
		if in.Actual.Container = "c-" + id; strings.HasPrefix(id, "new") {
			in.Actual.Container = "" // not made yet
		}
		all = append(all, in)
	}
	return all
}

func (l *living) Service(key fleet.ServiceKey) (fleet.ServiceView, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fleet.ServiceView{Key: key}, !l.removed
}

func (l *living) Host(id string) (fleet.HostView, bool) {
	h := fleet.HostView{ID: id, Status: fleet.HostStatus{State: fleet.HostUp}}
	if !l.older {
		h.Facts.Features = []string{fleet.FeatureFollow}
	}
	return h, true
}

// taps are where tests write what instances write.
type taps struct {
	mu   sync.Mutex // guards the rest
	all  map[string]*io.PipeWriter
	asks []fleet.Ask
}

// tap waits until an instance is followed for the nth time.
func (ts *taps) tap(t *testing.T, id string, n int) (w *io.PipeWriter) {
	t.Helper()
	poll(t, func() bool {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		times := 0
		for _, ask := range ts.asks {
			if ask.Instance == id {
				times++
			}
		}
		w = ts.all[id]
		return times >= n
	})
	return w
}

func (ts *taps) ask(id string) (last fleet.Ask) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, ask := range ts.asks {
		if ask.Instance == id {
			last = ask
		}
	}
	return last
}

// stamped is a line as the engine gives it, so many seconds after a moment.
func stamped(second int, text string) string {
	return time.Date(2026, 1, 1, 0, 0, second, 0, time.UTC).Format("2006-01-02T15:04:05.000000000Z") + " " + text + "\n"
}

func say(t *testing.T, w io.Writer, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if _, err := io.WriteString(w, line); err != nil {
			t.Fatalf("nobody takes %q: %v", line, err)
		}
	}
}

// reading is a caller who follows.
type reading struct {
	t    *testing.T
	body io.ReadCloser
	in   *bufio.Reader
	stop context.CancelFunc
}

func (r *reading) line() string {
	r.t.Helper()
	line, err := r.in.ReadString('\n')
	if err != nil {
		r.t.Fatalf("instead of a line: %v", err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (r *reading) wants(lines ...string) {
	r.t.Helper()
	for _, want := range lines {
		if got := r.line(); got != want {
			r.t.Errorf("got %q, want %q", got, want)
		}
	}
}

// ends reads to the end: io.EOF is a good one.
func (r *reading) ends() (rest string, err error) {
	raw, err := io.ReadAll(r.in)
	if err == nil {
		err = io.EOF
	}
	return string(raw), err
}

func followers(t *testing.T, l *living, change ...func(*Options)) (*server, *taps) {
	ts := &taps{all: map[string]*io.PipeWriter{}}
	s, _ := serveAgents(t, func(_ string, ask fleet.Ask) io.Reader {
		body, w := io.Pipe()
		ts.mu.Lock()
		defer ts.mu.Unlock()
		ts.all[ask.Instance], ts.asks = w, append(ts.asks, ask)
		return body
	}, append([]func(*Options){func(o *Options) {
		o.Fleet.(*fakeFleet).view = l
		o.Limits.FollowLook = 5 * time.Millisecond
	}}, change...)...)
	t.Cleanup(func() {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		for _, w := range ts.all {
			w.Close()
		}
	})
	return s, ts
}

func (s *server) follow(path string) *reading {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := s.conns.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s", path, response.Status)
	}
	s.t.Cleanup(func() { cancel(); response.Body.Close() })
	return &reading{t: s.t, body: response.Body, in: bufio.NewReader(response.Body), stop: cancel}
}

const webLogs = "/v1/projects/shop/services/web/logs"

// TestFollowService: lines come as they are written and whole; who comes joins in from
// its beginning, who goes leaves, and it is over when the service is.
func TestFollowService(t *testing.T) {
	l := &living{}
	l.set(false, "a", "b", "new")
	s, ts := followers(t, l)
	r := s.follow(webLogs + "?follow=true&tail=7&since=10m")
	a, b := ts.tap(t, "a", 1), ts.tap(t, "b", 1)
	if ask := ts.ask("a"); !ask.Follow || !ask.Stamps || ask.Tail != 7 || ask.Since.D() != 10*time.Minute || !ask.After.IsZero() {
		t.Errorf("asked %+v", ask)
	}
	say(t, a, stamped(1, "one"))
	r.wants("a | one")
	say(t, b, stamped(1, "two"), stamped(2, ""))
	r.wants("b | two", "b | ")
	say(t, a, stamped(2, "the begin")[:40])
	say(t, b, stamped(3, "between"))
	r.wants("b | between")
	say(t, a, "ning\n", "no stamp\n")
	r.wants("a | "+strings.TrimSuffix(stamped(2, "the begin")[31:40], "\n")+"ning", "a | no stamp")

	l.set(false, "a", "c")
	c := ts.tap(t, "c", 1)
	if ask := ts.ask("c"); ask.Tail != 0 || ask.Since != 0 {
		t.Errorf("who came later is asked %+v", ask)
	}
	say(t, b, stamped(4, "last words"))
	b.Close()
	say(t, c, stamped(4, "first words"))
	got := []string{r.line(), r.line()}
	if slices.Sort(got); !slices.Equal(got, []string{"b | last words", "c | first words"}) {
		t.Errorf("got %q", got)
	}
	l.set(true)
	time.Sleep(50 * time.Millisecond) // looked at: what ends now isn't asked again
	a.Close()
	c.Close()
	if rest, err := r.ends(); rest != "" || !errors.Is(err, io.EOF) {
		t.Errorf("it ends with %q, %v", rest, err)
	}
}

// TestFollowingGoesOn: over a restart of the container and a broken stream nothing is
// missed or told twice, and a stamp is there for those who want it.
func TestFollowingGoesOn(t *testing.T) {
	l := &living{}
	l.set(false, "a")
	s, ts := followers(t, l)
	r := s.follow("/v1/instances/a/logs?follow=true&timestamps=true")
	say(t, ts.tap(t, "a", 1), stamped(1, "one"), stamped(2, "two"))
	r.wants(strings.TrimSpace(stamped(1, "one")), strings.TrimSpace(stamped(2, "two")))
	ts.tap(t, "a", 1).Close()

	second := ts.tap(t, "a", 2)
	if ask := ts.ask("a"); ask.Tail != 0 || !ask.After.Equal(time.Date(2026, 1, 1, 0, 0, 2, 0, time.UTC)) {
		t.Errorf("asked anew: %+v", ask)
	}
	long := strings.Repeat("x", 100_000)
	say(t, second, stamped(2, "two"), stamped(2, long), stamped(3, "three"))
	r.wants(strings.TrimSpace(stamped(3, "three")))
	second.CloseWithError(errors.New("the agent is gone"))
	say(t, ts.tap(t, "a", 3), stamped(3, "three"), stamped(4, long))
	if got := r.line() + r.line(); got != strings.TrimSuffix(stamped(4, long), "\n") {
		t.Errorf("a long line has %d bytes", len(got))
	}
	l.set(false)
	time.Sleep(50 * time.Millisecond)
	ts.tap(t, "a", 3).Close()
	if rest, err := r.ends(); rest != "" || !errors.Is(err, io.EOF) {
		t.Errorf("it ends with %q, %v", rest, err)
	}
}

// TestFollowingEnds: when the caller leaves, the server stops, or the caller may no
// longer read it, nothing is left; and only an end that is one looks like it.
func TestFollowingEnds(t *testing.T) {
	for name, end := range map[string]func(s *server, r *reading){
		"the caller leaves": func(_ *server, r *reading) { r.stop(); r.body.Close() },
		"the server stops":  func(s *server, _ *reading) { s.api.endStreams() },
	} {
		t.Run(name, func(t *testing.T) {
			l := &living{}
			l.set(false, "a", "b")
			s, ts := followers(t, l)
			r := s.follow(webLogs + "?follow=true")
			say(t, ts.tap(t, "a", 1), stamped(1, "one"))
			r.wants("a | one")
			end(s, r)
			if _, err := r.ends(); errors.Is(err, io.EOF) {
				t.Error("it looks as if all was over")
			}
			poll(t, func() bool {
				s.api.streams.mu.Lock()
				defer s.api.streams.mu.Unlock()
				return s.api.streams.followed == 0 && len(s.api.followers) == 0
			})
		})
	}
}

// TestASlowReaderHoldsNothingUp: what isn't taken isn't read, so that nothing piles up
// here; and who takes nothing is cut off.
func TestASlowReaderHoldsNothingUp(t *testing.T) {
	l := &living{}
	l.set(false, "a")
	s, ts := followers(t, l, func(o *Options) { o.Limits.WriteTime = 500 * time.Millisecond })
	r := s.follow(webLogs + "?follow=true")
	tap := ts.tap(t, "a", 1)
	line, written := stamped(1, strings.Repeat("x", 1000)), make(chan int, 1)
	go func() {
		n := 0
		for ; n < 1<<30; n += len(line) {
			if _, err := io.WriteString(tap, line); err != nil {
				break
			}
		}
		written <- n
	}()
	select {
	case n := <-written: // the buffers of two connections, and a few lines
		if n > 32<<20 {
			t.Errorf("%d bytes were taken that nobody read", n)
		}
	case <-time.After(30 * time.Second):
		t.Error("who reads nothing isn't cut off")
	}
	if rest, err := r.ends(); errors.Is(err, io.EOF) || !strings.HasPrefix(rest, "a | xxx") {
		t.Errorf("it ends with %d bytes, %v", len(rest), err)
	}
}

func TestFollowersAreCounted(t *testing.T) {
	l := &living{}
	l.set(false, "a", "b")
	s, _ := followers(t, l, func(o *Options) { o.Limits.Followers, o.Limits.Followed = 1, 1 })
	r := s.follow(webLogs + "?follow=true")
	if got := r.line(); !strings.HasSuffix(got, " | (too many logs are being read)") {
		t.Errorf("got %q", got)
	}
	s.get(webLogs+"?follow=true").problem(t, 503, "unavailable")
	s.get("/v1/instances/z/logs?follow=true").problem(t, 404, "not_found")
	s.get(webLogs+"?since=yesterday").problem(t, 422, "invalid")
}

// TestOlderAgents aren't asked what they would misunderstand.
func TestOlderAgents(t *testing.T) {
	l := &living{older: true}
	l.set(false, "a")
	s, ts := followers(t, l)
	for _, q := range []string{"?since=1h", "?since=2026-01-01T00:00:00Z", "?timestamps=true"} {
		if p := s.get(webLogs+q).problem(t, 503, "unavailable"); !strings.Contains(p.Detail, "the agent of host web1 is older") {
			t.Errorf("%+v", p)
		}
	}
	r := s.follow(webLogs + "?follow=true")
	r.wants("a | (the agent of host web1 is older, and only shows the last lines)")
	if len(ts.asks) != 0 {
		t.Errorf("asked %+v", ts.asks)
	}
}
