//go:build e2e

// Package e2e tests Muster on real engines, with real balancers and load: a
// hub and three hosts, as a user has them.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/cluster"
)

var names = []string{"web1", "web2", "web3"}

const (
	// slower than at rest a machine may be that runs all tests.
	slower = 4
	// patience is how long commands wait for what will come.
	patience = "5m"
)

// shared is the fleet that tests share; each test has a project of its own and
// leaves the fleet as it found it.
var shared *cluster.Cluster

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var err error
	shared, err = cluster.Start(ctx, cluster.Options{
		Hosts: names, Balancers: []string{"web1"}, Dir: "/var/tmp",
		Logger: slog.New(slog.DiscardHandler), Open: true,
		AgentArgs: []string{"--haproxy-retries", "0", "--reconnect-max", "4s"}, // nobody waits long for an agent
		Labels:    map[string][]string{"web2": {"tier=back"}, "web3": {"tier=back"}},
	})
	if err != nil {
		return 1, fmt.Errorf("start the fleet: %w", err)
	}
	if err := loadApps(ctx, shared); err != nil {
		return 1, errors.Join(err, shared.Close())
	}
	code := m.Run()
	if code != 0 {
		shared.Logs(os.Stderr, 20_000)
	}
	return code, errors.Join(shared.Close(), goleak.Find())
}

// apps are the images of tests, by their tags, with their environments.
var apps = map[string][]string{
	"app:1": {"VERSION=1"}, "app:2": {"VERSION=2"},
	"rude:1": {"VERSION=1", "ON_TERM=exit"}, "rude:2": {"VERSION=2", "ON_TERM=exit"},
	"deaf:1": {"VERSION=1", "ON_TERM=ignore"},
	"err:3":  {"VERSION=3", "FAIL_EVERY=20"}, "ill:3": {"VERSION=3", "UNHEALTHY=1"}, "slow:3": {"VERSION=3", "SLOW=1s"}, "crash:3": {"VERSION=3", "CRASH_AFTER=6s"},
	"job:1": {"VERSION=1", "CRASH_AFTER=1s", "EXIT_CODE=0"}, "job:2": {"VERSION=2", "CRASH_AFTER=1s", "EXIT_CODE=3"},
}

// loadApps gives the engines of a fleet images of tests; no tags: all of them.
func loadApps(ctx context.Context, c *cluster.Cluster, tags ...string) error {
	some := apps
	if len(tags) > 0 {
		some = map[string][]string{}
		for _, tag := range tags {
			some[tag] = apps[tag]
		}
	}
	return c.LoadApps(ctx, some)
}

// project is one test's project on the shared fleet.
type project struct {
	*testing.T
	name  string
	c     *cluster.Cluster
	off   map[string]bool    // hosts without power
	odd   []*cluster.Process // that were started in a way of the test's own
	since uint64             // the revision of the last mark
}

// begin gives the test a project. However the test ends, what it broke of the
// fleet is mended, and the project is removed.
func begin(t *testing.T, name string) *project {
	p := &project{T: t, name: name, c: shared, off: map[string]bool{}}
	t.Cleanup(func() {
		if t.Failed() {
			p.dump()
		}
	})
	t.Cleanup(p.removeAll)
	t.Cleanup(p.mend)
	p.mark()
	return p
}

func (p *project) key(service string) fleet.ServiceKey {
	return fleet.ServiceKey{Project: p.name, Name: service}
}

func (p *project) removeAll() {
	p.Helper()
	list, err := p.c.Client.Services(p.ctx(), p.name)
	if err != nil {
		p.Errorf("list services: %v", err)
		return
	}
	for _, s := range list.Items {
		if _, err := p.c.Client.Remove(p.ctx(), s.Key, client.Write{}); err != nil {
			p.Errorf("remove %s: %v", s.Key, err)
		}
	}
	p.until(time.Minute, "the project is gone", func() (bool, string) {
		list, err := p.c.Client.Services(p.ctx(), p.name)
		if err != nil {
			return false, err.Error()
		}
		return len(list.Items) == 0, describe(list.Items)
	})
}

func describe(services []fleet.ServiceView) string {
	var out []string
	for _, s := range services {
		out = append(out, fmt.Sprintf("%s is %s (%d of %d ready): %s", s.Key, s.State, s.Ready, s.Desired, strings.Join(s.Reasons, "; ")))
	}
	return strings.Join(out, "\n")
}

