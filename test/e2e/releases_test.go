//go:build e2e && soak

package e2e

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/cluster"
	"github.com/musterhq/muster/test/previous"
)

// A hub and agents one release apart, on a fleet of their own: of the previous
// release and of this one.

// previousPrograms are built once for all tests, in a folder that goes with the
// shared fleet.
var previousPrograms = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir := filepath.Join(shared.Fleet.Dir, "previous")
	return dir, previous.Build(ctx, dir)
})

// apart is a project on a fleet whose hub, or agents, or both are of the previous
// release.
func apart(t *testing.T, name string, oldHub, oldAgents bool) *project {
	t.Helper()
	dir, err := previousPrograms()
	if err != nil {
		t.Fatal(err)
	}
	o := cluster.Options{Hosts: names, Balancers: []string{"web1"}}
	if oldHub {
		o.HubPrograms = dir
	}
	if oldAgents {
		o.AgentPrograms = dir
	}
	p := ofItsOwn(t, name, o, "app:1", "app:2", "job:1")
	if oldHub {
		p.c.CLI = filepath.Join(dir, "muster") // the hub's own
	}
	return p
}

// ofThisRelease has a host's agent, or the hub, replaced by this release's, as an
// upgrade does.
func (p *project) ofThisRelease(name string) { p.Helper(); p.exchange(name, p.c.Fleet.Dir) }

func (p *project) ofThePreviousRelease(name string) {
	p.Helper()
	dir, err := previousPrograms()
	p.must(err)
	p.exchange(name, dir)
}

func (p *project) exchange(name, dir string) {
	p.Helper()
	p.stop(name)
	p.process(name).Exchange(dir)
	if name == cluster.HubHost {
		p.c.CLI = filepath.Join(dir, "muster")
		p.startHub()
	} else {
		p.start(name)
	}
	p.allUp()
}

// everyday is what both releases know, under load: more instances, fewer, another
// version, a restart, a host that is drained.
func (p *project) everyday(port int) {
	p.Helper()
	p.apply(web("app:1", 3, port))
	p.inPool("web", 3)
	p.allAnswer(port, 3)
	g, end := p.lightly(port)
	p.mustMuster("scale", p.name+"/web=5", "--wait")
	p.inPool("web", 5)
	p.mustMuster("scale", p.name+"/web=3", "--wait")
	p.apply(web("app:2", 3, port))
	p.inPool("web", 3)
	p.mustMuster("restart", p.name+"/web", "--wait")
	p.mustMuster("host", "drain", "web2", "--wait")
	p.mustMuster("host", "activate", "web2")
	p.inPool("web", 3)
	if r := p.whole(g, end, ""); r.ByVersion["1"] == 0 || r.ByVersion["2"] == 0 {
		p.Errorf("by version %v", r.ByVersion)
	}
	p.never(fleet.EventMessageRefused, fleet.EventHostLost, fleet.EventHostRefused, fleet.EventBalancerProblem, fleet.EventInstanceExited)
}

// TestAgentsOfThePreviousReleaseFollowThisHub: what they know goes on, what they
// don't isn't sent to them, and waits for their upgrade.
func TestAgentsOfThePreviousReleaseFollowThisHub(t *testing.T) {
	t.Parallel()
	const port = 9300
	p := apart(t, "agents", false, true)
	p.everyday(port)

	// A job runs once in each rollout that names it: there, and back by a person's
	// order.
	jobs := `  migrate: {image: job:1, restart: "no", deploy: {mode: replicated-job}}`
	withJob := func(image string) string {
		return rollingOut(image, port, "{strategy: rolling, before: [migrate], monitor: 1s}") + jobs
	}
	g, end := p.lightly(port)
	p.apply(withJob("app:1"))
	p.mustMuster("rollback", p.name+"/web")
	p.rolledOut(fleet.RolloutSucceeded)
	p.until(time.Minute, "its job is gone", func() (bool, string) {
		for _, c := range p.containers() {
			if strings.Contains(c.Name, "migrate") {
				return false, c.Name
			}
		}
		return true, ""
	})

	ended := map[string]int{}
	for _, e := range p.happened(fleet.EventInstanceExited) {
		ended[e.Data.Instance]++
		if ended[e.Data.Instance] > 1 || !strings.Contains(e.Data.Message, "code 0") {
			t.Errorf("%s %s: %d times", e.Data.Instance, e.Data.Message, ended[e.Data.Instance])
		}
	}
	if len(ended) != 2 {
		t.Errorf("%d jobs ended", len(ended))
	}

	// A canary waits, and says for whom.
	before := p.containers()
	canary := func(image string) string {
		return p.file(rollingOut(image, port, "{strategy: canary, steps: [20, 60], monitor: 2s, keep: 1s, verify: {interval: 3s}}"))
	}
	p.mustMuster("apply", "-f", canary("app:1"))
	r := p.rolledOut(fleet.RolloutPaused)
	why := "web1/haproxy: its agent doesn't know parked, metrics; upgrade the agent on web1"
	if r.PauseReason != fleet.PauseAgent || r.Why != why {
		t.Errorf("paused (%s): %s", r.PauseReason, r.Why)
	}
	p.says(p.mustMuster("service", p.name+"/web"), why)
	time.Sleep(3 * time.Second) // nothing may happen: there is nothing to wait for
	p.untouched(before)
	p.inPool("web", 3)

	// With that one agent upgraded it goes on by itself.
	p.ofThisRelease("web1")
	p.rolledOut(fleet.RolloutSucceeded)
	p.converged("web", time.Minute)
	p.whole(g, end, "")
	p.never(fleet.EventMessageRefused, fleet.EventHostRefused, fleet.EventBalancerProblem)
}

