//go:build e2e && soak

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

const byHand = "{strategy: canary, steps: [30, 60], manual: true, monitor: 1s, keep: 1s, verify: {off: true, interval: 1s}}"

// TestARolloutHoldsWithoutItsBalancer kills the agent that drives the balancer in
// the middle of a rollout: nothing moves, and it is said why, until it is back.
func TestARolloutHoldsWithoutItsBalancer(t *testing.T) {
	const port = 9240
	p := begin(t, "lbgone")
	rollout := "{strategy: canary, steps: [30, 60], monitor: 1s, keep: 1s, verify: {off: true, interval: 6s}}"
	p.apply(rollingOut("app:1", port, rollout))
	p.allAnswer(port, 3)
	g, end := p.lightly(port)
	p.mustMuster("apply", "-f", p.file(rollingOut("app:2", port, rollout)))
	p.until(30*time.Second, "version 2 has its first share", func() (bool, string) {
		r := p.rolledOut(fleet.RolloutProgressing)
		return r.Weight == 30 && !r.Served.IsZero(), r.Why
	})
	p.kill("web1")
	if r := p.rolledOut(fleet.RolloutPaused); r.PauseReason != fleet.PauseBalancer {
		t.Errorf("it paused because of %s", r.PauseReason)
	}
	p.says(p.mustMuster("rollout", p.name+"/web"), "no agent is heard that drives it", "muster lb forget web1/haproxy")
	answered := g.Snapshot().OK
	time.Sleep(8 * time.Second) // longer than a step is held
	if r := p.rolledOut(fleet.RolloutPaused); r.Step != 0 {
		t.Errorf("it went on to step %d", r.Step)
	}
	if now := g.Snapshot().OK; now == answered {
		t.Error("nobody was answered meanwhile")
	}
	p.start("web1")
	p.rolledOut(fleet.RolloutSucceeded)
	p.whole(g, end, "")
}

// TestARolloutOutlivesAHost takes the power of a host that has an instance of the
// new version, in the middle of the rollout.
func TestARolloutOutlivesAHost(t *testing.T) {
	const port = 9241
	p := begin(t, "hostgone")
	p.apply(rollingOut("app:1", port, byHand))
	p.mustMuster("apply", "-f", p.file(rollingOut("app:2", port, byHand)))
	p.rolledOut(fleet.RolloutPaused)
	p.mustMuster("rollout", p.name+"/web", "promote")
	p.until(30*time.Second, "it waits at the second step", func() (bool, string) {
		r := p.rolledOut(fleet.RolloutPaused)
		return r.Step == 1, fmt.Sprint(r.Step)
	})
	victim := ""
	for _, in := range p.service("web").Instances {
		if in.Version == 2 && in.Host != "web1" {
			victim = in.Host
		}
	}
	if victim == "" {
		t.Fatal("version 2 is on no host without a balancer")
	}
	p.powerCut(victim)
	p.soon(30*time.Second, fleet.EventHostLost, victim+" is lost")
	p.mustMuster("rollout", p.name+"/web", "promote", "--fully")
	p.rolledOut(fleet.RolloutSucceeded)
	p.until(time.Minute, "three of version 2 serve elsewhere", func() (bool, string) {
		v := p.service("web")
		n := 0
		for _, in := range v.Instances {
			if in.Version == 2 && in.Ready && in.Host != victim && in.Goal == fleet.GoalRun {
				n++
			}
		}
		return n == 3, describe([]fleet.ServiceView{v})
	})
	p.allAnswer(port, 3)
}

// TestAVersionThatNeverServesIsTakenBack, though it doesn't fail either.
func TestAVersionThatNeverServesIsTakenBack(t *testing.T) {
	t.Parallel()
	port := 9242
	for strategy, rollout := range map[string]string{
		"rolling": "{healthy_within: 5s}",
		"canary":  "{strategy: canary, healthy_within: 5s}",
	} {
		port++
		port := port
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			p := begin(t, "never"+strategy)
			p.apply(rollingOut("app:1", port, rollout))
			p.allAnswer(port, 3)
			g, end := p.lightly(port)
			p.mustMuster("apply", "-f", p.file(rollingOut("ill:3", port, rollout)))
			if r := p.rolledOut(fleet.RolloutRolledBack); !strings.Contains(r.Why, "isn't ready after 5s") {
				p.Errorf("it went back because of %q", r.Why)
			}
			if r := p.whole(g, end, ""); r.ByVersion["3"] > 0 {
				p.Errorf("by version %v", r.ByVersion)
			}
		})
	}
}

