//go:build e2e

package e2e

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/cluster"
)

// worker is a service without a balancer, for the same file as web.
const worker = `
  worker:
    image: app:1
    deploy: {replicas: 3}
`

// instanceIDs are the ids of a project's instances and their hosts, sorted.
func (f *fault) instanceIDs() string {
	f.Helper()
	list, err := f.c.Client.Instances(f.ctx(), "", "")
	if err != nil {
		f.Fatal(err)
	}
	var ids []string
	for _, in := range list.Items {
		if in.Service.Project == f.name {
			ids = append(ids, in.Service.Name+" "+in.ID+" on "+in.Host)
		}
	}
	return strings.Join(ids, ", ")
}

func TestFaultLinkCutShortly(t *testing.T) {
	f := beginFault(t, "flap")
	f.apply(web("app:1", 3, 9109) + worker)
	f.converged("worker", time.Minute)
	before, ids := f.containers(), f.instanceIDs()
	f.mark()
	f.must(f.c.Fleet.Host("web3").LinkDown(f.ctx()))
	time.Sleep(5 * time.Second) // the length of the cut
	f.must(f.c.Fleet.Host("web3").LinkUp(f.ctx()))
	f.allUp()
	f.converged("web", time.Minute)
	f.converged("worker", time.Minute)
	f.untouched(before)
	if now := f.instanceIDs(); now != ids {
		t.Errorf("the instances are %s, were %s", now, ids)
	}
	f.never(fleet.EventInstancePlaced, fleet.EventInstanceDraining, fleet.EventInstanceStarted, fleet.EventHostLost)
	f.allAnswer(9109, 3)
}

func TestFaultLinkCut(t *testing.T) {
	f := beginFault(t, "cut")
	f.apply(web("app:1", 6, 9110) + worker)
	f.converged("worker", time.Minute)
	lost, kept := f.here("web3"), f.here("web1", "web2")
	if len(lost) == 0 {
		t.Fatal("web3 has no instances")
	}
	f.mark()
	cut := time.Now()
	f.must(f.c.Fleet.Host("web3").LinkDown(f.ctx()))
	f.soon(30*time.Second, fleet.EventHostLost, "web3 is lost")
	t.Logf("web3 is lost after %s", time.Since(cut).Round(time.Millisecond))
	f.until(time.Minute, "its instances are ready elsewhere", func() (bool, string) {
		for _, name := range []string{"web", "worker"} {
			v := f.service(name)
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
	f.intact(kept)
	for id, was := range lost {
		if is := f.here("web3")[id]; is != was {
			t.Errorf("%s was touched while web3 was cut off: %+v, was %+v", was.Name, is, was)
		}
	}
	time.Sleep(time.Until(cut.Add(30 * time.Second))) // the length of the cut
	f.must(f.c.Fleet.Host("web3").LinkUp(f.ctx()))
	f.soon(time.Minute, fleet.EventHostReturned, "web3 is back")
	f.converged("web", time.Minute)
	f.converged("worker", time.Minute)
	f.until(time.Minute, "the replaced ones are gone", func() (bool, string) {
		now := f.containers()
		for id, c := range lost {
			if _, there := now[id]; there {
				return false, c.Name
			}
		}
		return len(now) == 9, strconv.Itoa(len(now)) + " containers"
	})
	f.intact(kept)
	f.converged("web", time.Minute)
	if got := f.answers(9110, 30); len(got) != 6 {
		t.Errorf("%d instances answered: %v", len(got), got)
	}
}

// TestFaultHubCut takes the hub's own link away. For the hub every host is
// lost then, and none of them is.
func TestFaultHubCut(t *testing.T) {
	f := beginFault(t, "hubcut")
	f.apply(web("app:1", 3, 9111) + worker)
	f.converged("worker", time.Minute)
	before, ids := f.containers(), f.instanceIDs()
	f.mark()
	stop := f.traffic(9111)
	f.must(f.c.Fleet.Host(cluster.HubHost).LinkDown(f.ctx()))
	time.Sleep(60 * time.Second) // the length of the cut
	f.must(f.c.Fleet.Host(cluster.HubHost).LinkUp(f.ctx()))
	f.allUp()
	f.converged("web", time.Minute)
	f.converged("worker", time.Minute)
	sent, failed, last := stop()
	t.Logf("%d requests were sent, %d failed (%v)", sent, failed, last)
	if failed != 0 || sent < 500 {
		t.Errorf("%d of %d requests failed: %v", failed, sent, last)
	}
	f.untouched(before)
	if now := f.instanceIDs(); now != ids {
		t.Errorf("the instances are %s, were %s", now, ids)
	}
	f.soon(10*time.Second, fleet.EventFleetHeld, "muster host fail NAME")
	f.soon(10*time.Second, fleet.EventFleetReleased, "")
	f.never(fleet.EventInstancePlaced, fleet.EventInstanceDraining, fleet.EventInstanceStarted)
}
