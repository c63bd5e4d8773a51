//go:build e2e && soak

package e2e

import (
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
