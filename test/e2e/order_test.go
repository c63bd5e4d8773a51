//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

// The services of the tests below, each on a host of its own.

// orderedDB is a database: ready after three seconds, at the port that is probed.
func orderedDB(image, port string) string {
	return fmt.Sprintf(`
  db:
    image: %s
    stop_grace_period: 5s
    environment: {PORT: "%s", READY_AFTER: 3s}
    deploy: {placement: {constraints: [node.hostname==web2]}, x-rollout: {monitor: 1s, order: stop-first}}
    x-probe: {http: /healthz, port: 8080, interval: 1s}
`, image, port)
}

func orderedMigrate(image string) string {
	return fmt.Sprintf(`
  migrate:
    image: %s
    deploy: {placement: {constraints: [node.hostname==web1]}}
    depends_on: {db: {condition: service_healthy}}
`, image)
}

const orderedCache = `
  cache:
    image: app:1
    environment: {UNHEALTHY: "1"}
    stop_grace_period: 5s
    deploy: {placement: {constraints: [node.hostname==web1]}}
`

// orderedWeb is behind the balancer, and comes after the others.
func orderedWeb(image string, port int, after string) string {
	return web(image, 2, port, "    depends_on:\n"+after)
}

const afterAll = `      db: {condition: service_healthy, restart: true}
      cache: {condition: service_started}
      migrate: {condition: service_completed_successfully}
`

// placed are when the first instance of each service was placed.
func (p *project) placed() map[string]time.Time {
	p.Helper()
	out := map[string]time.Time{}
	for _, e := range p.happened(fleet.EventInstancePlaced) {
		if at, known := out[e.Data.Service.Name]; !known || e.Time.Before(at) {
			out[e.Data.Service.Name] = e.Time
		}
	}
	return out
}

// waits wants a service to wait, as people and programs are told.
func (p *project) waits(service, says string) fleet.ServiceView {
	p.Helper()
	var v fleet.ServiceView
	p.until(30*time.Second, service+" is "+says, func() (bool, string) {
		v = p.service(service)
		return strings.Contains(strings.Join(v.Reasons, "\n"), says), describe([]fleet.ServiceView{v})
	})
	return v
}

// TestTheFirstStartIsInOrder, across three hosts and by each of the conditions.
func TestTheFirstStartIsInOrder(t *testing.T) {
	t.Parallel()
	p := begin(t, "inorder")
	out := p.apply(orderedWeb("app:1", 9260, afterAll) + orderedDB("app:1", "8080") + orderedMigrate("job:1") + orderedCache)
	t.Log(out)
	p.says(out, "waiting for db on web2: not healthy")
	ready := p.soon(time.Second, fleet.EventInstanceReady, p.name+"/db").Time
	completed := p.soon(time.Second, fleet.EventServiceCompleted, p.name+"/migrate").Time
	at := p.placed()
	if at["migrate"].Before(ready) || at["web"].Before(ready) || at["web"].Before(completed) {
		t.Errorf("placed %v; db was ready at %s, migrate had completed at %s", at, ready, completed)
	}
	if v := p.service("migrate"); v.State != fleet.ServiceCompleted || v.Run == nil || v.Run.Code != 0 || v.Run.Host != "web1" {
		t.Errorf("migrate is %s: %+v", v.State, v.Run)
	}
	db := p.service("db").Instances[0].Actual.StartedAt
	for _, in := range p.service("web").Instances {
		if started := in.Actual.StartedAt; started.Before(db.Add(3 * time.Second)) {
			t.Errorf("a container of web has started at %s, and that of db at %s", started, db)
		}
	}
	p.allAnswer(9260, 2)
	p.says(p.mustMuster("services", p.name), "inorder/migrate completed 0/0")
	p.says(p.mustMuster("instances", p.name+"/migrate"), "completed")
}

