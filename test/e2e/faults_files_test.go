//go:build e2e && soak

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/cluster"
)

func TestFaultWrongFile(t *testing.T) {
	t.Parallel()
	p, other := begin(t, "wrongfile"), begin(t, "wrongother")
	other.apply(web("app:1", 1, 9102))
	p.apply(web("app:1", 2, 9101))
	before, generation := p.containers(), p.service("web").Generation

	for _, c := range []struct {
		name, file string
		code       int
		says       []string
	}{
		{"a key that Compose doesn't know", web("app:2", 2, 9101, "    imagee: app:3"), 1, []string{"services.web", "imagee"}},
		{"a key that the balancer doesn't know", strings.Replace(web("app:2", 2, 9101), "listen:", "listens:", 1), 1, []string{"services.web.x-lb.listens"}},
		{"one port twice in a file", web("app:2", 2, 9101) + second("twin", 9101), 5, []string{"services.web.x-lb: listens on port 9101, as services.twin.x-lb does", "choose another port"}},
		{"a port of another project", web("app:2", 2, 9102), 5, []string{"services.web.x-lb", "9102", "belongs to wrongother/web", "choose another listen port"}},
	} {
		t.Log(c.name)
		out := p.exits(c.code, "apply", "-f", p.file(c.file), "--wait")
		p.says(out, c.says...)
	}
	if v := p.converged("web", time.Minute); v.Generation != generation || v.Version != 1 { // its balancer may be busy with a neighbour just now
		t.Errorf("the service changed: generation %d, was %d; version %d", v.Generation, generation, v.Version)
	}
	list, err := p.c.Client.Services(p.ctx(), p.name)
	if err != nil || len(list.Items) != 1 {
		t.Errorf("services: %s, %v", describe(list.Items), err)
	}
	p.untouched(before)
	if got := p.answers(9101, 10); len(got) != 2 {
		t.Errorf("%d instances answered: %v", len(got), got)
	}
}

// second is another service for the same file.
func second(name string, port int) string {
	text := web("app:1", 1, port)
	return strings.Replace(text[strings.Index(text, "  web:"):], "  web:", "  "+name+":", 1)
}

func TestFaultImageCannotBePulled(t *testing.T) {
	t.Parallel()
	p := begin(t, "nopull")
	// Nothing listens there. A name that can't be resolved takes Docker longer.
	image := p.c.Fleet.Host(cluster.HubHost).Address + ":5000/nothing:1"
	file := p.file(web("app:1", 2, 9103) + "\n  lost:\n    image: " + image + "\n    deploy: {replicas: 1}\n")
	out := p.exits(3, "apply", "-f", file, "--wait", "--timeout", "10s")
	p.says(out, "not there after 10s", "nopull/lost", "0/1 ready", "fetching the image failed", "muster service nopull/lost")
	p.converged("web", time.Minute)
	before := p.containers()

	p.says(p.mustMuster("service", "nopull/lost"), "fetching the image failed", image)
	first := p.waitOf("lost", 0)
	if second := p.waitOf("lost", first); second <= first {
		t.Errorf("the pause went from %s to %s", first, second)
	}
	p.soon(time.Minute, fleet.EventInstanceFailed, image)
	p.untouched(before)

	p.apply(web("app:1", 2, 9103) + "\n  lost:\n    image: app:1\n    deploy: {replicas: 1}\n")
	for id, c := range before {
		if is := p.containers()[id]; is != c {
			t.Errorf("%s was touched: %+v", c.Name, is)
		}
	}
}

// waitOf waits until the pause before the next try is longer than a length,
// and returns it.
func (p *project) waitOf(service string, longer time.Duration) (pause time.Duration) {
	p.Helper()
	p.until(2*time.Minute, "the pause grows", func() (bool, string) {
		for _, in := range p.service(service).Instances {
			if in.Actual.Phase == fleet.PhaseBackoff {
				// Both clocks are this machine's.
				pause = time.Until(in.Actual.NextTry).Round(time.Millisecond)
				return pause > longer, pause.String()
			}
		}
		return false, "it isn't waiting"
	})
	return pause
}

func TestFaultContainerExitsAtOnce(t *testing.T) {
	t.Parallel()
	p := begin(t, "exits")
	bad := `
  bad:
    image: app:1
    environment: {EXIT_CODE: "%CODE%"}
    deploy: {replicas: 1}
`
	p.mustMuster("apply", "-f", p.file(web("app:1", 2, 9104)+strings.Replace(bad, "%CODE%", "3", 1)))
	p.converged("web", time.Minute)
	before := p.containers()
	for id, c := range before {
		if c.Service != "web" {
			delete(before, id)
		}
	}
	p.soon(time.Minute, fleet.EventInstanceExited, "exited with code 3")
	first := p.waitOf("bad", 0)
	if second := p.waitOf("bad", first+first/2); second <= first {
		t.Errorf("the pause went from %s to %s", first, second)
	}
	out := p.mustMuster("service", "exits/bad")
	p.says(out, "exited with code 3", "times in")
	v := p.service("bad")
	if v.State != fleet.ServiceProgressing || len(v.Instances) != 1 {
		t.Errorf("%s", describe([]fleet.ServiceView{v}))
	}
	for _, in := range v.Instances {
		if in.Actual.Restarts < 2 {
			t.Errorf("%d restarts", in.Actual.Restarts)
		}
	}
	out = p.exits(3, "apply", "-f", p.file(web("app:1", 2, 9104)+strings.Replace(bad, "%CODE%", "3", 1)), "--wait", "--timeout", "1s")
	p.says(out, "exited with code 3")
	now := p.containers()
	for id, was := range before {
		if now[id] != was {
			t.Errorf("%s was touched: %+v", was.Name, now[id])
		}
	}
	p.answers(9104, 5)
}
