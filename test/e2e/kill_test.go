//go:build e2e && soak

package e2e

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/cluster"
	"github.com/musterhq/muster/test/load"
)

// TestKilledInTheMiddleOfADrain kills one part while requests keep draining
// instances busy, which end at once when they are stopped. None of those
// requests may fail, and the drain ends.
func TestKilledInTheMiddleOfADrain(t *testing.T) {
	for what, name := range map[string]string{"hub": cluster.HubHost, "agent": "web2", "agent of the balancer": "web1"} {
		t.Run(what, func(t *testing.T) {
			p := begin(t, "killdrain")
			p.apply(web("rude:1", 4, 9021))
			const requests = 40
			generator, end := p.under(load.Options{
				URL: p.url(9021), Rate: 50, Total: requests, SlowShare: 1, SlowPath: "/slow", SlowMin: 8 * time.Second, SlowMax: 9 * time.Second,
				Timeout: 20 * time.Second, MaxInFlight: requests, Body: []byte("x"), ContentType: "text/plain",
			})
			p.until(20*time.Second, "the requests are under way", func() (bool, string) {
				open := generator.InFlight()
				return open == requests, fmt.Sprint(open)
			})
			p.mark()
			p.mustMuster("scale", "killdrain/web=1")
			p.soon(20*time.Second, fleet.EventInstanceDraining, "one fewer is wanted")
			p.kill(name)
			time.Sleep(2 * time.Second) // the fault lasts
			if open := generator.InFlight(); open != requests {
				t.Errorf("only %d requests were still under way: the test proves less than it says", open)
			}
			p.start(name)
			p.allUp() // which may take longer than the requests
			if result := <-end; result.Failed > 0 || result.OK != requests {
				t.Errorf("%d of %d requests failed: %v", result.Failed, result.Sent, result.ByError)
			}
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
	p.mark()
	p.powerCut("web1")
	p.mustMuster("scale", "deadlb/web=1")
	p.soon(30*time.Second, fleet.EventHostLost, "web1 is lost")
	p.until(30*time.Second, "the wait names the balancer and the way out", func() (bool, string) {
		out, err := p.muster("service", "deadlb/web")
		return err == nil && strings.Contains(out, "muster lb forget web1/haproxy"), out
	})
	for _, c := range p.here(others("web1")...) {
		if c.State != "running" {
			t.Errorf("%s on %s is %s though the balancer has acknowledged nothing", c.Name, c.Host, c.State)
		}
	}
	p.boot("web1")
	p.start("web1")
	p.allUp()
	if v := p.converged("web", 2*time.Minute); v.Ready != 1 {
		t.Errorf("%d ready", v.Ready)
	}
}

// census is what a service had at a moment.
type census struct {
	desired    int
	wanted     map[string]bool // ids of the instances that are to run
	containers map[string]cluster.Container
}

// census looks at what is wanted first: without another order it is wanted
// still when the containers are listed.
func (p *project) census() census {
	p.Helper()
	v := p.service("web")
	c := census{desired: v.Desired, wanted: map[string]bool{}}
	for _, in := range v.Instances {
		if in.Goal == fleet.GoalRun {
			c.wanted[in.ID] = true
		}
	}
	c.containers = p.containers()
	return c
}

// noneHarmed fails when more went than an order took away, when something that
// ran was started again, or is gone though it is wanted.
func (p *project) noneHarmed(before, after census) {
	p.Helper()
	unwanted := 0
	for id := range before.wanted {
		if !after.wanted[id] {
			unwanted++
		}
	}
	if fewer := max(0, before.desired-after.desired); unwanted > fewer {
		p.Errorf("%d instances were given up, though only %d fewer are wanted", unwanted, fewer)
	}
	for id, was := range before.containers {
		is, there := after.containers[id]
		switch {
		case was.State != "running":
		case there && (is.Started != was.Started || is.Restarts != was.Restarts):
			p.Errorf("%s on %s was started again: %+v, was %+v", was.Name, was.Host, is, was)
		case !there && after.wanted[was.Instance]:
			p.Errorf("%s on %s is gone, though it is wanted", was.Name, was.Host)
		}
	}
}

// TestKillAtRandom kills hub and agents at random moments of random orders.
// What was acknowledged is there afterwards, nothing healthy is touched, and
// the fleet converges.
func TestKillAtRandom(t *testing.T) {
	p := begin(t, "random")
	p.apply(web("app:1", 3, 9023))
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	victims := append([]string{cluster.HubHost}, names...)
	before := p.census()
	for round := range 100 {
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
		p.kill(victim)
		p.start(victim)
		p.allUp()
		revision, after := <-acknowledged, p.census()
		if revision > 0 && after.desired != count {
			t.Errorf("round %d: %d was acknowledged at revision %d, now %d is wanted", round, count, revision, after.desired)
		}
		p.noneHarmed(before, after)
		if t.Failed() {
			t.Fatalf("round %d, %s: from %d to %d", round, victim, before.desired, count)
		}
		before = after
	}
	if v := p.converged("web", 2*time.Minute); v.Ready != before.desired {
		t.Errorf("%d ready, want %d", v.Ready, before.desired)
	}
	after := p.census()
	p.noneHarmed(before, after)
	if n := len(after.containers); n != before.desired {
		t.Errorf("%d containers, want %d", n, before.desired)
	}
}

// TestHubKilledAtFailPoints kills the hub between commit, publish and
// acknowledgement.
func TestHubKilledAtFailPoints(t *testing.T) {
	p := begin(t, "failpoint")
	p.apply(web("app:1", 2, 9024))
	for i, point := range []string{"before-commit", "after-commit", "after-publish", "after-reply"} {
		before := p.containers()
		p.stop("hub")
		p.startOddly("hub", "--failpoint", point)
		revision := uint64(0)
		p.until(30*time.Second, "the hub takes the order", func() (bool, string) {
			result, err := p.c.Client.Scale(p.ctx(), p.key("web"), 3+i, client.Write{Key: fmt.Sprintf("scale-%d", i)})
			revision = result.Revision
			return err == nil || p.c.Hub.Pid() == 0, fmt.Sprint(err)
		})
		p.must(p.c.Hub.Wait(30 * time.Second))
		p.start("hub")
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
		p.intact(before)
		if n := len(p.containers()); n != 3+i {
			t.Errorf("%s: %d containers, want %d", point, n, 3+i)
		}
	}
}

// TestAgentKilledAtFailPoints kills a host's agent between what it accepts,
// keeps on its disk and has its engine do, for an order that adds instances
// and for one that takes them away again.
func TestAgentKilledAtFailPoints(t *testing.T) {
	p := begin(t, "agentpoint")
	p.apply(strings.Replace(web("app:1", 2, 9025), "deploy:", "deploy:\n      placement: {constraints: [node.hostname == web2]}", 1))
	for _, point := range []string{"before-save", "after-save", "after-op"} {
		for _, count := range []int{4, 2} {
			before := p.census()
			p.stop("web2")
			p.startOddly("web2", "--failpoint", point+":kill")
			p.allUp()
			p.mustMuster("scale", "agentpoint/web="+strconv.Itoa(count))
			p.must(p.c.Agents["web2"].Wait(30 * time.Second))
			if point != "after-op" {
				p.untouched(before.containers) // nothing follows before it is kept
			}
			p.start("web2")
			p.allUp()
			if v := p.converged("web", time.Minute); v.Ready != count {
				t.Errorf("%s: %d ready, want %d", point, v.Ready, count)
			}
			after := p.census()
			p.noneHarmed(before, after)
			if n := len(after.containers); n != count {
				t.Errorf("%s: %d containers, want %d", point, n, count)
			}
		}
	}
}
