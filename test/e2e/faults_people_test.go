//go:build e2e && soak

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/cluster"
)

func TestFaultLogsAndCauses(t *testing.T) {
	t.Parallel()
	p := begin(t, "logs")
	p.apply(web("app:1", 2, 9118))
	v := p.service("web")
	for _, in := range v.Instances {
		out := p.mustMuster("logs", in.ID)
		p.says(out, `"msg":"serving"`, `"instance":"`+in.ID+`"`)
		if strings.Contains(out, in.ID+" ") || strings.Contains(out, in.ID+"|") {
			t.Errorf("lines of one instance need no name:\n%s", out)
		}
	}
	out := p.mustMuster("logs", "logs/web", "-n", "5")
	for _, in := range v.Instances {
		found := false
		for line := range strings.Lines(out) {
			found = found || strings.HasPrefix(line, in.ID) && strings.Contains(line, `"instance":"`+in.ID+`"`)
		}
		if !found {
			t.Errorf("no line begins with %s:\n%s", in.ID, out)
		}
	}
	out = p.exits(1, "logs", "nobody")
	p.says(out, "neither a service nor an instance", "muster instances")

	p.mustMuster("scale", "logs/web=1", "--wait")
	out = p.mustMuster("events", "--service", "logs/web", "-n", "100")
	p.says(out, "service.applied", ", by ", "instance.placed", ", cause ", "instance.ready", "service.scaled", "instance.draining", "one fewer is wanted", "instance.gone", "service.converged")
	p.causes(fleet.EventInstanceGone, fleet.EventInstanceDraining, fleet.EventServiceScaled)
	p.causes(fleet.EventInstancePlaced, fleet.EventServiceApplied)
}

// causes follows the causes of a project's last event of a type: the next ones
// are of these types, and the last has an actor.
func (p *project) causes(eventType string, chain ...string) {
	p.Helper()
	e := p.soon(20*time.Second, eventType, p.name+"/")
	var types []string
	for _, want := range chain {
		list, err := p.c.Client.Events(p.ctx(), client.EventFilter{Service: p.name + "/web", Limit: 200})
		if err != nil {
			p.Fatal(err)
		}
		i := slices.IndexFunc(list.Items, func(c fleet.Event) bool { return c.ID == e.Cause })
		if i < 0 {
			p.Errorf("%s has the cause %s, which is no event of the service", e.Type, e.Cause)
			return
		}
		types = append(types, e.Type)
		if e = list.Items[i]; e.Type != want {
			p.Errorf("%v comes from %s, not from %s", types, e.Type, want)
		}
	}
	if e.Actor == "" {
		p.Errorf("nobody is behind %v", append(types, e.Type))
	}
}

// TestFaultForeignContainer has a container of somebody else's on web2.
func TestFaultForeignContainer(t *testing.T) {
	p := begin(t, "foreign")
	host := p.c.Fleet.Host("web2")
	free := p.host("web2").Foreign
	out, err := host.Docker(p.ctx(), "run", "-d", "--name", "mine", "--cpus", "0.75", "-p", "18080:8080",
		"--label", "muster.project=foreign", "--label", "muster.service=web", "--restart", "unless-stopped", "app:1").CombinedOutput()
	if err != nil {
		t.Fatalf("docker run: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := host.Docker(p.ctx(), "rm", "-f", "mine").CombinedOutput(); err != nil {
			t.Errorf("docker rm: %v: %s", err, out)
		}
	})
	mine := p.named("web2", "mine")
	p.until(30*time.Second, "the host counts it", func() (bool, string) {
		now := p.host("web2").Foreign
		return now.CPUs >= free.CPUs+0.75 && slices.Contains(now.Ports, 18080), fmt.Sprintf("%+v", now)
	})

	fixed := `
services:
  web:
    image: app:1
    ports: [{target: 8080, published: 18080, mode: host}]
    deploy: {replicas: 3}
    x-probe: {http: /healthz, port: 8080, interval: 1s}
`
	p.mustMuster("apply", "-f", p.file(fixed))
	p.soon(30*time.Second, fleet.EventServiceHeld, "web2: port 18080 is used by another process")
	hungry := strings.ReplaceAll(strings.ReplaceAll(fixed, "    ports: [{target: 8080, published: 18080, mode: host}]\n", ""), "replicas: 3", "replicas: 3, resources: {reservations: {cpus: '1.5'}}")
	p.mustMuster("apply", "-f", p.file(hungry))
	p.soon(30*time.Second, fleet.EventServiceHeld, "web2: 0.25 CPUs short")
	p.untouchedContainer(mine)

	p.apply(web("app:1", 4, 9119))
	p.mustMuster("host", "drain", "web2", "--wait")
	p.mustMuster("host", "activate", "web2")
	p.newAgent("web2", p.kill)
	p.newAgent("web2", p.stop)
	p.mustMuster("rm", "foreign/web", "--wait", "--yes")
	p.untouchedContainer(mine)
	if h := p.host("web2"); len(h.Unclaimed) != 0 {
		t.Errorf("web2 reports %v as its own", h.Unclaimed)
	}
}

// newAgent ends a host's agent, starts it again, and waits until the hub hears
// the new one.
func (p *project) newAgent(host string, end func(string)) {
	p.Helper()
	session := p.sessionOf(host, 1)
	end(host)
	p.start(host)
	p.until(time.Minute, "the agent is back", func() (bool, string) {
		return p.sessionOf(host, 1) != session && p.host(host).Status.State == fleet.HostUp, p.host(host).Status.State
	})
}

// named is a container by its name.
func (p *project) named(host, name string) cluster.Container {
	p.Helper()
	list, err := p.c.ContainersOn(p.ctx(), host)
	if err != nil {
		p.Fatal(err)
	}
	for _, c := range list {
		if c.Name == name {
			return c
		}
	}
	p.Fatalf("%s has no container %s", host, name)
	return cluster.Container{}
}

func (p *project) untouchedContainer(was cluster.Container) {
	p.Helper()
	if is := p.named(was.Host, was.Name); is != was {
		p.Errorf("%s was touched: %+v, was %+v", was.Name, is, was)
	}
}
