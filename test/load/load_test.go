package load

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fast is a run of total plain requests, quickly.
func fast(url string, total int) Options {
	return Options{
		URL: url, Rate: 2000, Total: total, KeepAliveShare: 0.5, Body: []byte("ping"),
		Timeout: patience, MaxInFlight: total, Seed: 1,
	}
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func run(t *testing.T, o Options) Result {
	t.Helper()
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	res, err := g.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if res.Sent != res.OK+res.Failed+res.Cut {
		t.Fatalf("sent is not ok + failed + cut: %v", res)
	}
	return res
}

// cutOff breaks a connection without an answer, after the request was read.
func cutOff(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

// A service that fails one request in a hundred: each failure is counted, and
// each request reaches the service once.
func TestCountsEveryFailure(t *testing.T) {
	const total = 1000
	for _, c := range []struct {
		name  string
		fail  func(http.ResponseWriter)
		error string
	}{
		{"with a status", func(w http.ResponseWriter) { w.WriteHeader(503) }, "status 503"},
		{"with a redirect", func(w http.ResponseWriter) { w.WriteHeader(302) }, "status 302"},
		{"by closing the connection", cutOff, "read: connection closed"},
		{"in the middle of the answer", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "10")
			_, _ = w.Write([]byte("half"))
			_ = http.NewResponseController(w).Flush()
			cutOff(w)
		}, "read: connection closed"},
	} {
		for _, keep := range []float64{0, 0.5, 1} {
			t.Run(c.name, func(t *testing.T) {
				var seen atomic.Int64
				url := serve(t, func(w http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					if string(body) != "ping" || r.Method != http.MethodPost {
						t.Errorf("%s %q", r.Method, body)
					}
					if seen.Add(1)%100 == 0 {
						c.fail(w)
						return
					}
					w.Header().Set("X-Instance", "i1")
					w.Header().Set("X-Version", "7")
				})
				o := fast(url, total)
				o.KeepAliveShare = keep
				res := run(t, o)
				if seen.Load() != total || res.Sent != total {
					t.Fatalf("%d sent, %d seen by the service, want %d", res.Sent, seen.Load(), total)
				}
				if res.Failed != total/100 || res.ByError[c.error] != total/100 || len(res.ByError) != 1 {
					t.Fatalf("want %d times %q: %v", total/100, c.error, res)
				}
				if res.ByInstance["i1"] != total-total/100 || res.ByVersion["7"] != total-total/100 {
					t.Fatalf("instances: %v", res)
				}
				if len(res.Failures) != total/100 || res.Failures[0].Error != c.error {
					t.Fatalf("failures: %+v", res.Failures)
				}
				if res.Err() == nil {
					t.Fatal("Err is nil")
				}
				if (keep == 0) != (res.Reused == 0) {
					t.Fatalf("keep-alive %v: %v", keep, res)
				}
			})
		}
	}
}

// Where net/http's client repeats a request by itself, this one must not: the
// second request on every connection meets a close.
func TestNeverRetriesOnAReusedConnection(t *testing.T) {
	var seen sync.Map
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if _, second := seen.LoadOrStore(r.RemoteAddr, true); second {
			cutOff(w)
		}
	})
	o := fast(url, 50)
	o.KeepAliveShare, o.MaxInFlight, o.Rate = 1, 1, 100
	res := run(t, o)
	if res.Reused == 0 || res.ByError["read: connection closed"] != res.Reused {
		t.Fatalf("every request over a reused connection must fail: %v", res)
	}
}

func TestAHealthyServiceFailsNothing(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) })
	res := run(t, fast(url, 500))
	if res.OK != 500 || res.Err() != nil {
		t.Fatal(res)
	}
	if res.Latency.P50 <= 0 || res.Latency.P99 < res.Latency.P50 || res.Latency.Max < res.Latency.P99 {
		t.Fatalf("latency %+v", res.Latency)
	}
}

func TestNobodyThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	o := fast("http://"+listener.Addr().String(), 20)
	o.IdleConns, o.IdleFor, o.WebSockets, o.WSPath, o.WSEvery = 2, time.Second, 1, "/ws", time.Second
	res := run(t, o)
	if res.OK != 0 || res.ByError["dial: connection refused"] != res.Sent || res.WebSockets.Failed == 0 {
		t.Fatal(res)
	}
}

func TestTimeout(t *testing.T) {
	release := make(chan struct{})
	url := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	o := fast(url, 3)
	o.Timeout = time.Second
	if res := run(t, o); res.ByError["read: timeout"] != 3 {
		t.Fatal(res)
	}
}

