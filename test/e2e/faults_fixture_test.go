//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/cluster"
)

// fault is a project of a test that breaks something of the fleet. However the
// test ends, what it broke is mended.
type fault struct {
	*project
	off   map[string]bool // hosts without power
	since uint64          // the revision of the last mark
}

// boots counts the times that a host was booted in these tests: its agent is
// told another boot id each time, since all hosts share this machine's kernel.
var boots = map[string]int{}

func beginFault(t *testing.T, name string) *fault {
	f := &fault{project: begin(t, name), off: map[string]bool{}}
	t.Cleanup(f.mend)
	f.mark()
	return f
}

// mark makes only what happens from now on count: for happened, soon and never.
func (f *fault) mark() {
	f.Helper()
	list, err := f.c.Client.Events(f.ctx(), client.EventFilter{Limit: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.since = list.Revision
}

// mend brings back whatever doesn't run.
func (f *fault) mend() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for _, name := range append([]string{cluster.HubHost}, names...) {
		host := f.c.Fleet.Host(name)
		if f.off[name] {
			f.boot(name)
			continue
		}
		if err := host.LinkUp(ctx); err != nil {
			f.Error(err)
		}
		if name == cluster.HubHost {
			continue
		}
		if err := host.StartEngine(ctx); err != nil {
			f.Error(err)
		}
	}
	f.startHub()
	for _, name := range names {
		f.startAgent(name)
	}
	f.allUp()
}

func (f *fault) startHub() {
	f.Helper()
	if f.c.Hub.Pid() != 0 {
		return
	}
	if err := f.c.Hub.Start(f.ctx()); err != nil {
		f.Fatal(err)
	}
	f.until(time.Minute, "the hub answers", func() (bool, string) {
		_, err := f.c.Client.Version(f.ctx())
		return err == nil, fmt.Sprint(err)
	})
}

func (f *fault) killHub() {
	f.Helper()
	if err := f.c.Hub.Kill(); err != nil {
		f.Fatal(err)
	}
}

func (f *fault) startAgent(host string) {
	f.Helper()
	if f.c.Agents[host].Pid() != 0 {
		return
	}
	var extra []string
	if n := boots[host]; n > 0 {
		extra = []string{"--boot-id", fmt.Sprintf("%s-boot-%d", host, n)}
	}
	if err := f.c.Agents[host].Start(f.ctx(), extra...); err != nil {
		f.Fatal(err)
	}
}

// powerCut ends a host and all that runs on it, the agent too.
func (f *fault) powerCut(host string) {
	f.Helper()
	f.off[host] = true
	if err := f.c.Fleet.Host(host).PowerCut(f.ctx()); err != nil {
		f.Fatal(err)
	}
	if err := f.c.Agents[host].Wait(20 * time.Second); err != nil {
		f.Fatal(err)
	}
}

// boot starts a host with its engine, without its agent.
func (f *fault) boot(host string) {
	f.Helper()
	boots[host]++
	if err := f.c.Fleet.Host(host).Boot(f.ctx()); err != nil {
		f.Fatal(err)
	}
	f.off[host] = false
}

func (f *fault) host(name string) fleet.HostView {
	f.Helper()
	view, err := f.c.Client.Host(f.ctx(), name)
	if err != nil {
		f.Fatal(err)
	}
	return view
}

// happened lists the events of a type since the last mark.
func (f *fault) happened(eventType string) []fleet.Event {
	f.Helper()
	list, err := f.c.Client.Events(f.ctx(), client.EventFilter{Since: f.since, Type: eventType, Limit: 500})
	if err != nil {
		f.Fatal(err)
	}
	return list.Items
}

// soon waits for an event since the last mark whose message has the text.
func (f *fault) soon(limit time.Duration, eventType, contains string) fleet.Event {
	f.Helper()
	var found fleet.Event
	f.until(limit, "event "+eventType+" with "+contains, func() (bool, string) {
		var seen []string
		for _, e := range f.happened(eventType) {
			if strings.Contains(e.Data.Message, contains) {
				found = e
				return true, ""
			}
			seen = append(seen, e.Data.Message)
		}
		return false, strings.Join(seen, "; ")
	})
	return found
}

// never fails if an event of a type happened since the last mark, unless it is
// about another project's service.
func (f *fault) never(eventTypes ...string) {
	f.Helper()
	for _, eventType := range eventTypes {
		for _, e := range f.happened(eventType) {
			if e.Data.Service == nil || e.Data.Service.Project == f.name {
				f.Errorf("%s: %s", eventType, e.Data.Message)
			}
		}
	}
}

// here lists the project's containers on some hosts only, so that the engines
// of others needn't answer.
func (f *fault) here(hosts ...string) map[string]cluster.Container {
	f.Helper()
	out := map[string]cluster.Container{}
	for _, host := range hosts {
		list, err := f.c.ContainersOn(f.ctx(), host)
		if err != nil {
			f.Fatal(err)
		}
		for _, c := range list {
			if strings.HasPrefix(c.Name, "muster-"+f.name+"-") {
				out[c.ID] = c
			}
		}
	}
	return out
}

// intact fails when one of these containers is gone or was started again.
func (f *fault) intact(before map[string]cluster.Container) {
	f.Helper()
	hosts := map[string]bool{}
	for _, c := range before {
		hosts[c.Host] = true
	}
	after := map[string]cluster.Container{}
	for host := range hosts {
		for id, c := range f.here(host) {
			after[id] = c
		}
	}
	for id, was := range before {
		if is, ok := after[id]; !ok || is != was {
			f.Errorf("container %s on %s was touched: %+v, was %+v", was.Name, was.Host, is, was)
		}
	}
}

// others are all hosts but one.
func others(than string) []string {
	var out []string
	for _, name := range names {
		if name != than {
			out = append(out, name)
		}
	}
	return out
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

// traffic asks the balancer all the time until it is stopped, and nothing
// twice.
func (p *project) traffic(port int) (stop func() (sent, failed int64, last error)) {
	var sent, failed atomic.Int64
	var last error // read after the end of the goroutine
	ctx, cancel := context.WithCancel(context.Background())
	p.Cleanup(cancel)
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			sent.Add(1)
			if _, err := ask(p.url(port)); err != nil {
				failed.Add(1)
				last = err
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	return func() (int64, int64, error) {
		cancel()
		done.Wait()
		return sent.Load(), failed.Load(), last
	}
}

// direct makes a connection for each request.
var direct = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// ask returns the instance that answered.
func ask(url string) (instance string, err error) {
	res, err := direct.Get(url)
	if err != nil {
		return "", err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d", res.StatusCode)
	}
	return res.Header.Get("X-Instance"), nil
}

// allAnswer waits until a number of instances answer on a port, and no request
// fails any more.
func (p *project) allAnswer(port, n int) {
	p.Helper()
	p.until(30*time.Second, "all answer", func() (bool, string) {
		answered := map[string]bool{}
		for range 5 * n {
			instance, err := ask(p.url(port))
			if err != nil {
				return false, err.Error()
			}
			answered[instance] = true
		}
		return len(answered) == n, fmt.Sprintf("%d answered", len(answered))
	})
}
