//go:build e2e && soak

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// TestRecreateNeverRunsBothVersions: all old ones are gone before a new one comes.
func TestRecreateNeverRunsBothVersions(t *testing.T) {
	t.Parallel()
	const port = 9250
	rollout := "{strategy: recreate, monitor: 1s}"
	p := begin(t, "recreate")
	p.apply(rollingOut("app:1", port, rollout))
	p.allAnswer(port, 3)
	p.mustMuster("apply", "-f", p.file(rollingOut("app:2", port, rollout)))
	p.until(time.Minute, "the rollout has succeeded", func() (bool, string) {
		v := p.service("web")
		versions := map[int]bool{}
		for _, in := range v.Instances {
			versions[in.Version] = true
		}
		if len(versions) > 1 {
			t.Fatalf("both versions are there: %s", describe([]fleet.ServiceView{v}))
		}
		return v.Rollout.State == fleet.RolloutSucceeded, v.Rollout.State
	})
	if v := p.converged("web", time.Minute); v.Version != 2 {
		t.Errorf("version %d", v.Version)
	}
	p.allAnswer(port, 3)
}

// TestARollingIsPausedAndResumed: it stays with both versions as they are, and loses
// nothing.
func TestARollingIsPausedAndResumed(t *testing.T) {
	t.Parallel()
	const port = 9251
	rollout := "{batch: 1, delay: 3s, monitor: 1s}"
	p := begin(t, "resumed")
	p.apply(rollingOut("rude:1", port, rollout))
	p.allAnswer(port, 3)
	g, end := p.lightly(port)
	p.mustMuster("apply", "-f", p.file(rollingOut("rude:2", port, rollout)))
	p.until(30*time.Second, "version 2 answers", func() (bool, string) {
		return g.Snapshot().ByVersion["2"] > 0, p.rolledOut(fleet.RolloutProgressing).Why
	})
	p.mustMuster("rollout", p.name+"/web", "pause")
	step := p.rolledOut(fleet.RolloutPaused).Step
	time.Sleep(5 * time.Second)
	if r := p.rolledOut(fleet.RolloutPaused); r.Step != step {
		t.Errorf("it goes on to batch %d", r.Step+1)
	}
	p.mustMuster("rollout", p.name+"/web", "resume")
	p.rolledOut(fleet.RolloutSucceeded)
	if r := p.whole(g, end, ""); r.ByVersion["1"] == 0 || r.ByVersion["2"] == 0 {
		t.Errorf("by version %v", r.ByVersion)
	}
}

// TestRolloutsDropNothing upgrades, goes back and upgrades again in each way that
// promises to lose nothing, for a service that stops gracefully and for one that
// exits at once.
func TestRolloutsDropNothing(t *testing.T) {
	t.Parallel()
	port := 9200
	for strategy, rollout := range map[string]string{
		"rolling":    "{strategy: rolling, monitor: 2s}",
		"canary":     "{strategy: canary, steps: [20, 60], monitor: 2s, keep: 5s, verify: {interval: 3s}}",
		"blue-green": "{strategy: blue-green, monitor: 2s, keep: 30s}",
	} {
		for _, program := range []string{"app", "rude"} {
			port++
			port := port
			t.Run(strategy+" "+program, func(t *testing.T) {
				t.Parallel()
				p := begin(t, strings.ReplaceAll(strategy, "-", "")+program)
				p.apply(rollingOut(program+":1", port, rollout))
				p.allAnswer(port, 3)
				g, end := p.lightly(port)
				p.mustMuster("apply", "-f", p.file(rollingOut(program+":2", port, rollout)))
				p.rolledOut(fleet.RolloutSucceeded)
				p.mustMuster("rollback", p.name+"/web")
				if r := p.rolledOut(fleet.RolloutSucceeded); !r.Back || r.To != 1 {
					p.Errorf("rollout %+v", r)
				}
				p.mustMuster("apply", "-f", p.file(rollingOut(program+":2", port, rollout)), "--wait", "--timeout", patience)
				r := p.whole(g, end, "")
				if r.ByVersion["1"] == 0 || r.ByVersion["2"] == 0 {
					p.Errorf("by version %v", r.ByVersion)
				}
			})
		}
	}
}

// TestPeopleSteerARollout promotes, pauses, resumes and aborts, and a newer version
// takes an older one's place.
func TestPeopleSteerARollout(t *testing.T) {
	t.Parallel()
	const port = 9230
	p := begin(t, "steered")
	rollout := "{strategy: canary, steps: [25, 50], manual: true, monitor: 1s, keep: 1s, verify: {interval: 2s}}"
	file := func(image string) string { return p.file(rollingOut(image, port, rollout)) }
	steer := func(args ...string) { p.mustMuster(append([]string{"rollout", p.name + "/web"}, args...)...) }
	p.apply(rollingOut("app:1", port, rollout))
	p.allAnswer(port, 3)
	g, end := p.lightly(port)
	p.mustMuster("apply", "-f", file("app:2"))
	if r := p.rolledOut(fleet.RolloutPaused); r.PauseReason != fleet.PauseManual || r.Step != 0 {
		p.Fatalf("paused: %+v", r)
	}
	steer("promote")
	p.until(30*time.Second, "it waits at the second step", func() (bool, string) {
		r := p.rolledOut(fleet.RolloutPaused)
		return r.Step == 1, fmt.Sprint(r.Step)
	})
	steer("abort")
	p.rolledOut(fleet.RolloutRolledBack)
	p.mustMuster("apply", "-f", file("app:2"))
	p.rolledOut(fleet.RolloutPaused)
	p.mustMuster("apply", "-f", file("rude:2"))
	if r := p.rolledOut(fleet.RolloutPaused); r.From != 1 {
		p.Errorf("it comes from version %d", r.From)
	}
	steer("pause")
	steer("promote", "--fully")
	p.rolledOut(fleet.RolloutSucceeded)
	p.whole(g, end, "")
}
