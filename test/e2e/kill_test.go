//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/load"
)

// slowly is a service whose instances take long to drain: requests last as
// long as a test holds them open.
func slowly(port int) string { return web("app:1", 4, port) }

// hold keeps n requests open on the service for a while.
func (p *project) hold(port, n int, lasting time.Duration) *load.Generator {
	p.Helper()
	options := load.Options{
		URL: p.url(port), Rate: 50, Total: n, SlowShare: 1, SlowPath: "/slow", SlowMin: lasting, SlowMax: lasting + time.Second,
		Timeout: 20 * time.Second, MaxInFlight: n, Body: []byte("x"), ContentType: "text/plain",
	}
	g, err := load.New(options)
	if err != nil {
		p.Fatal(err)
	}
	return g
}

// TestKilledInTheMiddleOfADrain kills one part while requests keep draining
// instances busy. None of those requests may fail, and the drain ends.
func TestKilledInTheMiddleOfADrain(t *testing.T) {
	for _, test := range []struct {
		name string
		kill func(p *project) (revive func())
	}{
		{"hub", func(p *project) func() {
			p.must(p.c.Hub.Kill())
			return func() { p.must(p.c.Hub.Start(p.ctx())) }
		}},
		{"agent", func(p *project) func() {
			p.must(p.c.Agents["web2"].Kill())
			return func() { p.must(p.c.Agents["web2"].Start(p.ctx())) }
		}},
		{"agent of the balancer", func(p *project) func() {
			p.must(p.c.Agents["web1"].Kill())
			return func() { p.must(p.c.Agents["web1"].Start(p.ctx())) }
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := begin(t, "killdrain")
			p.apply(slowly(9021))
			const requests = 40
			g := p.hold(9021, requests, 5*time.Second)
			done := make(chan load.Result, 1)
			go func() {
				result, _ := g.Run(p.ctx())
				done <- result
			}()
			p.until(20*time.Second, "the requests are under way", func() (bool, string) {
				sent := g.Snapshot().Sent
				return sent >= requests, fmt.Sprint(sent)
			})
			p.mustMuster("scale", "killdrain/web=1")
			p.event(20*time.Second, fleet.EventInstanceDraining, "one fewer is wanted")
			revive := test.kill(p)
			time.Sleep(2 * time.Second) // the fault lasts
			revive()
			result := <-done
			if result.Failed > 0 || result.OK != requests {
				t.Errorf("%d of %d requests failed: %v", result.Failed, result.Sent, result.ByError)
			}
			p.allUp()
			if v := p.converged("web", 90*time.Second); v.Ready != 1 {
				t.Errorf("%d ready", v.Ready)
			}
			if n := len(p.containers()); n != 1 {
				t.Errorf("%d containers", n)
			}
		})
	}
}

// TestBalancerHostDiesInADrain cuts the power of the balancer's host while
// instances drain: nothing is stopped as long as nobody can know, and once
// the host is back everything goes on.
func TestBalancerHostDiesInADrain(t *testing.T) {
	p := begin(t, "deadlb")
	p.apply(web("app:1", 4, 9022))
	p.must(p.c.Fleet.Host("web1").PowerCut(p.ctx()))
	p.must(p.c.Agents["web1"].Stop())
	p.mustMuster("scale", "deadlb/web=1")
	time.Sleep(8 * time.Second) // long enough for a stop that must not come
	for _, c := range p.elsewhere("web1") {
		if c.State != "running" {
			t.Errorf("%s on %s is %s though the balancer has acknowledged nothing", c.Name, c.Host, c.State)
		}
	}
	p.until(30*time.Second, "the wait names the balancer and the way out", func() (bool, string) {
		out, err := p.muster("service", "deadlb/web")
		return err == nil && contains(out, "muster lb forget web1/haproxy"), out
	})
	p.must(p.c.Fleet.Host("web1").Boot(p.ctx()))
	p.must(p.c.Agents["web1"].Start(p.ctx()))
	p.allUp()
	if v := p.converged("web", 2*time.Minute); v.Ready != 1 {
		t.Errorf("%d ready", v.Ready)
	}
}

// TestKillAtRandom kills hub and agents at random moments of random orders.
// What was acknowledged is there afterwards, and the fleet converges.
func TestKillAtRandom(t *testing.T) {
	p := begin(t, "random")
	p.apply(web("app:1", 3, 9023))
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	victims := []string{"hub", "web1", "web2", "web3"}
	for round := range 20 {
		count := 1 + random.IntN(5)
		victim := victims[random.IntN(len(victims))]
		acknowledged := make(chan uint64, 1)
		go func() {
			result, err := p.c.Client.Scale(p.ctx(), p.key("web"), count, client.Write{})
			if err != nil {
				result.Revision = 0
			}
			acknowledged <- result.Revision
		}()
		time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
		process := p.c.Hub
		if victim != "hub" {
			process = p.c.Agents[victim]
		}
		p.must(process.Kill())
		p.must(process.Start(p.ctx()))
		p.allUp()
		if revision := <-acknowledged; revision > 0 {
			if got := p.service("web").Desired; got != count {
				t.Errorf("round %d: %d was acknowledged at revision %d, now %d is wanted", round, count, revision, got)
			}
		}
	}
	want := p.service("web").Desired
	if v := p.converged("web", 2*time.Minute); v.Ready != want {
		t.Errorf("%d ready, want %d", v.Ready, want)
	}
	if n := len(p.containers()); n != want {
		t.Errorf("%d containers, want %d", n, want)
	}
}

// TestHubKilledAtFailPoints kills the hub between commit, publish and
// acknowledgement.
func TestHubKilledAtFailPoints(t *testing.T) {
	p := begin(t, "failpoint")
	p.apply(web("app:1", 2, 9024))
	before := p.containers()
	for i, point := range []string{"before-commit", "after-commit", "after-publish", "after-reply"} {
		p.must(p.c.Hub.Stop())
		p.must(p.c.Hub.Start(p.ctx()))
		p.allUp()
		p.converged("web", time.Minute)
		p.must(p.c.Hub.Stop())
		p.must(p.c.Hub.Start(p.ctx(), "--failpoint", point))
		revision := uint64(0)
		p.until(30*time.Second, "the hub takes the order", func() (bool, string) {
			result, err := p.c.Client.Scale(p.ctx(), p.key("web"), 3+i, client.Write{Key: fmt.Sprintf("scale-%d", i)})
			revision = result.Revision
			return err == nil || p.c.Hub.Ended(), fmt.Sprint(err)
		})
		p.must(p.c.Hub.Wait(30 * time.Second))
		p.must(p.c.Hub.Start(p.ctx()))
		p.allUp()
		if revision > 0 && p.service("web").Desired != 3+i {
			t.Errorf("%s: an acknowledged order is lost", point)
		}
		// The same order again, under the same key, has one effect in all.
		if _, err := p.c.Client.Scale(p.ctx(), p.key("web"), 3+i, client.Write{Key: fmt.Sprintf("scale-%d", i)}); err != nil {
			t.Errorf("%s: repeat: %v", point, err)
		}
		if v := p.converged("web", time.Minute); v.Ready != 3+i {
			t.Errorf("%s: %d ready, want %d", point, v.Ready, 3+i)
		}
		after := p.containers()
		for id, was := range before {
			if is := after[id]; is.Started != was.Started {
				t.Errorf("%s: container %s was touched", point, was.Name)
			}
		}
	}
}
