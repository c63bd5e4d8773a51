//go:build e2e && soak

package e2e

import (
	"strconv"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// TestFaultEngine ends a host's engine, gracefully and suddenly.
func TestFaultEngine(t *testing.T) {
	p := begin(t, "engine")
	p.apply(web("app:1", 3, 9108))
	host := p.c.Fleet.Host("web2")
	count := 3
	for _, c := range []struct {
		name string
		stop func() error
	}{
		{"stopped", func() error { return host.StopEngine(p.ctx()) }},
		{"killed", func() error { return host.KillEngine(p.ctx()) }},
	} {
		t.Log(c.name)
		p.mark()
		before, ours := p.here(others("web2")...), len(p.instancesOn("web2"))
		p.must(c.stop())
		p.soon(30*time.Second, fleet.EventEngineDown, "the container engine doesn't answer")
		p.until(20*time.Second, "the host says that its engine is down", func() (bool, string) {
			h := p.host("web2")
			return !h.Engine.Up && h.Engine.Problem != "" && h.Status.State == fleet.HostUp, h.Engine.Problem
		})
		p.says(p.mustMuster("host", "web2"), "down: ")

		count += 2
		p.mustMuster("scale", "engine/web="+strconv.Itoa(count))
		p.until(time.Minute, "the others have the new instances", func() (bool, string) {
			n, ready := 0, 0
			for _, in := range p.service("web").Instances {
				if in.Host != "web2" {
					n++
					if in.Ready {
						ready++
					}
				}
			}
			return n == count-ours && ready == n, strconv.Itoa(ready) + " of " + strconv.Itoa(n)
		})
		if n := len(p.instancesOn("web2")); n != ours {
			t.Errorf("web2 has %d instances while its engine is down, had %d", n, ours)
		}

		p.must(host.StartEngine(p.ctx()))
		p.soon(30*time.Second, fleet.EventEngineUp, "")
		p.converged("web", time.Minute)
		if n := len(p.containers()); n != count {
			t.Errorf("%d containers, not %d", n, count)
		}
		p.intact(before)
		p.never(fleet.EventHostLost, fleet.EventInstanceDraining)
		if got := p.answers(9108, 5*count); len(got) != count {
			t.Errorf("%d instances answered: %v", len(got), got)
		}
	}
}

// instancesOn lists the project's instances on a host.
func (p *project) instancesOn(host string) (out []fleet.InstanceView) {
	p.Helper()
	list, err := p.c.Client.Instances(p.ctx(), "", host)
	if err != nil {
		p.Fatal(err)
	}
	for _, in := range list.Items {
		if in.Service.Project == p.name {
			out = append(out, in)
		}
	}
	return out
}

// TestFaultEngineHangs has a host's engine stand still: it takes calls and
// answers none. Its containers go on.
func TestFaultEngineHangs(t *testing.T) {
	p := begin(t, "hangs")
	p.apply(web("app:1", 3, 9126))
	p.stop("web2")
	p.startOddly("web2", "--resync", "1s")
	p.allUp()
	before := p.containers()
	ours := len(p.instancesOn("web2"))
	p.mark()
	stop := p.traffic(9126)
	host := p.c.Fleet.Host("web2")
	halted := time.Now()
	p.must(host.HaltEngine(p.ctx()))
	p.soon(time.Minute, fleet.EventEngineDown, "did not answer within")
	t.Logf("its agent said so after %s", time.Since(halted).Round(time.Millisecond))
	p.says(p.mustMuster("host", "web2"), "down: ", "did not answer within")
	p.mustMuster("scale", "hangs/web=5")
	p.until(time.Minute, "the others have the new instances", func() (bool, string) {
		v := p.service("web")
		return v.Ready == 5 && v.Desired == 5, describe([]fleet.ServiceView{v})
	})
	if n := len(p.instancesOn("web2")); n != ours {
		t.Errorf("web2 has %d instances while its engine hangs, had %d", n, ours)
	}
	p.must(host.ResumeEngine())
	p.soon(time.Minute, fleet.EventEngineUp, "")
	p.converged("web", time.Minute)
	if sent, failed, last := stop(); failed != 0 || sent == 0 {
		t.Errorf("%d of %d requests failed: %v", failed, sent, last)
	}
	p.intact(before)
	p.never(fleet.EventHostLost, fleet.EventInstanceUnready, fleet.EventInstanceDraining)
}
