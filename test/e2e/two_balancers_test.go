//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/test/cluster"
	"github.com/musterhq/muster/test/load"
)

// unreachableAfter is how long a balancer has to be silent and unreachable until it
// isn't waited for, here.
const unreachableAfter = 6 * time.Second

// TestTwoBalancers offers one service on two balancers under load, and takes one of
// them away in every way there is: no request fails on the other, nothing is stopped
// that one of them may still send to, and nothing waits for ever.
func TestTwoBalancers(t *testing.T) {
	t.Parallel()
	p := onTwoBalancers(t)
	p.apply(pair("app:1", 4))
	first, second := p.loads("lb1"), p.loads("lb2")

	p.apply(pair("app:2", 4))
	p.both("a new version comes", first, second)

	p.kill("lb2") // its agent alone: the balancer goes on
	p.mustMuster("scale", "pair/web=2")
	time.Sleep(unreachableAfter + 4*time.Second)
	if n := p.runningOn("web1", "web2"); n != 4 {
		t.Errorf("%d instances run while lb2/haproxy may still send to all 4", n)
	}
	p.says(p.mustMuster("service", "pair/web"), "lb2/haproxy still has to acknowledge")
	p.start("lb2")
	p.converged("web", time.Minute)
	p.both("a balancer's agent is dead, and comes back", first, second)

	p.whole(second.g, second.end, "") // what comes costs its own clients something
	p.endBalancer("lb2")
	p.mustMuster("scale", "pair/web=4", "--wait")
	p.endBalancer("lb2")
	p.mustMuster("scale", "pair/web=2", "--wait")
	p.both("a balancer is killed", first)

	p.powerCut("lb2")
	cut := time.Now()
	p.mustMuster("scale", "pair/web=1")
	for time.Since(cut) < unreachableAfter {
		if n := p.runningOn("web1", "web2"); n != 2 {
			t.Fatalf("%d instances run %s after lb2 went silent", n, time.Since(cut))
		}
		time.Sleep(200 * time.Millisecond)
	}
	p.until(time.Minute, "a dead balancer isn't waited for", func() (bool, string) {
		return p.runningOn("web1", "web2") == 1, p.mustMuster("service", "pair/web")
	})
	t.Logf("the instance went %s after lb2 had lost its power", time.Since(cut).Round(100*time.Millisecond))
	p.both("a balancer's host is dead", first)

	p.boot("lb2")
	p.start("lb2")
	p.mustMuster("scale", "pair/web=4", "--wait")
	second = p.loads("lb2")
	p.whole(first.g, first.end, "")
	p.mustMuster("host", "rm", "lb1", "--wait", "--timeout", patience, "--yes") // drained: its balancer ends when its clients have gone
	p.mustMuster("scale", "pair/web=2", "--wait")
	p.apply(pair("app:1", 2))
	p.both("a balancer leaves the fleet", second)
	p.whole(second.g, second.end, "")
}

// onTwoBalancers is a project on a fleet with two balancers and two hosts for its
// instances.
func onTwoBalancers(t *testing.T) *project {
	return ofItsOwn(t, "pair", cluster.Options{
		Hosts: []string{"lb1", "lb2", "web1", "web2"}, Balancers: []string{"lb1", "lb2"},
		HubArgs: []string{"--unreachable-after", unreachableAfter.String()},
		Labels:  map[string][]string{"web1": {"tier=web"}, "web2": {"tier=web"}},
	}, "app:1", "app:2")
}

// pair is the file of a service that runs where no balancer is.
func pair(image string, replicas int) string {
	return strings.Replace(web(image, replicas, 7320), "deploy:", "deploy:\n      placement: {constraints: [node.labels.tier==web]}", 1)
}

// side is the load on one of the balancers.
type side struct {
	host string
	g    *load.Generator
	end  <-chan load.Result
}

func (p *project) loads(host string) side {
	p.Helper()
	options := load.DefaultOptions(fmt.Sprintf("http://%s:7320", p.c.Fleet.Host(host).Address))
	options.Rate, options.Total = 60, 1_000_000
	options.WSLife = 8 * time.Second
	g, end := p.under(options)
	return side{host, g, end}
}

// both says how the loads have gone until now.
func (p *project) both(what string, sides ...side) {
	p.Helper()
	for _, s := range sides {
		now := s.g.Snapshot()
		p.Logf("%s: %s sent %d, %d failed", what, s.host, now.Sent, now.Failed)
		if now.Failed > 0 {
			p.Errorf("%s: %d of %d requests failed on %s", what, now.Failed, now.Sent, s.host)
		}
	}
}

func (p *project) runningOn(hosts ...string) (n int) {
	p.Helper()
	for _, c := range p.here(hosts...) {
		if c.State == "running" {
			n++
		}
	}
	return n
}

// endBalancer kills a host's HAProxy, which its agent starts again.
func (p *project) endBalancer(host string) {
	p.Helper()
	if out, err := p.on(host, "pkill", "-KILL", "-f", p.c.StateDir(host)+"/haproxy/haproxy.cfg"); err != nil {
		p.Fatalf("kill %s's HAProxy: %v %s", host, err, out)
	}
}
