package readings

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// prober runs a prober for the test; its results are read from the channel.
func prober(t *testing.T) (*Prober, <-chan brain.ProbeResult) {
	t.Helper()
	results := make(chan brain.ProbeResult, 10_000)
	p := NewProber(func(r brain.ProbeResult) { results <- r })
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return p, results
}

// await reads results until one is as wanted.
func await(t *testing.T, results <-chan brain.ProbeResult, what string, want func(brain.ProbeResult) bool) brain.ProbeResult {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case r := <-results:
			if want(r) {
				return r
			}
		case <-deadline:
			t.Fatalf("waited too long for %s", what)
		}
	}
}

func ok(r brain.ProbeResult) bool { return r.OK }

func target(kind, address string) brain.ProbeTarget {
	return brain.ProbeTarget{
		Instance: "1a", Container: "c1", Type: kind, Address: address, Path: "/healthz",
		Interval: time.Hour, Timeout: 10 * time.Second,
	}
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l := listen(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func TestOutcomes(t *testing.T) {
	hangsUp := listen(t)
	go func() {
		for {
			conn, err := hangsUp.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	released := make(chan struct{})
	slow := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-released:
		case <-r.Context().Done():
		}
	})
	defer close(released)
	endless := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	})
	redirect := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+freeAddress(t), http.StatusFound)
	})
	path := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.RequestURI() != "/healthz" {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	for name, c := range map[string]struct{ kind, address, want string }{
		"HTTP, fine":             {fleet.ProbeHTTP, path, ""},
		"HTTP, no content":       {fleet.ProbeHTTP, serve(t, status(204)), ""},
		"HTTP, not followed":     {fleet.ProbeHTTP, redirect, ""},
		"HTTP, endless body":     {fleet.ProbeHTTP, endless, ""},
		"HTTP, not ready":        {fleet.ProbeHTTP, serve(t, status(503)), "HTTP 503"},
		"HTTP, not found":        {fleet.ProbeHTTP, serve(t, status(404)), "HTTP 404"},
		"HTTP, refused":          {fleet.ProbeHTTP, freeAddress(t), "connection refused"},
		"HTTP, hangs up":         {fleet.ProbeHTTP, hangsUp.Addr().String(), "connection closed without an answer"},
		"TCP, fine":              {fleet.ProbeTCP, listen(t).Addr().String(), ""},
		"TCP, refused":           {fleet.ProbeTCP, freeAddress(t), "connection refused"},
		"TCP, a proxy's hang up": {fleet.ProbeTCP, hangsUp.Addr().String(), "connection closed at once"},
		"neither":                {"udp", freeAddress(t), `unknown kind of probe "udp"`},
	} {
		t.Run(name, func(t *testing.T) {
			asked := target(c.kind, c.address)
			got := reasonOf(check(t.Context(), &asked), asked.Timeout)
			// A server that hangs up may be quicker than our request.
			if got != c.want && !(c.address == hangsUp.Addr().String() && got == "connection reset") {
				t.Errorf("reason %q, want %q", got, c.want)
			}
		})
	}
	t.Run("HTTP, too slow", func(t *testing.T) {
		p, results := prober(t)
		asked := target(fleet.ProbeHTTP, slow)
		asked.Timeout = 30 * time.Millisecond
		p.Set([]brain.ProbeTarget{asked})
		r := await(t, results, "a result", func(brain.ProbeResult) bool { return true })
		if r.OK || r.Reason != "no answer within 30ms" {
			t.Errorf("got %+v", r)
		}
	})
}

func TestFirstSuccessIsNoticedSoon(t *testing.T) {
	var ready atomic.Bool
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	p, results := prober(t)
	p.Set([]brain.ProbeTarget{target(fleet.ProbeHTTP, address)}) // an interval of an hour
	first := await(t, results, "the first result", func(brain.ProbeResult) bool { return true })
	if first.OK || first.Reason != "HTTP 503" || first.Instance != "1a" || first.Container != "c1" {
		t.Fatalf("got %+v", first)
	}
	await(t, results, "the second failure", func(r brain.ProbeResult) bool { return !r.OK })
	ready.Store(true)
	await(t, results, "success", ok)
}