// TestARestartFollowsADependency: by the dependency's new version, one file that
// changes both, and a way back; nothing is lost of web's traffic.
func TestARestartFollowsADependency(t *testing.T) {
	t.Parallel()
	const port = 9261
	p := begin(t, "follows")
	file := func(db, web string) string {
		return orderedWeb(web, port, "      db: {condition: service_healthy, restart: true}\n") + orderedDB(db, "8080")
	}
	p.apply(file("app:1", "app:1"))
	p.allAnswer(port, 2)
	p.mark()
	g, end := p.lightly(port)

	p.apply(file("app:2", "app:1"))
	p.soon(30*time.Second, fleet.EventServiceRestart, "follows/web restarts, one instance after another, as follows/db has been replaced")
	p.converged("web", 90*time.Second)
	done := p.soon(time.Second, fleet.EventRolloutSucceeded, "follows/db").Time
	if at := p.placed()["web"]; at.Before(done) {
		t.Errorf("an instance of web was placed at %s, and the rollout of db succeeded at %s", at, done)
	}

	p.mark()
	p.mustMuster("apply", "-f", p.file(file("app:1", "app:2")))
	p.waits("web", "waiting for db: its rollout from version 2 to")
	p.rolledOut(fleet.RolloutSucceeded)
	done = p.soon(time.Second, fleet.EventRolloutSucceeded, "follows/db").Time
	if at := p.placed()["web"]; at.Before(done) {
		t.Errorf("an instance of web was placed at %s, and the rollout of db succeeded at %s", at, done)
	}
	p.never(fleet.EventServiceRestart)

	p.mark()
	p.mustMuster("rollback", p.name+"/db")
	p.soon(60*time.Second, fleet.EventServiceRestart, "as follows/db has been replaced")
	p.converged("web", 90*time.Second)
	r := p.whole(g, end, "")
	if r.ByVersion["1"] == 0 || r.ByVersion["2"] == 0 {
		t.Errorf("by version %v", r.ByVersion)
	}
}

// TestADependencyThatNeverGetsHealthy keeps those waiting that depend on it, and
// nobody else, until it is mended, or somebody doesn't want to wait.
func TestADependencyThatNeverGetsHealthy(t *testing.T) {
	t.Parallel()
	p := begin(t, "unhealthy")
	file := func(dbPort string) string {
		return orderedWeb("app:1", 9262, "      db: {condition: service_healthy}\n") + orderedDB("app:1", dbPort) + orderedCache + `
  hasty:
    image: app:1
    stop_grace_period: 5s
    depends_on: {db: {condition: service_healthy}}
`
	}
	const says = "waiting for db on web2: not healthy (connection refused)"
	p.mustMuster("apply", "-f", p.file(file("9999")))
	p.converged("cache", 20*time.Second)
	v := p.waits("web", says)
	p.says(p.exits(3, "apply", "-f", p.file(file("9999")), "--wait", "--timeout", "8s"), says)
	if len(v.WaitsFor) != 1 || v.WaitsFor[0].Host != "web2" || v.WaitsFor[0].Why != "not healthy (connection refused)" || time.Since(v.WaitsFor[0].Since) > time.Minute {
		t.Errorf("it waits for %+v", v.WaitsFor)
	}
	if len(v.Instances) > 0 {
		t.Errorf("it has instances: %+v", v.Instances)
	}
	p.says(p.mustMuster("services", p.name), "unhealthy/web: "+says)
	p.says(p.mustMuster("service", p.name+"/web"), says, "for db to be healthy, since")
	status, err := p.read("-t", "muster/v1/services/unhealthy/web/status", "-C", "1", "-W", "10")
	if err != nil || !strings.Contains(status, `"waitsFor":[{"service":"unhealthy/db","condition":"healthy","what":"start","host":"web2"`) {
		t.Errorf("the topic says %s (%v)", status, err)
	}

	p.says(p.mustMuster("start", p.name+"/hasty"), "doesn't wait for db any more")
	p.converged("hasty", 30*time.Second)
	if v := p.service("web"); len(v.Instances) > 0 {
		t.Error("web has begun with it")
	}
	p.apply(file("8080"))
	p.allAnswer(9262, 2)
}