func (p *project) dump() {
	if events, err := p.c.Client.Events(p.ctx(), client.EventFilter{Limit: 60}); err == nil {
		for _, e := range events.Items {
			p.Logf("%s %s %s: %s", e.Time.Format("15:04:05.000"), e.Source, e.Type, e.Data.Message)
		}
	}
}

func (p *project) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	p.Cleanup(cancel)
	return ctx
}

// until waits for a condition. The limit is that of a machine at rest, which one that
// runs all tests isn't: it tells what is stuck, not what is slow.
func (p *project) until(limit time.Duration, what string, done func() (bool, string)) {
	p.Helper()
	err := p.c.Until(context.Background(), slower*limit, what, func(context.Context) (bool, string) { return done() })
	if err != nil {
		p.Fatal(err)
	}
}

// muster runs the command line and returns what it printed.
func (p *project) muster(args ...string) (string, error) {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.c.CLI, append([]string{"--hub", p.c.URL}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

func (p *project) mustMuster(args ...string) string {
	p.Helper()
	out, err := p.muster(args...)
	if err != nil {
		p.Fatalf("muster %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// file writes a Compose file of the project's.
func (p *project) file(content string) string {
	p.Helper()
	return p.raw("name: " + p.name + "\n" + content)
}

// raw writes a Compose file.
func (p *project) raw(content string) string {
	p.Helper()
	path := filepath.Join(p.TempDir(), "compose.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		p.Fatal(err)
	}
	return path
}

// apply applies a Compose file and waits until it has converged.
func (p *project) apply(content string) string {
	p.Helper()
	return p.mustMuster("apply", "-f", p.file(content), "--wait", "--timeout", patience)
}

// web is a service of the test app, behind the balancer.
func web(image string, replicas, port int, more ...string) string {
	return fmt.Sprintf(`
services:
  web:
    image: %s
    stop_grace_period: 5s
    deploy:
      replicas: %d
      x-rollout: {monitor: 1s}
    x-lb:
      listen: %d
      target: 8080
      protocol: http
      check: {path: /healthz}
      drain: 20s
    x-probe: {http: /healthz, port: 8080, interval: 1s}
%s`, image, replicas, port, strings.Join(more, "\n"))
}

func (p *project) service(name string) fleet.ServiceView {
	p.Helper()
	v, err := p.c.Client.Service(p.ctx(), p.key(name))
	if err != nil {
		p.Fatal(err)
	}
	return v
}

func (p *project) host(name string) fleet.HostView {
	p.Helper()
	v, err := p.c.Client.Host(p.ctx(), name)
	if err != nil {
		p.Fatal(err)
	}
	return v
}

// converged waits until a service is as it was asked for.
func (p *project) converged(name string, limit time.Duration) fleet.ServiceView {
	p.Helper()
	var v fleet.ServiceView
	p.until(limit, name+" has converged", func() (bool, string) {
		var err error
		if v, err = p.c.Client.Service(p.ctx(), p.key(name)); err != nil {
			return false, err.Error()
		}
		return v.State == fleet.ServiceConverged, describe([]fleet.ServiceView{v})
	})
	return v
}

func (p *project) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// exits runs a command line that has to end with a code, and returns what it
// said.
func (p *project) exits(code int, args ...string) string {
	p.Helper()
	out, err := p.muster(args...)
	var exit *exec.ExitError
	switch {
	case err == nil && code == 0:
	case !errors.As(err, &exit) || exit.ExitCode() != code:
		p.Fatalf("muster %s: %v, not exit status %d\n%s", strings.Join(args, " "), err, code, out)
	}
	return out
}

// says fails when a text lacks one of the parts. White space doesn't count:
// tables wrap their cells.
func (p *project) says(text string, parts ...string) {
	p.Helper()
	flat := strings.Join(strings.Fields(text), " ")
	for _, part := range parts {
		if !strings.Contains(flat, part) {
			p.Errorf("%q is missing in:\n%s", part, text)
		}
	}
}

// on runs a program on a host and returns what it printed.
func (p *project) on(host, program string, args ...string) (string, error) {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var out bytes.Buffer
	cmd := p.c.Fleet.Host(host).Command(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}