// TestChangesInTheMiddleOfARollout scales, aborts and aborts again, and has one
// instance of each version only.
func TestChangesInTheMiddleOfARollout(t *testing.T) {
	t.Parallel()
	const port = 9245
	p := begin(t, "middle")
	file := func(image string, n int) string {
		return strings.Replace(rollingOut(image, port, byHand), "replicas: 3", fmt.Sprintf("replicas: %d", n), 1)
	}
	steer := func(args ...string) { p.mustMuster(append([]string{"rollout", p.name + "/web"}, args...)...) }
	p.apply(file("app:1", 1))
	g, end := p.lightly(port)
	p.mustMuster("apply", "-f", p.file(file("app:2", 1)))
	p.rolledOut(fleet.RolloutPaused)
	answered := g.Snapshot().ByVersion
	p.until(time.Minute, "both versions answer, the new one less", func() (bool, string) {
		now := g.Snapshot().ByVersion
		old, fresh := now["1"]-answered["1"], now["2"]-answered["2"]
		return old+fresh > 200 && fresh*100/(old+fresh) > 15 && fresh*100/(old+fresh) < 45, fmt.Sprint(now)
	})
	p.mustMuster("scale", p.name+"/web=4")
	p.until(30*time.Second, "the rollout has grown with the service", func() (bool, string) {
		olds, news := 0, 0
		v := p.service("web")
		for _, in := range v.Instances {
			switch {
			case !in.Ready || in.Goal != fleet.GoalRun:
			case in.Version == 2:
				news++
			default:
				olds++
			}
		}
		return olds == 4 && news == 2, fmt.Sprintf("%d old, %d new", olds, news)
	})
	steer("abort")
	steer("abort")
	p.rolledOut(fleet.RolloutRolledBack)
	if out, err := p.muster("rollout", p.name+"/web", "abort"); err == nil || !strings.Contains(out, "muster rollback") {
		t.Errorf("abort of what is over: %v\n%s", err, out)
	}
	p.mustMuster("apply", "-f", p.file(file("app:2", 4)))
	p.rolledOut(fleet.RolloutPaused)
	p.mustMuster("scale", p.name+"/web=2")
	steer("promote", "--fully")
	p.rolledOut(fleet.RolloutSucceeded)
	p.converged("web", time.Minute)
	p.whole(g, end, "")
	p.allAnswer(port, 2)
}

// TestRolloutsWithoutABalancer: a service that none offers, and one on each host.
func TestRolloutsWithoutABalancer(t *testing.T) {
	t.Parallel()
	for mode, deploy := range map[string]string{"replicated": "replicas: 3", "global": "mode: global"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := begin(t, "nolb"+mode)
			file := func(image string) string {
				return p.file(fmt.Sprintf(`
services:
  web:
    image: %s
    stop_grace_period: 5s
    deploy: {%s, x-rollout: {monitor: 8s, healthy_within: 10s}}
    x-probe: {http: /healthz, port: 8080, interval: 1s}
`, image, deploy))
			}
			p.mustMuster("apply", "-f", file("app:1"), "--wait", "--timeout", patience)
			p.mustMuster("apply", "-f", file("app:2"))
			p.rolledOut(fleet.RolloutSucceeded)
			p.mustMuster("apply", "-f", file("crash:3"))
			if r := p.rolledOut(fleet.RolloutRolledBack); !strings.Contains(r.Why, "ended by itself") {
				p.Errorf("it went back because of %q", r.Why)
			}
			v := p.converged("web", time.Minute)
			if v.Version != 2 || v.Ready != 3 {
				p.Errorf("version %d, %d ready", v.Version, v.Ready)
			}
		})
	}
}
