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
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/cluster"
)

var names = []string{"web1", "web2", "web3"}

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
		Logger:    slog.New(slog.DiscardHandler),
		AgentArgs: []string{"--haproxy-retries", "0"},
		Labels:    map[string][]string{"web2": {"tier=back"}, "web3": {"tier=back"}},
	})
	if err != nil {
		return 1, fmt.Errorf("start the fleet: %w", err)
	}
	for tag, env := range map[string][]string{
		"app:1": {"VERSION=1"}, "app:2": {"VERSION=2"},
		"rude:1": {"VERSION=1", "ON_TERM=exit"}, "rude:2": {"VERSION=2", "ON_TERM=exit"},
		"deaf:1": {"VERSION=1", "ON_TERM=ignore"},
	} {
		if err := shared.LoadApp(ctx, tag, env...); err != nil {
			return 1, errors.Join(err, shared.Close())
		}
	}
	code := m.Run()
	if code != 0 {
		shared.Logs(os.Stderr, 20_000)
	}
	return code, shared.Close()
}

// project is one test's project on the shared fleet.
type project struct {
	*testing.T
	name string
	c    *cluster.Cluster
}

// begin gives the test a project; at its end the project is removed, and the
// fleet has to be whole again.
func begin(t *testing.T, name string) *project {
	p := &project{T: t, name: name, c: shared}
	t.Cleanup(func() {
		p.removeAll()
		if t.Failed() {
			p.dump()
		}
	})
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

// until waits for a condition; limits are generous, for slow machines.
func (p *project) until(limit time.Duration, what string, done func() (bool, string)) {
	p.Helper()
	err := p.c.Until(context.Background(), limit, what, func(context.Context) (bool, string) { return done() })
	if err != nil {
		p.Fatal(err)
	}
}

// muster runs the command line and returns what it printed.
func (p *project) muster(args ...string) (string, error) {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
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

// file writes a Compose file.
func (p *project) file(content string) string {
	p.Helper()
	path := filepath.Join(p.TempDir(), "compose.yaml")
	if err := os.WriteFile(path, []byte("name: "+p.name+"\n"+content), 0o600); err != nil {
		p.Fatal(err)
	}
	return path
}

// apply applies a Compose file and waits until it has converged.
func (p *project) apply(content string) string {
	p.Helper()
	return p.mustMuster("apply", "-f", p.file(content), "--wait", "--timeout", "90s")
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

// url is where the balancer offers a port.
func (p *project) url(port int) string {
	return fmt.Sprintf("http://%s:%d", p.c.Fleet.Host("web1").Address, port)
}

// answers asks the balancer n times and counts who answered.
func (p *project) answers(port, n int) map[string]int {
	p.Helper()
	out := map[string]int{}
	httpClient := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for range n {
		res, err := httpClient.Get(p.url(port))
		if err != nil {
			p.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			p.Fatalf("status %d", res.StatusCode)
		}
		out[res.Header.Get("X-Instance")]++
	}
	return out
}

// containers lists the project's containers on all engines.
func (p *project) containers() map[string]cluster.Container {
	p.Helper()
	all, err := p.c.Containers(p.ctx())
	if err != nil {
		p.Fatal(err)
	}
	for id, c := range all {
		if !strings.HasPrefix(c.Name, "muster-"+p.name+"-") {
			delete(all, id)
		}
	}
	return all
}

// elsewhere lists the project's containers on the other hosts.
func (p *project) elsewhere(than string) (out []cluster.Container) {
	p.Helper()
	for _, host := range names {
		if host == than {
			continue
		}
		list, err := p.c.ContainersOn(p.ctx(), host)
		if err != nil {
			p.Fatal(err)
		}
		for _, c := range list {
			if strings.HasPrefix(c.Name, "muster-"+p.name+"-") {
				out = append(out, c)
			}
		}
	}
	return out
}

func (p *project) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

func contains(text, part string) bool { return strings.Contains(text, part) }

// untouched fails when a container of before isn't there any more, or was
// started again.
func (p *project) untouched(before map[string]cluster.Container) {
	p.Helper()
	after := p.containers()
	for id, was := range before {
		is, ok := after[id]
		switch {
		case !ok:
			p.Errorf("container %s on %s is gone", was.Name, was.Host)
		case is.Started != was.Started || is.Restarts != was.Restarts || is.State != was.State:
			p.Errorf("container %s on %s was touched: %+v, was %+v", was.Name, was.Host, is, was)
		}
	}
	if len(after) != len(before) {
		p.Errorf("%d containers, were %d", len(after), len(before))
	}
}

// event waits for an event whose type and message match.
func (p *project) event(limit time.Duration, eventType, contains string) fleet.Event {
	p.Helper()
	var found fleet.Event
	p.until(limit, "event "+eventType+" with "+contains, func() (bool, string) {
		events, err := p.c.Client.Events(p.ctx(), client.EventFilter{Type: eventType, Limit: 200})
		if err != nil {
			return false, err.Error()
		}
		for _, e := range events.Items {
			if strings.Contains(e.Data.Message, contains) {
				found = e
				return true, ""
			}
		}
		return false, fmt.Sprintf("%d events of that type", len(events.Items))
	})
	return found
}
