//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/test/load"
)

// worstLatency is the longest that the worst request may take beyond its own slowness,
// and beyond what a hundredth of all takes: a machine may be slow, too. It is far above
// what is measured: a request that waited for a dead endpoint would hang until
// HAProxy's timeouts, which are longer.
func worstLatency(r load.Result) time.Duration { return 3*time.Second + r.Latency.P99 }

// app is one of the services under load.
type app struct {
	*project
	port       int
	first, new string // images
	load       *load.Generator
	end        <-chan load.Result
}

// upheaval is everything that moves instances on purpose, to all apps at once.
func upheaval(apps []*app) {
	all := func(what string, do func(a *app)) {
		began := time.Now()
		var group errgroup.Group
		for _, a := range apps {
			group.Go(func() error { do(a); return nil })
		}
		_ = group.Wait() // do reports to the test
		apps[0].Logf("%s took %s", what, time.Since(began).Round(100*time.Millisecond))
	}
	steer := func(args ...string) func(a *app) {
		return func(a *app) {
			with := append([]string(nil), args...)
			with[1] = a.name + "/web" + with[1]
			if out, err := a.muster(with...); err != nil {
				a.Errorf("muster %v: %v\n%s", with, err, out)
			}
		}
	}
	p := apps[0]
	all("scale to 6", steer("scale", "=6", "--wait"))
	p.reloadHAProxy()
	all("scale to 3", steer("scale", "=3", "--wait"))
	all("restart", steer("restart", "", "--wait"))
	p.reloadHAProxy()
	p.mustMuster("host", "drain", "web2", "--wait")
	p.mustMuster("host", "activate", "web2")
	all("replace", func(a *app) {
		out, err := a.muster("apply", "-f", a.file(web(a.new, 4, a.port)), "--wait", "--timeout", patience)
		if err != nil || !strings.Contains(out, "spec.image") {
			a.Errorf("replace: %v\n%s", err, out)
		}
	})
	all("another port and check behind the same listener", func(a *app) {
		moved := strings.NewReplacer("8080", "9090", "/healthz", "/ready").Replace(web(a.new, 4, a.port)) +
			`    environment: {PORT: "9090", HEALTH: /ready}`
		out, err := a.muster("apply", "-f", a.file(moved), "--wait", "--timeout", patience)
		if err != nil || !strings.Contains(out, "balancing.routes") {
			a.Errorf("move: %v\n%s", err, out)
		}
	})
}

// TestNothingIsDropped moves instances in every way there is while requests
// come in that nobody retries: none may fail, neither for the clients nor
// between HAProxy and an instance. The service exits at once on SIGTERM; in long tests
// there is another one, which stops gracefully.
func TestNothingIsDropped(t *testing.T) {
	apps := []*app{{project: begin(t, "rude"), port: 9012, first: "rude:1", new: "rude:2"}}
	rate, enough := 100.0, 4_000
	if long {
		apps = append(apps, &app{project: begin(t, "graceful"), port: 9011, first: "app:1", new: "app:2"})
		rate, enough = 400, 20_000
	}
	for _, a := range apps {
		a.apply(web(a.first, 3, a.port))
	}
	stop := apps[0].watchHAProxy()
	for _, a := range apps {
		options := load.DefaultOptions(a.url(a.port))
		options.Rate = rate
		options.Total = 1_000_000        // Stop ends it
		options.WSLife = 8 * time.Second // well within the drain timeout, which cuts what lasts longer
		a.load, a.end = a.under(options)
	}
	upheaval(apps)
	for _, a := range apps {
		a.until(5*time.Minute, "enough requests were sent", func() (bool, string) {
			sent := a.load.Snapshot().Sent
			return sent >= enough, fmt.Sprint(sent)
		})
		a.must(a.load.Stop(a.ctx()))
	}
	for _, a := range apps {
		a.judge(<-a.end, enough)
	}
	seen := stop()
	t.Logf("HAProxy: %s", seen)
	if seen.missed != nil || seen.sessions == 0 || len(seen.workers) < 4 {
		t.Errorf("of HAProxy's four workers or more, %d were seen, with up to %d sessions; at last: %v", len(seen.workers), seen.sessions, seen.missed)
	}
	if len(seen.troubles) > 0 {
		t.Errorf("HAProxy had to retry, or had failures: %s", seen)
	}
}

func (a *app) judge(r load.Result, enough int) {
	a.Helper()
	a.Logf("%s: %d sent, %d failed; latency p50 %s, p99 %s, worst %s; by version %v; %d instances answered",
		a.name, r.Sent, r.Failed, r.Latency.P50, r.Latency.P99, r.Latency.Max, r.ByVersion, len(r.ByInstance))
	if err := r.Err(); err != nil {
		a.Errorf("%s: %v; %+v", a.name, err, r.Failures)
	}
	if r.Sent < enough {
		a.Errorf("%s: only %d requests were sent", a.name, r.Sent)
	}
	if r.Latency.Max > worstLatency(r) {
		a.Errorf("%s: the worst latency was %s", a.name, r.Latency.Max)
	}
	if r.ByVersion["1"] == 0 || r.ByVersion["2"] == 0 {
		a.Errorf("%s: both versions should have answered: %v", a.name, r.ByVersion)
	}
}

// TestDropsWithoutTheBarrier shows that the test above can fail: with the
// drain barrier switched off, the service that exits at once loses requests.
func TestDropsWithoutTheBarrier(t *testing.T) {
	p := begin(t, "nobarrier")
	p.stop("hub")
	p.startOddly("hub", "--without-barrier")
	p.allUp()
	p.apply(web("rude:1", 3, 9013))
	stop := p.watchHAProxy()
	generator, end := p.under(load.DefaultOptions(p.url(9013)))
	for range 5 {
		p.mustMuster("scale", "nobarrier/web=6", "--wait")
		p.mustMuster("scale", "nobarrier/web=1", "--wait")
		if generator.Snapshot().Failed > 0 {
			break
		}
	}
	p.must(generator.Stop(p.ctx()))
	result, seen := <-end, stop()
	t.Logf("without the barrier: %d sent, %d failed; HAProxy: %s", result.Sent, result.Failed, seen)
	if result.Failed == 0 || len(seen.troubles) == 0 {
		t.Error("nothing was dropped without the barrier: the load proves nothing")
	}
}