// TestThisReleasesAgentsFollowAnOlderHub: agents that were upgraded first do no harm.
func TestThisReleasesAgentsFollowAnOlderHub(t *testing.T) {
	t.Parallel()
	p := apart(t, "hub", true, false)
	p.everyday(9301)
}

// TestAFleetIsUpgradedInPlace upgrades the hub, then the agents one by one, and goes
// all the way back, under load: nothing is restarted.
func TestAFleetIsUpgradedInPlace(t *testing.T) {
	t.Parallel()
	const port = 9302
	p := apart(t, "place", true, true)
	p.apply(web("app:1", 3, port))
	p.allAnswer(port, 3)
	p.mark()
	before, workers := p.containers(), p.haproxyProcesses()
	g, end := p.lightly(port)

	p.ofThisRelease(cluster.HubHost)
	backup := p.upgradeBackup()
	for _, name := range names {
		p.ofThisRelease(name)
	}
	p.inPool("web", 3)
	p.untouched(before)
	if now := p.haproxyProcesses(); !slices.Equal(now, workers) {
		t.Errorf("HAProxy was reloaded: %v, were %v", now, workers)
	}
	// Of the same file a later hub may carry out more, but it makes no other version.
	if out := p.mustMuster("apply", "-f", p.file(web("app:1", 3, port)), "--dry-run"); strings.Contains(out, "spec.") || strings.Contains(out, "+ ") {
		t.Errorf("the same file again:\n%s", out)
	}
	p.never(fleet.EventInstancePlaced, fleet.EventInstanceDraining, fleet.EventMessageRefused, fleet.EventBalancerProblem)

	// In the middle of a canary, while old instances are parked and requests counted …
	canary := rollingOut("app:2", port, "{strategy: canary, steps: [30], monitor: 5m, verify: {interval: 2s}}")
	p.mustMuster("apply", "-f", p.file(canary))
	p.rolledOut(fleet.RolloutPromoting)
	p.until(30*time.Second, "the old version is parked", func() (bool, string) {
		shown := p.mustMuster("lb", "show", p.name+"/web")
		return strings.Count(shown, "parked") == 3 && strings.Contains(shown, "acknowledged"), shown
	})
	during := p.containers()
	if len(during) != 6 {
		t.Fatalf("%d containers, with those that are kept", len(during))
	}

	// … the former hub refuses the store, and goes on from the backup. Agents of this
	// release follow it.
	p.stop(cluster.HubHost)
	dir, err := previousPrograms()
	p.must(err)
	p.c.Hub.Exchange(dir)
	p.c.CLI = filepath.Join(dir, "muster")
	said := p.formerHub(dir)
	p.says(said, "was written by a newer hub: it has schema 3, which this one does not know", "restore the backup made before the upgrade")
	p.says(p.formerHub(dir, "restore", "--force", backup), "lineage")
	p.startHub()
	p.allUp()
	p.until(90*time.Second, "the former hub decides again", func() (bool, string) {
		v := p.service("web")
		return v.State == fleet.ServiceFrozen || v.State == fleet.ServiceConverged, describe([]fleet.ServiceView{v})
	})
	time.Sleep(10 * time.Second) // sessions that are cut off again and again would be by then
	p.intact(during)
	p.mustMuster("apply", "-f", p.file(web("app:1", 3, port)))
	if p.service("web").Frozen {
		p.mustMuster("unfreeze", p.name+"/web")
	}
	p.converged("web", 2*time.Minute)
	for _, name := range slices.Backward(names) {
		p.ofThePreviousRelease(name)
	}
	p.converged("web", time.Minute)
	p.inPool("web", 3)
	p.whole(g, end, "")
	for host, n := range p.sessions() {
		if n != 5 { // at its start, twice with another hub, twice as another release
			t.Errorf("the agent on %s connected %d times", host, n)
		}
	}
}

// upgradeBackup is the backup that the hub made of its store when it was upgraded.
func (p *project) upgradeBackup() string {
	p.Helper()
	files, err := filepath.Glob(filepath.Join(p.hubDir(), "hub.db.schema-1-revision-*.backup"))
	if err != nil || len(files) != 1 {
		p.Fatalf("backups %v, %v", files, err)
	}
	return files[0]
}

// formerHub runs the former hub's program, to its end, and returns what it said.
func (p *project) formerHub(dir string, args ...string) string {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx(), 20*time.Second)
	defer cancel()
	cmd := p.c.Fleet.Host(cluster.HubHost).Command(ctx, filepath.Join(dir, "muster-hub"), append([]string{"--state-dir", p.hubDir()}, args...)...)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		p.Fatalf("it runs: %s", out)
	}
	if len(args) > 0 && err != nil {
		p.Fatalf("%v: %v\n%s", args, err, out)
	} else if len(args) == 0 && err == nil {
		p.Fatalf("it ended well: %s", out)
	}
	return string(out)
}
