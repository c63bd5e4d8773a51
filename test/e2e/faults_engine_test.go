//go:build e2e

package e2e

import (
	"strconv"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// TestFaultEngine ends a host's engine, gracefully and suddenly.
func TestFaultEngine(t *testing.T) {
	f := beginFault(t, "engine")
	f.apply(web("app:1", 3, 9108))
	host := f.c.Fleet.Host("web2")
	count := 3
	for _, c := range []struct {
		name string
		stop func() error
	}{
		{"stopped", func() error { return host.StopEngine(f.ctx()) }},
		{"killed", func() error { return host.KillEngine(f.ctx()) }},
	} {
		t.Log(c.name)
		f.mark()
		before, ours := f.here(others("web2")...), len(f.instancesOn("web2"))
		f.must(c.stop())
		f.soon(30*time.Second, fleet.EventEngineDown, "the container engine doesn't answer")
		f.until(20*time.Second, "the host says that its engine is down", func() (bool, string) {
			h := f.host("web2")
			return !h.Engine.Up && h.Engine.Problem != "" && h.Status.State == fleet.HostUp, h.Engine.Problem
		})
		f.says(f.mustMuster("hosts"), "down: ")

		count += 2
		f.mustMuster("scale", "engine/web="+strconv.Itoa(count))
		f.until(time.Minute, "the others have the new instances", func() (bool, string) {
			n, ready := 0, 0
			for _, in := range f.service("web").Instances {
				if in.Host != "web2" {
					n++
					if in.Ready {
						ready++
					}
				}
			}
			return n == count-ours && ready == n, strconv.Itoa(ready) + " of " + strconv.Itoa(n)
		})
		if n := len(f.instancesOn("web2")); n != ours {
			t.Errorf("web2 has %d instances while its engine is down, had %d", n, ours)
		}

		f.must(host.StartEngine(f.ctx()))
		f.soon(30*time.Second, fleet.EventEngineUp, "")
		f.converged("web", time.Minute)
		if n := len(f.containers()); n != count {
			t.Errorf("%d containers, not %d", n, count)
		}
		f.intact(before)
		f.never(fleet.EventHostLost, fleet.EventInstanceDraining)
		if got := f.answers(9108, 5*count); len(got) != count {
			t.Errorf("%d instances answered: %v", len(got), got)
		}
	}
}

// instancesOn lists the project's instances on a host.
func (f *fault) instancesOn(host string) (out []fleet.InstanceView) {
	f.Helper()
	list, err := f.c.Client.Instances(f.ctx(), "", host)
	if err != nil {
		f.Fatal(err)
	}
	for _, in := range list.Items {
		if in.Service.Project == f.name {
			out = append(out, in)
		}
	}
	return out
}
