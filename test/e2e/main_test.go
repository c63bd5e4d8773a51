//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

func TestApplyScaleAndRemove(t *testing.T) {
	t.Parallel()
	p := begin(t, "basic")
	out := p.apply(web("app:1", 5, 9001))
	if !strings.Contains(out, "+ basic/web") {
		t.Errorf("the plan doesn't say what is added:\n%s", out)
	}
	if v := p.service("web"); v.Ready != 5 || len(v.Addresses) != 5 {
		t.Fatalf("ready %d, addresses %v", v.Ready, v.Addresses)
	}
	if got := p.answers(9001, 50); len(got) != 5 {
		t.Errorf("%d instances answered: %v", len(got), got)
	}
	before := p.containers()

	out = p.apply(web("app:1", 5, 9001))
	if !strings.Contains(out, "nothing changes") {
		t.Errorf("the same file again:\n%s", out)
	}
	p.untouched(before)

	p.mustMuster("scale", "basic/web=8", "--wait")
	if n := len(p.containers()); n != 8 {
		t.Errorf("%d containers after scaling up", n)
	}
	p.mustMuster("scale", "basic/web=2", "--wait")
	if n := len(p.containers()); n != 2 {
		t.Errorf("%d containers after scaling down", n)
	}
	if got := p.answers(9001, 20); len(got) != 2 {
		t.Errorf("%d instances answered: %v", len(got), got)
	}
	status := []string{"-C", "1", "-W", "2", "-t", wire.ServiceStatus(p.key("web"))}
	if out, err := p.read(status...); err != nil || !strings.Contains(out, `"state":"converged"`) || !strings.Contains(out, `"ready":2`) {
		t.Errorf("a stock subscriber reads %q, %v", out, err)
	}
	p.mustMuster("rm", "basic/web", "--wait", "--yes")
	if n := len(p.containers()); n != 0 {
		t.Errorf("%d containers are left", n)
	}
	if out, err := p.read(status...); err == nil {
		t.Errorf("of a service that is gone a stock subscriber reads %q", out)
	}
}

func TestReplaceByNewImage(t *testing.T) {
	t.Parallel()
	p := begin(t, "replace")
	p.apply(web("app:1", 3, 9002))
	out := p.apply(web("app:2", 3, 9002))
	if !strings.Contains(out, "spec.image") {
		t.Errorf("the plan doesn't name the image:\n%s", out)
	}
	v := p.service("web")
	for _, in := range v.Instances {
		if in.Version != 2 {
			t.Errorf("%s has version %d", in.ID, in.Version)
		}
	}
	if n := len(p.containers()); n != 3 {
		t.Errorf("%d containers", n)
	}
}

func TestKilledAndRemovedByHand(t *testing.T) {
	t.Parallel()
	p := begin(t, "hand")
	p.apply(web("app:1", 3, 9003))
	for id, c := range p.containers() {
		p.mark()
		if err := p.c.Fleet.Host(c.Host).Docker(p.ctx(), "kill", id).Run(); err != nil {
			t.Fatal(err)
		}
		p.soon(20*time.Second, fleet.EventInstanceExited, "137")
		break
	}
	p.converged("web", 30*time.Second)
	for id, c := range p.containers() {
		if err := p.c.Fleet.Host(c.Host).Docker(p.ctx(), "rm", "-f", id).Run(); err != nil {
			t.Fatal(err)
		}
		p.until(30*time.Second, "another container has its place", func() (bool, string) {
			for other, now := range p.containers() {
				if other != id && now.Instance == c.Instance && now.State == "running" {
					return true, ""
				}
			}
			return false, "none"
		})
		break
	}
	p.converged("web", 30*time.Second)
	for id, c := range p.containers() {
		host := p.c.Fleet.Host(c.Host)
		for _, args := range [][]string{{"pause", id}, {"rename", id, "mine"}, {"stop", id}} {
			if out, err := host.Docker(p.ctx(), args...).CombinedOutput(); err != nil && args[0] != "rename" {
				t.Fatalf("docker %v: %v: %s", args, err, out)
			}
			p.until(30*time.Second, "it is put back after docker "+args[0], func() (bool, string) {
				now := p.containers()[id]
				return now.State == "running" && now.Name == c.Name, now.State + " " + now.Name
			})
		}
		break
	}
	p.converged("web", 30*time.Second)
}

func TestHostDrain(t *testing.T) {
	p := begin(t, "drain")
	p.apply(web("app:1", 6, 9004))
	p.mustMuster("host", "drain", "web2", "--wait")
	p.until(time.Minute, "web2 is empty", func() (bool, string) {
		for _, c := range p.containers() {
			if c.Host == "web2" {
				return false, c.Name
			}
		}
		return true, ""
	})
	if v := p.converged("web", time.Minute); v.Ready != 6 {
		t.Errorf("%d ready", v.Ready)
	}
}

func TestFreeze(t *testing.T) {
	t.Parallel()
	p := begin(t, "freeze")
	p.apply(web("app:1", 2, 9005))
	p.mustMuster("freeze", "freeze/web")
	before := p.containers()
	for id, c := range before {
		if err := p.c.Fleet.Host(c.Host).Docker(p.ctx(), "kill", id).Run(); err != nil {
			t.Fatal(err)
		}
		p.until(20*time.Second, "the exit is reported", func() (bool, string) {
			v := p.service("web")
			return v.Ready == 1 && v.State == fleet.ServiceFrozen, describe([]fleet.ServiceView{v})
		})
		break
	}
	p.mustMuster("scale", "freeze/web=4")
	time.Sleep(3 * time.Second) // nothing may happen: there is nothing to wait for
	after := p.containers()
	if len(after) != 2 {
		t.Errorf("%d containers on a frozen service", len(after))
	}
	p.mustMuster("unfreeze", "freeze/web")
	if v := p.converged("web", time.Minute); v.Ready != 4 {
		t.Errorf("%d ready", v.Ready)
	}
}

func TestNamesAcrossHosts(t *testing.T) {
	t.Parallel()
	p := begin(t, "names")
	if err := p.c.LoadExample(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	out, err := p.muster("apply", "-f", "../../examples/rank/compose.yaml", "--wait", "--timeout", patience)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p.name = "leaderboard"
	if got := p.answers(8080, 20); len(got) != 5 {
		t.Errorf("%d back ends answered: %v", len(got), got)
	}
}