func TestGoesOnByInterval(t *testing.T) {
	var fails atomic.Bool
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if fails.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	p, results := prober(t)
	asked := target(fleet.ProbeHTTP, address)
	asked.Interval = 5 * time.Millisecond
	p.Set([]brain.ProbeTarget{asked})
	await(t, results, "success", ok)
	fails.Store(true)
	await(t, results, "failure", func(r brain.ProbeResult) bool { return r.Reason == "HTTP 500" })
	fails.Store(false)
	await(t, results, "success again", ok)
}

func TestSetKeepsExactlyTheTargets(t *testing.T) {
	var hits [3]atomic.Int64
	targets := make([]brain.ProbeTarget, len(hits))
	for i := range targets {
		targets[i] = target(fleet.ProbeHTTP, serve(t, func(http.ResponseWriter, *http.Request) { hits[i].Add(1) }))
		targets[i].Instance = fmt.Sprint("i", i)
	}
	p, results := prober(t)
	p.Set(targets[:2])
	for i := range 2 {
		await(t, results, targets[i].Instance, func(r brain.ProbeResult) bool { return r.OK })
	}
	// The first stays and has an hour to wait; the second leaves; a third
	// comes; the first one's next container starts anew.
	p.Set([]brain.ProbeTarget{targets[0], targets[2]})
	await(t, results, "the third", func(r brain.ProbeResult) bool { return r.Instance == "i2" && r.OK })
	if n := hits[0].Load(); n != 1 {
		t.Errorf("the one that stayed was probed %d times", n)
	}
	next := targets[0]
	next.Container = "c2"
	p.Set([]brain.ProbeTarget{next})
	await(t, results, "the next container", func(r brain.ProbeResult) bool { return r.Container == "c2" && r.OK })
	p.Set(nil)
	p.Set([]brain.ProbeTarget{targets[2]})
	await(t, results, "the third, anew", func(r brain.ProbeResult) bool { return r.Instance == "i2" && r.OK })
	if n := hits[1].Load(); n != 1 {
		t.Errorf("the one that left was probed %d times", n)
	}
}

func TestManyTargets(t *testing.T) {
	var now, most atomic.Int64
	address := serve(t, func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
		}
		time.Sleep(time.Millisecond)
	})
	p, results := prober(t)
	const count = 300
	targets := make([]brain.ProbeTarget, count)
	for i := range targets {
		targets[i] = target(fleet.ProbeHTTP, address)
		targets[i].Instance = fmt.Sprint("i", i)
	}
	p.Set(targets)
	seen := map[string]bool{}
	for len(seen) < count {
		seen[await(t, results, "all targets", ok).Instance] = true
	}
	if most.Load() > probesAtOnce {
		t.Errorf("%d probes at once", most.Load())
	}
}

func TestHangingTargetsDelayOnlyTheirOwnService(t *testing.T) {
	var hanging atomic.Int64
	hangs := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		hanging.Add(1)
		<-r.Context().Done()
	})
	p, results := prober(t)
	var targets []brain.ProbeTarget
	for i := range 2 * probesAtOnce {
		slow := target(fleet.ProbeHTTP, hangs)
		slow.Instance, slow.Timeout = fmt.Sprint("i", i), time.Hour
		slow.Service = fleet.ServiceKey{Project: "shop", Name: "slow"}
		targets = append(targets, slow)
	}
	p.Set(targets)
	for deadline := time.Now().Add(30 * time.Second); hanging.Load() < probesAtOnce; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d probes hang", hanging.Load())
		}
	}
	healthy := target(fleet.ProbeHTTP, serve(t, status(http.StatusOK)))
	healthy.Service = fleet.ServiceKey{Project: "shop", Name: "web"}
	p.Set(append(targets, healthy))
	await(t, results, "another service's probe", ok)
}

func TestRunEndsWithAHangingProbe(t *testing.T) {
	l := listen(t)
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			accepted <- conn
		}
	}()
	p := NewProber(func(r brain.ProbeResult) { t.Errorf("got %+v", r) })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	asked := target(fleet.ProbeHTTP, l.Addr().String())
	asked.Timeout = time.Hour
	p.Set([]brain.ProbeTarget{asked})
	conn := <-accepted
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the prober didn't end")
	}
	_ = conn.Close()
}
