//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/cluster"
)

// TestHostsLeaveTheFleet takes two hosts out under load: one whose containers stop,
// and one whose containers go on. No request fails, what is kept isn't touched, and
// nothing of them is left.
func TestHostsLeaveTheFleet(t *testing.T) {
	p := ofItsOwn(t, "leaving", cluster.Options{Hosts: []string{"web1", "web2", "web3"}, Balancers: []string{"web1", "web2"}}, "app:1")
	p.apply(web("app:1", 3, 7310))
	stop := p.traffic(7310)

	out := p.mustMuster("host", "rm", "web2", "--wait", "--timeout", patience, "--yes")
	p.says(out, "web2 leaves the fleet", "out of the fleet")
	p.isOut("web2", "stop")
	if left := p.containersOn("web2"); len(left) > 0 {
		t.Errorf("web2 still has %v", left)
	}
	if text, err := p.on("web2", "pgrep", "-f", "[w]eb2-state/haproxy/"); strings.TrimSpace(text) != "" {
		t.Errorf("web2's balancer goes on: %q, %v", text, err)
	}

	before := p.containersOn("web3")
	if len(before) == 0 {
		t.Fatal("web3 runs nothing")
	}
	p.mustMuster("host", "rm", "web3", "--keep", "--wait", "--timeout", patience, "--yes")
	p.isOut("web3", "keep")
	p.converged("web", time.Minute)
	time.Sleep(3 * time.Second) // in which the hub could do wrong
	after := p.containersOn("web3")
	for id, c := range before {
		if now := after[id]; now.State != "running" || now.Started != c.Started || now.Pid != c.Pid {
			t.Errorf("of %s on web3 became %+v, it was %+v", c.Name, now, c)
		}
	}
	for instance := range p.answers(7310, 30) {
		if slices.ContainsFunc(values(before), func(c cluster.Container) bool { return c.Instance == instance }) {
			t.Errorf("%s answers, which was taken out", instance)
		}
	}
	sent, failed, last := stop()
	if failed > 0 || sent < 50 {
		t.Errorf("%d of %d requests failed: %v", failed, sent, last)
	}
	p.never(fleet.EventInstanceAdopted)

	// Started again, an agent touches nothing, and says why.
	for _, host := range []string{"web2", "web3"} {
		p.must(p.c.Agents[host].Start(p.ctx()))
		p.must(p.c.Agents[host].Wait(20 * time.Second))
		text, err := p.c.Agents[host].Log()
		p.must(err)
		p.says(text[max(0, len(text)-400):], "this host ("+host+") has left the fleet", "join again")
	}
	if now := p.containersOn("web3"); len(now) != len(after) {
		t.Errorf("web3 has %d containers, not %d", len(now), len(after))
	}
}

func values[K comparable, V any](m map[K]V) (out []V) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

func (p *project) containersOn(host string) map[string]cluster.Container {
	p.Helper()
	list, err := p.c.ContainersOn(p.ctx(), host)
	p.must(err)
	out := map[string]cluster.Container{}
	for _, c := range list {
		out[c.ID] = c
	}
	return out
}

// isOut: a host's agent has ended by itself, and neither the hub nor its broker knows
// anything of it.
func (p *project) isOut(host, policy string) {
	p.Helper()
	p.must(p.c.Agents[host].Wait(30 * time.Second))
	if _, err := p.c.Client.Host(p.ctx(), host); fleet.CodeOf(err) != fleet.CodeNotFound {
		p.Errorf("%s is known: %v", host, err)
	}
	e := p.soon(10*time.Second, fleet.EventHostRemoved, fmt.Sprintf("%s is out of the fleet (%s): its agent has left", host, policy))
	if e.Cause == "" || e.Actor == "" {
		p.Errorf("%s was removed by %q because of %q", host, e.Actor, e.Cause)
	}
	list, err := p.c.Client.Balancers(p.ctx())
	p.must(err)
	if slices.ContainsFunc(list.Items, func(b fleet.BalancerView) bool { return b.Key.Host == host }) {
		p.Errorf("%s has a balancer: %+v", host, list.Items)
	}
	text, _ := p.on("web1", "mosquitto_sub", "-h", p.c.Fleet.Host(cluster.HubHost).Address, "-v", "--retained-only", "-W", "2",
		"-t", "muster/v1/hosts/"+host+"/actual", "-t", "muster/v1/hosts/"+host+"/presence", "-t", "muster/v1/hosts/"+host+"/desired",
		"-t", "muster/v1/hosts/"+host+"/pools/"+p.name+"/web")
	if strings.Contains(text, "muster/v1/hosts/"+host) {
		p.Errorf("the broker keeps of %s: %s", host, text)
	}
}
