//go:build e2e

package e2e

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// held is a service with data of its own, on a host without a balancer.
const held = `
  data:
    image: app:1
    deploy:
      replicas: 1
      placement: {constraints: [node.labels.tier == back]}
    volumes: [things:/things]
volumes: {things: {}}
`

// TestFaultHostDies takes a host's power: what it ran comes up elsewhere, but
// for what has its data there.
func TestFaultHostDies(t *testing.T) {
	f := beginFault(t, "dies")
	f.apply(web("app:1", 5, 9112) + held)
	data := f.converged("data", time.Minute)
	host := data.Instances[0].Host
	dead, kept := f.here(host), f.here(others(host)...)
	volume := f.volumeOf(host, data.Instances[0].Actual.Container)
	f.mark()

	cut := time.Now()
	f.powerCut(host)
	f.soon(30*time.Second, fleet.EventHostLost, host+" is lost")
	lost := time.Since(cut)
	f.until(time.Minute, "its instances are ready elsewhere", func() (bool, string) {
		v := f.service("web")
		n := 0
		for _, in := range v.Instances {
			if in.Host != host && in.Ready && in.Goal == fleet.GoalRun {
				n++
			}
		}
		return n == 5, describe([]fleet.ServiceView{v})
	})
	t.Logf("%s was lost after %s, its instances were ready elsewhere after %s", host, lost.Round(time.Millisecond), time.Since(cut).Round(time.Millisecond))
	f.converged("web", time.Minute)
	if got := f.answers(9112, 25); len(got) != 5 {
		t.Errorf("%d instances answered: %v", len(got), got)
	}
	f.intact(kept)

	f.soon(30*time.Second, fleet.EventServiceHeld, "its data is on "+host)
	f.says(f.mustMuster("service", "dies/data"), "held: its data is on "+host)
	if v := f.service("data"); v.State != fleet.ServiceHeld || len(v.Instances) != 1 || v.Instances[0].ID != data.Instances[0].ID {
		t.Errorf("%s", describe([]fleet.ServiceView{v}))
	}

	f.boot(host)
	f.startAgent(host)
	f.soon(time.Minute, fleet.EventHostReturned, host+" is back")
	f.soon(time.Minute, fleet.EventHostRebooted, host)
	f.converged("web", time.Minute)
	v := f.converged("data", time.Minute)
	if in := v.Instances[0]; in.ID != data.Instances[0].ID || in.Host != host || f.volumeOf(host, in.Actual.Container) != volume {
		t.Errorf("instance %s on %s has the volume %s; it was %s on %s with %s",
			in.ID, in.Host, f.volumeOf(host, in.Actual.Container), data.Instances[0].ID, host, volume)
	}
	f.until(time.Minute, "what was replaced is gone", func() (bool, string) {
		now := f.containers()
		for id, c := range dead {
			if _, there := now[id]; there && c.Service == "web" {
				return false, c.Name
			}
		}
		return len(now) == 6, strconv.Itoa(len(now)) + " containers"
	})
	f.intact(kept)
}

// volumeOf is the named volume that a container has.
func (f *fault) volumeOf(host, container string) string {
	f.Helper()
	out, err := f.c.Fleet.Host(host).Docker(f.ctx(), "inspect", "-f", "{{range .Mounts}}{{.Type}} {{.Name}} {{.Destination}}{{end}}", container).CombinedOutput()
	if err != nil {
		f.Fatalf("inspect %s on %s: %v: %s", container, host, err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestFaultRebootWithoutHub has a host come back while there is no hub: what it
// last accepted is on its disk.
func TestFaultRebootWithoutHub(t *testing.T) {
	f := beginFault(t, "alone")
	f.apply(web("app:1", 4, 9113) + worker)
	f.converged("worker", time.Minute)
	ours, kept, ids := f.here("web2"), f.here("web1", "web3"), f.instanceIDs()
	if len(ours) == 0 {
		t.Fatal("web2 has no instances")
	}
	f.mark()
	f.killHub()
	f.powerCut("web2")
	f.boot("web2")
	for id, c := range f.here("web2") {
		if c.State == "running" {
			t.Errorf("%s (%.12s) runs without its agent", c.Name, id)
		}
	}
	f.startAgent("web2")
	began := time.Now()
	f.until(time.Minute, "web2's containers run again", func() (bool, string) {
		now := f.here("web2")
		for id, was := range ours {
			if is := now[id]; is.State != "running" || is.Started == was.Started {
				return false, was.Name + " is " + is.State
			}
		}
		return len(now) == len(ours), strconv.Itoa(len(now)) + " containers"
	})
	t.Logf("without a hub, %d containers ran again %s after their agent's start", len(ours), time.Since(began).Round(time.Millisecond))
	f.allAnswer(9113, 4)
	restarted := f.here("web2")

	f.startHub()
	f.allUp()
	f.converged("web", time.Minute)
	f.converged("worker", time.Minute)
	f.intact(kept)
	f.intact(restarted)
	if now := f.instanceIDs(); now != ids {
		t.Errorf("the instances are %s, were %s", now, ids)
	}
	f.never(fleet.EventInstancePlaced, fleet.EventInstanceDraining)
}