// An open loop: requests go out although none is answered, and the wait of the
// early ones shows in the latency.
func TestRequestsStartByTheClock(t *testing.T) {
	const total = 40
	var arrived atomic.Int64
	all := make(chan struct{})
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		if arrived.Add(1) == total {
			close(all)
		}
		<-all
	})
	o := fast(url, total)
	o.Rate = 100 // the last is due 390 ms after the first
	res := run(t, o)
	if res.OK != total || res.Latency.Max < 390*time.Millisecond {
		t.Fatal(res)
	}
}

func TestInFlightIsBounded(t *testing.T) {
	release := make(chan struct{})
	url := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	o := fast(url, 20)
	o.MaxInFlight = 5
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan Result, 1)
	go func() { res, _ := g.Run(t.Context()); done <- res }()
	until(t, "15 are refused", func() bool { return g.Snapshot().Failed == 15 })
	if open := g.InFlight(); open != 5 {
		t.Errorf("%d are in flight, not 5", open)
	}
	close(release)
	if res := <-done; res.OK != 5 || res.ByError["too many requests in flight"] != 15 {
		t.Fatal(res)
	}
}

func TestSlowRequests(t *testing.T) {
	var slow atomic.Int64
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" && strings.HasPrefix(r.URL.RawQuery, "ms=3") {
			slow.Add(1)
		}
	})
	o := fast(url+"/elsewhere", 1000)
	o.SlowShare, o.SlowPath, o.SlowMin, o.SlowMax = 0.1, "/slow", 30*time.Millisecond, 39*time.Millisecond
	if res := run(t, o); res.OK != 1000 || slow.Load() < 70 || slow.Load() > 130 {
		t.Fatalf("%d of 1000 were slow; %v", slow.Load(), res)
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited %v until %s", patience, what)
}

func TestStop(t *testing.T) {
	for _, c := range []struct {
		name    string
		release bool // the service answers before Stop's time is over
		want    func(Result) bool
	}{
		{"lets what is in flight finish", true, func(r Result) bool { return r.OK == r.Sent }},
		{"cuts what takes too long", false, func(r Result) bool { return r.Cut == r.Sent }},
	} {
		t.Run(c.name, func(t *testing.T) {
			release := make(chan struct{})
			var arrived atomic.Int64
			url := serve(t, func(http.ResponseWriter, *http.Request) { arrived.Add(1); <-release })
			freed := sync.OnceFunc(func() { close(release) })
			t.Cleanup(freed)
			g, err := New(fast(url, 1_000_000))
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan Result, 1)
			go func() { res, _ := g.Run(t.Context()); done <- res }()
			until(t, "10 requests arrived", func() bool { return arrived.Load() >= 10 })

			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if c.release {
				go func() {
					<-g.stopping
					freed()
				}()
			} else {
				cancel()
			}
			if err := g.Stop(ctx); (err == nil) != c.release {
				t.Fatalf("Stop: %v", err)
			}
			if res := <-done; res.Sent < 10 || res.Failed != 0 || !c.want(res) {
				t.Fatal(res)
			}
		})
	}
}

func TestRunsOnce(t *testing.T) {
	g, err := New(fast(serve(t, func(http.ResponseWriter, *http.Request) {}), 1))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Stop(t.Context()); err != nil || g.Snapshot().Sent != 0 {
		t.Fatal("Stop before Run")
	}
	if _, err := g.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Run(t.Context()); err == nil {
		t.Fatal("ran twice")
	}
}

// What the service refuses by itself is told from what is lost on the way to it.
func TestRefusedIsNotLost(t *testing.T) {
	var n atomic.Int64
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		switch n.Add(1) % 4 {
		case 0: // no program of the service answers
			w.WriteHeader(503)
		case 1:
			w.Header().Set("X-Version", "3")
			w.WriteHeader(500)
		case 2: // an answer that is cut off
			w.Header().Set("X-Version", "3")
			w.Header().Set("Content-Length", "9")
			w.WriteHeader(500)
			_, _ = io.WriteString(w, "half")
		default:
			w.Header().Set("X-Version", "2")
		}
	})
	res := run(t, fast(url, 40))
	if res.Failed != 30 || res.RefusedBy["3"] != 10 || len(res.RefusedBy) != 1 || res.Lost() != 20 {
		t.Fatalf("%d are lost of %v", res.Lost(), res)
	}
}
