//go:build e2e

package e2e

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/load"
)

// The longest that the worst request may take beyond its own slowness. It is
// far above what is measured: a request that waited for a dead endpoint would
// hang until HAProxy's timeouts, which are longer.
const worstLatency = 3 * time.Second

// app is one of the services under load.
type app struct {
	*project
	port       int
	first, new string // images
	load       *load.Generator
	result     load.Result
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
		out, err := a.muster("apply", "-f", a.file(web(a.new, 4, a.port)), "--wait", "--timeout", "150s")
		if err != nil || !strings.Contains(out, "spec.image") {
			a.Errorf("replace: %v\n%s", err, out)
		}
	})
	all("another port and check behind the same listener", func(a *app) {
		moved := strings.NewReplacer("8080", "9090", "/healthz", "/ready").Replace(web(a.new, 4, a.port)) +
			`    environment: {PORT: "9090", HEALTH: /ready}`
		out, err := a.muster("apply", "-f", a.file(moved), "--wait", "--timeout", "150s")
		if err != nil || !strings.Contains(out, "balancing.routes") {
			a.Errorf("move: %v\n%s", err, out)
		}
	})
}

// TestNothingIsDropped moves instances in every way there is while requests
// come in that nobody retries: none may fail. One service stops gracefully,
// the other exits at once on SIGTERM.
func TestNothingIsDropped(t *testing.T) {
	apps := []*app{
		{project: begin(t, "graceful"), port: 9011, first: "app:1", new: "app:2"},
		{project: begin(t, "rude"), port: 9012, first: "rude:1", new: "rude:2"},
	}
	var loads errgroup.Group
	for _, a := range apps {
		a.apply(web(a.first, 3, a.port))
		options := load.DefaultOptions(a.url(a.port))
		options.Rate = 300
		options.Total = 1_000_000        // Stop ends it
		options.WSLife = 8 * time.Second // well within the drain timeout, which cuts what lasts longer
		var err error
		if a.load, err = load.New(options); err != nil {
			t.Fatal(err)
		}
	}
	before := haproxyCounters(t, apps[0].project, "wretr", "wredis")
	for _, a := range apps {
		loads.Go(func() (err error) {
			a.result, err = a.load.Run(context.Background())
			return err
		})
	}
	upheaval(apps)
	for _, a := range apps {
		a.until(5*time.Minute, "enough requests were sent", func() (bool, string) {
			sent := a.load.Snapshot().Sent
			return sent >= 20_000, fmt.Sprint(sent)
		})
		if err := a.load.Stop(a.ctx()); err != nil {
			t.Error(err)
		}
	}
	if err := loads.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, a := range apps {
		a.judge()
	}
	for name, value := range haproxyCounters(t, apps[0].project, "wretr", "wredis") {
		if value != before[name] {
			t.Errorf("HAProxy's %s went from %d to %d: it retried, though it must not have to", name, before[name], value)
		}
	}
}

func (a *app) judge() {
	a.Helper()
	r := a.result
	a.Logf("%s: %d sent, %d failed; latency p50 %s, p99 %s, worst %s; by version %v; %d instances answered",
		a.name, r.Sent, r.Failed, r.Latency.P50, r.Latency.P99, r.Latency.Max, r.ByVersion, len(r.ByInstance))
	if err := r.Err(); err != nil {
		a.Errorf("%s: %v; %+v", a.name, err, r.Failures)
	}
	if r.Sent < 20_000 {
		a.Errorf("%s: only %d requests were sent", a.name, r.Sent)
	}
	if r.Latency.Max > worstLatency {
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
	if err := p.c.Hub.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := p.c.Hub.Start(p.ctx(), "--without-barrier"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.c.Hub.Stop(); err != nil {
			t.Error(err)
		}
		if err := p.c.Hub.Start(p.ctx()); err != nil {
			t.Error(err)
		}
		p.allUp()
	})
	p.allUp()
	p.apply(web("rude:1", 3, 9013))
	g, err := load.New(load.DefaultOptions(p.url(9013)))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan load.Result, 1)
	go func() {
		result, _ := g.Run(context.Background())
		done <- result
	}()
	for range 5 {
		p.mustMuster("scale", "nobarrier/web=6", "--wait")
		p.mustMuster("scale", "nobarrier/web=1", "--wait")
		if g.Snapshot().Failed > 0 {
			break
		}
	}
	if err := g.Stop(p.ctx()); err != nil {
		t.Fatal(err)
	}
	result := <-done
	t.Logf("without the barrier: %d sent, %d failed", result.Sent, result.Failed)
	if result.Failed == 0 {
		t.Error("nothing was dropped without the barrier: the load proves nothing")
	}
}

// allUp waits until the hub hears every host.
func (p *project) allUp() {
	p.Helper()
	p.until(time.Minute, "every host is up", func() (bool, string) {
		list, err := p.c.Client.Hosts(p.ctx())
		if err != nil {
			return false, err.Error()
		}
		for _, h := range list.Items {
			if h.Status.State != fleet.HostUp || !h.Engine.Up {
				return false, h.ID + " is " + h.Status.State
			}
		}
		return len(list.Items) == len(names), fmt.Sprintf("%d hosts", len(list.Items))
	})
}

// haproxyDir is where web1's agent keeps its HAProxy's files.
func (p *project) haproxyDir() string {
	p.Helper()
	found, err := filepath.Glob(filepath.Join(p.c.StateDir("web1"), "*", "*.pid"))
	if err != nil || len(found) != 1 {
		p.Fatalf("HAProxy's pid file: %v, %v", found, err)
	}
	return filepath.Dir(found[0])
}

// reloadHAProxy has HAProxy read its file again, as an operator could.
func (p *project) reloadHAProxy() {
	p.Helper()
	files, err := filepath.Glob(filepath.Join(p.haproxyDir(), "*.pid"))
	if err != nil {
		p.Fatal(err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		p.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		p.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGUSR2); err != nil {
		p.Fatal(err)
	}
}

// haproxyCounters sums counters over all servers of HAProxy's current worker.
func haproxyCounters(t *testing.T, p *project, names ...string) map[string]int {
	t.Helper()
	sockets, err := filepath.Glob(filepath.Join(p.haproxyDir(), "*.sock"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, socket := range sockets {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			continue // the master's, or an old worker's
		}
		fmt.Fprint(conn, "show stat -1 4 -1\n")
		text, err := io.ReadAll(conn)
		conn.Close()
		if err != nil || !strings.HasPrefix(string(text), "# ") {
			continue
		}
		rows, err := csv.NewReader(strings.NewReader(strings.TrimSpace(string(text))[2:])).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for i, column := range rows[0] {
			for _, name := range names {
				if column == name {
					for _, row := range rows[1:] {
						n, _ := strconv.Atoi(row[i])
						out[name] += n
					}
				}
			}
		}
		return out
	}
	t.Fatal("HAProxy's statistics can't be read")
	return nil
}