// TestADependencyThatDiesLater is nothing to who has begun: it is restarted,
// replaced and scaled as ever.
func TestADependencyThatDiesLater(t *testing.T) {
	const port = 9263
	p := begin(t, "dieslater")
	p.apply(orderedWeb("app:1", port, "      db: {condition: service_healthy, restart: true}\n") + orderedDB("app:1", "8080"))
	p.allAnswer(port, 2)
	g, end := p.lightly(port)
	p.powerCut("web2")
	p.soon(30*time.Second, fleet.EventHostLost, "web2 is lost")
	p.mustMuster("scale", p.name+"/web=3")
	p.until(time.Minute, "three serve without db", func() (bool, string) {
		n := 0
		for _, in := range p.service("web").Instances {
			if in.Ready && in.Goal == fleet.GoalRun && in.Host != "web2" {
				n++
			}
		}
		return n == 3, describe([]fleet.ServiceView{p.service("web")})
	})
	p.must(g.Stop(p.ctx()))
	t.Logf("while db and a host were gone: %d of %d requests failed", (<-end).Failed, g.Snapshot().Sent)
	p.mustMuster("restart", p.name+"/web")
	p.until(time.Minute, "all have restarted without db", func() (bool, string) {
		v, n := p.service("web"), 0
		for _, in := range v.Instances {
			if in.Ready && in.Goal == fleet.GoalRun {
				n++
			}
		}
		return n == 3 && len(v.Instances) == 3 && v.State == fleet.ServiceConverged, describe([]fleet.ServiceView{v})
	})
	if v := p.service("db"); v.State == fleet.ServiceConverged {
		t.Errorf("db is %s", v.State)
	}
}

// TestAOneShotServiceThatFails keeps those waiting that depend on it, with its exit
// code, until a version of it does well; one that has done well isn't run again.
func TestAOneShotServiceThatFails(t *testing.T) {
	t.Parallel()
	p := begin(t, "oneshot")
	file := func(job string) string {
		return orderedWeb("app:1", 9264, "      migrate: {condition: service_completed_successfully}\n") + orderedDB("app:1", "8080") + orderedMigrate(job)
	}
	out := p.exits(3, "apply", "-f", p.file(file("job:2")), "--wait", "--timeout", patience)
	t.Log(out)
	p.says(out, "waiting for migrate on web1: exited with code 3")
	v := p.waits("web", "held: waiting for migrate on web1: exited with code 3 (apply what works, or muster restart oneshot/migrate runs it again; muster start oneshot/web waits for nothing)")
	if len(v.Instances) > 0 {
		t.Errorf("it has instances: %+v", v.Instances)
	}
	p.apply(file("job:1"))
	p.allAnswer(9264, 2)
	run := p.service("migrate").Run
	if run == nil || run.Version != 2 || !run.Completed() {
		t.Fatalf("its run is %+v", run)
	}

	// Neither a restart of its host's agent, nor somebody who tidies up, nor another
	// apply has it run again.
	container := p.service("migrate").Instances[0].Actual.Container
	if out, err := p.c.Fleet.Host("web1").Docker(p.ctx(), "rm", container).CombinedOutput(); err != nil {
		t.Fatalf("docker rm: %v\n%s", err, out)
	}
	p.apply(file("job:1"))
	time.Sleep(5 * time.Second)
	if again := p.service("migrate").Run; *again != *run {
		t.Errorf("its run is %+v, and was %+v", again, run)
	}
	if n := len(p.happened(fleet.EventServiceCompleted)); n != 1 {
		t.Errorf("it has completed %d times", n)
	}
	if _, err := p.c.Client.Restart(p.ctx(), p.key("migrate"), client.Write{}); err != nil {
		t.Fatal(err)
	}
	p.until(30*time.Second, "it has run again", func() (bool, string) {
		v := p.service("migrate")
		return v.Run.Instance != run.Instance && v.State == fleet.ServiceCompleted, describe([]fleet.ServiceView{v})
	})
}
