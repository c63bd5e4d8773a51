//go:build e2e && soak

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
	p := begin(t, "dies")
	p.apply(web("app:1", 5, 9112) + held)
	data := p.converged("data", time.Minute)
	host := data.Instances[0].Host
	dead, kept := p.here(host), p.here(others(host)...)
	volume := p.volumeOf(host, data.Instances[0].Actual.Container)
	p.mark()

	cut := time.Now()
	p.powerCut(host)
	p.soon(30*time.Second, fleet.EventHostLost, host+" is lost")
	lost := time.Since(cut)
	p.until(time.Minute, "its instances are ready elsewhere", func() (bool, string) {
		v := p.service("web")
		n := 0
		for _, in := range v.Instances {
			if in.Host != host && in.Ready && in.Goal == fleet.GoalRun {
				n++
			}
		}
		return n == 5, describe([]fleet.ServiceView{v})
	})
	t.Logf("%s was lost after %s, its instances were ready elsewhere after %s", host, lost.Round(time.Millisecond), time.Since(cut).Round(time.Millisecond))
	p.converged("web", time.Minute)
	if got := p.answers(9112, 25); len(got) != 5 {
		t.Errorf("%d instances answered: %v", len(got), got)
	}
	p.intact(kept)

	p.soon(30*time.Second, fleet.EventServiceHeld, "its data is on "+host)
	p.says(p.mustMuster("service", "dies/data"), "held: its data is on "+host)
	if v := p.service("data"); v.State != fleet.ServiceHeld || len(v.Instances) != 1 || v.Instances[0].ID != data.Instances[0].ID {
		t.Errorf("%s", describe([]fleet.ServiceView{v}))
	}

	p.boot(host)
	p.start(host)
	p.soon(time.Minute, fleet.EventHostReturned, host+" is back")
	p.soon(time.Minute, fleet.EventHostRebooted, host)
	p.converged("web", time.Minute)
	v := p.converged("data", time.Minute)
	if in := v.Instances[0]; in.ID != data.Instances[0].ID || in.Host != host || p.volumeOf(host, in.Actual.Container) != volume {
		t.Errorf("instance %s on %s has the volume %s; it was %s on %s with %s",
			in.ID, in.Host, p.volumeOf(host, in.Actual.Container), data.Instances[0].ID, host, volume)
	}
	p.until(time.Minute, "what was replaced is gone", func() (bool, string) {
		now := p.containers()
		for id, c := range dead {
			if _, there := now[id]; there && c.Service == "web" {
				return false, c.Name
			}
		}
		return len(now) == 6, strconv.Itoa(len(now)) + " containers"
	})
	p.intact(kept)
}

// volumeOf is the named volume that a container has.
func (p *project) volumeOf(host, container string) string {
	p.Helper()
	out, err := p.c.Fleet.Host(host).Docker(p.ctx(), "inspect", "-f", "{{range .Mounts}}{{.Type}} {{.Name}} {{.Destination}}{{end}}", container).CombinedOutput()
	if err != nil {
		p.Fatalf("inspect %s on %s: %v: %s", container, host, err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestFaultRebootWithoutHub has a host come back while there is no hub: what it
// last accepted is on its disk.
func TestFaultRebootWithoutHub(t *testing.T) {
	p := begin(t, "alone")
	p.apply(web("app:1", 4, 9113) + worker)
	p.converged("worker", time.Minute)
	ours, kept, ids := p.here("web2"), p.here("web1", "web3"), p.instanceIDs()
	if len(ours) == 0 {
		t.Fatal("web2 has no instances")
	}
	p.mark()
	p.kill("hub")
	p.powerCut("web2")
	p.boot("web2")
	for id, c := range p.here("web2") {
		if c.State == "running" {
			t.Errorf("%s (%.12s) runs without its agent", c.Name, id)
		}
	}
	p.start("web2")
	began := time.Now()
	p.until(time.Minute, "web2's containers run again", func() (bool, string) {
		now := p.here("web2")
		for id, was := range ours {
			if is := now[id]; is.State != "running" || is.Started == was.Started {
				return false, was.Name + " is " + is.State
			}
		}
		return len(now) == len(ours), strconv.Itoa(len(now)) + " containers"
	})
	t.Logf("without a hub, %d containers ran again %s after their agent's start", len(ours), time.Since(began).Round(time.Millisecond))
	p.allAnswer(9113, 4)
	restarted := p.here("web2")

	p.startHub()
	p.allUp()
	p.converged("web", time.Minute)
	p.converged("worker", time.Minute)
	p.intact(kept)
	p.intact(restarted)
	if now := p.instanceIDs(); now != ids {
		t.Errorf("the instances are %s, were %s", now, ids)
	}
	p.never(fleet.EventInstancePlaced, fleet.EventInstanceDraining)
}
