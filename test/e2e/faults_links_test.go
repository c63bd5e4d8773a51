//go:build e2e && soak

package e2e

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/cluster"
	"github.com/musterhq/muster/test/hosts"
)

// worker is a service without a balancer, for the same file as web.
const worker = `
  worker:
    image: app:1
    deploy: {replicas: 3}
`

// instanceIDs are the ids of a project's instances and their hosts, sorted.
func (p *project) instanceIDs() string {
	p.Helper()
	list, err := p.c.Client.Instances(p.ctx(), "", "")
	if err != nil {
		p.Fatal(err)
	}
	var ids []string
	for _, in := range list.Items {
		if in.Service.Project == p.name {
			ids = append(ids, in.Service.Name+" "+in.ID+" on "+in.Host)
		}
	}
	return strings.Join(ids, ", ")
}

func TestFaultLinkCutShortly(t *testing.T) {
	p := begin(t, "flap")
	p.apply(web("app:1", 3, 9109) + worker)
	p.converged("worker", time.Minute)
	before, ids := p.containers(), p.instanceIDs()
	p.mark()
	p.must(p.c.Fleet.Host("web3").LinkDown(p.ctx()))
	time.Sleep(5 * time.Second) // the length of the cut
	p.must(p.c.Fleet.Host("web3").LinkUp(p.ctx()))
	p.allUp()
	p.converged("web", time.Minute)
	p.converged("worker", time.Minute)
	p.untouched(before)
	if now := p.instanceIDs(); now != ids {
		t.Errorf("the instances are %s, were %s", now, ids)
	}
	p.never(fleet.EventInstancePlaced, fleet.EventInstanceDraining, fleet.EventInstanceStarted, fleet.EventHostLost)
	p.allAnswer(9109, 3)
}

func TestFaultLinkCut(t *testing.T) {
	p := begin(t, "cut")
	p.apply(web("app:1", 6, 9110) + worker)
	p.converged("worker", time.Minute)
	lost, kept := p.here("web3"), p.here("web1", "web2")
	if len(lost) == 0 {
		t.Fatal("web3 has no instances")
	}
	p.mark()
	cut := time.Now()
	p.must(p.c.Fleet.Host("web3").LinkDown(p.ctx()))
	p.soon(30*time.Second, fleet.EventHostLost, "web3 is lost")
	t.Logf("web3 is lost after %s", time.Since(cut).Round(time.Millisecond))
	p.until(time.Minute, "its instances are ready elsewhere", func() (bool, string) {
		for _, name := range []string{"web", "worker"} {
			v := p.service(name)
			ready := 0
			for _, in := range v.Instances {
				if in.Host != "web3" && in.Ready {
					ready++
				}
			}
			if ready != v.Desired {
				return false, describe([]fleet.ServiceView{v})
			}
		}
		return true, ""
	})
	t.Logf("its instances are replaced after %s", time.Since(cut).Round(time.Millisecond))
	p.intact(kept)
	for id, was := range lost {
		if is := p.here("web3")[id]; is != was {
			t.Errorf("%s was touched while web3 was cut off: %+v, was %+v", was.Name, is, was)
		}
	}
	p.must(p.c.Fleet.Host("web3").LinkUp(p.ctx()))
	p.soon(time.Minute, fleet.EventHostReturned, "web3 is back")
	p.converged("web", time.Minute)
	p.converged("worker", time.Minute)
	p.until(time.Minute, "the replaced ones are gone", func() (bool, string) {
		now := p.containers()
		for id, c := range lost {
			if _, there := now[id]; there {
				return false, c.Name
			}
		}
		return len(now) == 9, strconv.Itoa(len(now)) + " containers"
	})
	p.intact(kept)
	p.converged("web", time.Minute)
	if got := p.answers(9110, 30); len(got) != 6 {
		t.Errorf("%d instances answered: %v", len(got), got)
	}
}

// TestFaultHubCut takes the hub's own link away. For the hub every host is
// lost then, and none of them is.
func TestFaultHubCut(t *testing.T) {
	p := begin(t, "hubcut")
	p.apply(web("app:1", 3, 9111) + worker)
	p.converged("worker", time.Minute)
	before, ids := p.containers(), p.instanceIDs()
	p.mark()
	stop := p.traffic(9111)
	p.must(p.c.Fleet.Host(cluster.HubHost).LinkDown(p.ctx()))
	time.Sleep(25 * time.Second) // until hosts are lost, their grace is over, and more
	p.must(p.c.Fleet.Host(cluster.HubHost).LinkUp(p.ctx()))
	p.allUp()
	p.converged("web", time.Minute)
	p.converged("worker", time.Minute)
	sent, failed, last := stop()
	t.Logf("%d requests were sent, %d failed (%v)", sent, failed, last)
	if failed != 0 || sent < 300 {
		t.Errorf("%d of %d requests failed: %v", failed, sent, last)
	}
	p.untouched(before)
	if now := p.instanceIDs(); now != ids {
		t.Errorf("the instances are %s, were %s", now, ids)
	}
	p.soon(10*time.Second, fleet.EventFleetHeld, "muster host fail NAME")
	p.soon(10*time.Second, fleet.EventFleetReleased, "")
	p.never(fleet.EventInstancePlaced, fleet.EventInstanceDraining, fleet.EventInstanceStarted)
}

// TestFaultBadLine has a host on a line that loses a fifth of what it sends and
// delays the rest: what is asked for gets there all the same.
func TestFaultBadLine(t *testing.T) {
	p := begin(t, "badline")
	p.apply(web("app:1", 3, 9127) + worker)
	p.converged("worker", time.Minute)
	before := p.containers()
	p.mark()
	mend, err := p.c.Fleet.Host("web3").SpoilLink(p.ctx(), hosts.Line{Loss: 0.2, Delay: 300 * time.Millisecond})
	p.must(err)
	t.Cleanup(func() { // before anything else is mended
		if err := mend(); err != nil {
			t.Error(err)
		}
	})
	began := time.Now()
	p.mustMuster("scale", "badline/worker=6")
	p.until(2*time.Minute, "the new instances run, there too", func() (bool, string) {
		v := p.service("worker")
		return v.Ready == 6, describe([]fleet.ServiceView{v})
	})
	t.Logf("three more workers ran after %s", time.Since(began).Round(time.Millisecond))
	if lost := p.happened(fleet.EventHostLost); len(lost) > 0 {
		// Bad luck: nothing came through for as long as the hub waits for a host.
		t.Logf("%d times the line was taken for dead", len(lost))
		for id, c := range before {
			if c.Host == "web3" {
				delete(before, id)
			}
		}
	}
	p.intact(before)
	p.must(mend())
	p.allUp()
	p.converged("web", time.Minute)
	p.converged("worker", time.Minute)
	p.allAnswer(9127, 3)
}
