//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/cluster"
)

// boots counts the times that a host was booted in these tests: its agent is
// told another boot id each time, since all hosts share this machine's kernel.
var boots = map[string]int{}

// broken is held by a test that breaks something beside others, until that is whole
// again: when they end, they mend what they find.
var broken sync.Mutex

// mend brings back whatever the test broke, one thing whatever becomes of the
// others.
func (p *project) mend() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	p.launchAll(ctx)
	p.allUp()
	for _, name := range names {
		if p.host(name).Availability == fleet.AvailabilityDrain {
			if _, err := p.c.Client.HostDo(ctx, name, client.HostActivate, client.Write{}); err != nil {
				p.Error(err)
			}
		}
	}
}

func (p *project) launchAll(ctx context.Context) {
	broken.Lock()
	defer broken.Unlock()
	for _, process := range p.odd {
		if err := process.Stop(); err != nil {
			p.Error(err)
		}
	}
	for _, name := range append([]string{cluster.HubHost}, names...) {
		if err := errors.Join(p.mendHost(ctx, name), p.launch(ctx, name)); err != nil {
			p.Errorf("mend %s: %v", name, err)
		}
	}
}

// mendHost brings back power, cable and engine.
func (p *project) mendHost(ctx context.Context, name string) error {
	host := p.c.Fleet.Host(name)
	switch {
	case p.off[name]:
		boots[name]++
		return host.Boot(ctx)
	case name == cluster.HubHost:
		return host.LinkUp(ctx)
	}
	return errors.Join(host.LinkUp(ctx), host.ResumeEngine(), host.StartEngine(ctx))
}

// process is the hub, or a host's agent.
func (p *project) process(name string) *cluster.Process {
	if name == cluster.HubHost {
		return p.c.Hub
	}
	return p.c.Agents[name]
}

// launch starts the hub or a host's agent, as far as it doesn't run.
func (p *project) launch(ctx context.Context, name string, extra ...string) error {
	process := p.process(name)
	if process.Pid() != 0 {
		return nil
	}
	if n := boots[name]; n > 0 {
		extra = append(extra, "--boot-id", fmt.Sprintf("%s-boot-%d", name, n))
	}
	return process.Start(ctx, extra...)
}

func (p *project) start(names ...string) {
	p.Helper()
	for _, name := range names {
		p.must(p.launch(p.ctx(), name))
	}
}

// startOddly starts the hub or an agent in a way that must not outlive the
// test.
func (p *project) startOddly(name string, extra ...string) {
	p.Helper()
	p.odd = append(p.odd, p.process(name))
	p.must(p.launch(p.ctx(), name, extra...))
}

func (p *project) startHub() {
	p.Helper()
	p.start(cluster.HubHost)
	p.hubAnswers()
}

func (p *project) hubAnswers() {
	p.Helper()
	p.until(time.Minute, "the hub answers", func() (bool, string) {
		_, err := p.c.Client.Version(p.ctx())
		return err == nil, fmt.Sprint(err)
	})
}

// kill ends the hub or a host's agent at once.
func (p *project) kill(name string) {
	p.Helper()
	p.must(p.process(name).Kill())
}

// stop ends the hub or a host's agent in good order.
func (p *project) stop(name string) {
	p.Helper()
	p.must(p.process(name).Stop())
}

// powerCut ends a host and all that runs on it, the agent too.
func (p *project) powerCut(host string) {
	p.Helper()
	p.off[host] = true
	p.must(p.c.Fleet.Host(host).PowerCut(p.ctx()))
	p.must(p.c.Agents[host].Wait(20 * time.Second))
}

// boot starts a host with its engine, without its agent.
func (p *project) boot(host string) {
	p.Helper()
	p.must(p.mendHost(p.ctx(), host))
	p.off[host] = false
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
