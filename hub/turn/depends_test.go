package turn

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func shop(name string) fleet.ServiceKey { return fleet.ServiceKey{Project: "shop", Name: name} }

// lone is a service that nothing is balanced of.
func lone(name, image string, on ...fleet.Dependency) fleet.Service {
	s := webService(1, image)
	s.Key, s.Balancing, s.Spec.Publish, s.DependsOn = shop(name), nil, nil, on
	return s
}

// oneShot is a service that runs to its end.
func oneShot(name, image string, on ...fleet.Dependency) fleet.Service {
	s := lone(name, image, on...)
	s.Mode, s.Count, s.Spec.Restart = fleet.ModeJob, 0, fleet.Restart{Policy: fleet.RestartNo}
	return s
}

func on(name, condition string) fleet.Dependency {
	return fleet.Dependency{Service: name, Condition: condition}
}

// ordering is a world whose agents know how to restart what ends.
func ordering(t *testing.T, hosts ...string) *world {
	w := newWorld(t, hosts...)
	for _, h := range w.hosts {
		h.facts.Features = append(h.facts.Features, fleet.FeatureRestart, fleet.FeaturePrepare)
	}
	return w.join()
}

// take applies services that have to be taken.
func (w *world) take(services ...fleet.Service) {
	w.t.Helper()
	if reply := w.apply(services...); reply.Err != nil {
		w.t.Fatal(reply.Err)
	}
}

// unreadyNow has the probes of all instances of a service fail, or pass.
func (w *world) unreadyNow(name string, fail bool) {
	for _, in := range w.s.Instances {
		h := w.hosts[in.Host]
		if in.Service == shop(name) {
			h.unready = with(h.unready, in.ID, fail)
		}
	}
}

// comes lets time pass until an instance of a service has been placed.
func (w *world) comes(name string) *Instance {
	w.t.Helper()
	for range 10 {
		for _, id := range sorted(w.s.Instances, byText) {
			if in := w.s.Instances[id]; in.Service == shop(name) {
				return in
			}
		}
		w.pass(time.Second)
	}
	w.t.Fatalf("%s isn't placed: %v", name, w.see(name).Reasons)
	return nil
}

func (w *world) see(name string) fleet.ServiceView {
	w.t.Helper()
	v, known := w.view().Service(shop(name))
	if !known {
		w.t.Fatalf("there is no %s", name)
	}
	return v
}

func (w *world) has(name string) (n int) {
	for _, in := range w.s.Instances {
		if in.Service == shop(name) {
			n++
		}
	}
	return n
}

func (w *world) endsWith(name string, code int) {
	for _, h := range w.hosts {
		h.ended = with(h.ended, shop(name), code)
	}
}

// wantSaid wants a service to be in a state, and one of its reasons to say something.
func (w *world) wantSaid(name, state, says string) fleet.ServiceView {
	w.t.Helper()
	v := w.see(name)
	if v.State != state || !strings.Contains(strings.Join(v.Reasons, "\n"), says) {
		w.t.Fatalf("%s is %s, want %s: %s\ngot %s", name, v.State, state, says, strings.Join(v.Reasons, "\n"))
	}
	return v
}

func TestTheFirstStartWaitsUntilADependencyIsHealthy(t *testing.T) {
	w := ordering(t, "web1", "web2", "web3")
	w.stepped = func(_ []Input, d *Delta, _ Outputs) { // from the first report on it isn't ready
		for id, in := range d.instances.changed {
			if in != nil && in.Service == shop("db") {
				w.hosts[in.Host].unready = with(w.hosts[in.Host].unready, id, true)
			}
		}
	}
	w.take(lone("db", "db:1"), lone("web", "web:1", on("db", fleet.ConditionHealthy)), lone("other", "other:1"))
	db := w.comes("db")
	w.pass(5 * time.Second)
	if w.has("web") != 0 {
		t.Fatal("it has started")
	}
	fetched := 0
	for _, h := range w.hosts {
		if slices.Contains(h.desired.Prepare, "shop/web@1") {
			fetched++
		}
	}
	if fetched != 1 {
		t.Errorf("%d hosts fetch its image meanwhile", fetched)
	}
	v := w.wantSaid("web", fleet.ServiceProgressing, "waiting for db on "+db.Host+": not healthy (running)")
	if len(v.WaitsFor) != 1 || v.WaitsFor[0].Host != db.Host || v.WaitsFor[0].Instance != db.ID || v.WaitsFor[0].Since.IsZero() || v.WaitsFor[0].What != fleet.WaitStart {
		t.Errorf("it waits for %+v", v.WaitsFor)
	}
	if w.has("other") != 1 {
		t.Error("who depends on nobody waits, too")
	}
	w.stepped = nil
	w.unreadyNow("db", false)
	w.comes("web")
	w.pass(2 * time.Second)
	for id, h := range w.hosts {
		if len(h.desired.Prepare) > 0 {
			t.Errorf("%s still fetches %v", id, h.desired.Prepare)
		}
	}
	if v := w.see("web"); v.State != fleet.ServiceConverged || len(v.WaitsFor) > 0 {
		t.Errorf("it is %s: %v", v.State, v.Reasons)
	}

	// What becomes of db later is nothing to web, nor to another instance of it.
	w.unreadyNow("db", true)
	w.pass(5 * time.Second)
	w.order(fleet.Command{Do: fleet.DoScale, Service: shop("web"), Count: 3})
	w.pass(5 * time.Second)
	if v := w.see("web"); v.State != fleet.ServiceConverged || v.Ready != 3 {
		t.Errorf("it is %s with %d ready: %v", v.State, v.Ready, v.Reasons)
	}
}

func TestTheFirstStartWaitsForAOneShotServicesEnd(t *testing.T) {
	w := ordering(t, "web1", "web2")
	w.take(lone("db", "db:1"), oneShot("migrate", "migrate:1", on("db", fleet.ConditionHealthy)), lone("web", "web:1", on("migrate", fleet.ConditionCompleted)))
	run := w.comes("migrate")
	w.pass(10 * time.Second)
	if w.has("web") != 0 {
		t.Fatal("it has started")
	}
	w.wantSaid("web", fleet.ServiceProgressing, "waiting for migrate on "+run.Host+": it still runs")
	w.endsWith("migrate", 3)
	w.pass(3 * time.Second)
	w.wantSaid("migrate", fleet.ServiceHeld, "held: version 1 on "+run.Host+" exited with code 3 (apply what works, or muster restart shop/migrate runs it again)")
	w.wantSaid("web", fleet.ServiceHeld, "held: waiting for migrate on "+run.Host+": exited with code 3 (apply what works")
	if w.pass(time.Minute); w.has("web") != 0 || w.has("migrate") != 1 {
		t.Fatalf("%d of web, %d runs", w.has("web"), w.has("migrate"))
	}

	// It is mended: the new version runs, and everything goes on.
	w.endsWith("migrate", 0)
	w.take(oneShot("migrate", "migrate:2", on("db", fleet.ConditionHealthy)))
	w.comes("web")
	w.pass(3 * time.Second)
	v := w.see("migrate")
	if v.State != fleet.ServiceCompleted || v.Run == nil || v.Run.Version != 2 || v.Run.Code != 0 || v.Desired != 0 {
		t.Fatalf("it is %s, %+v: %v", v.State, v.Run, v.Reasons)
	}
	if len(v.Instances) != 1 || v.Instances[0].State != fleet.StateCompleted {
		t.Fatalf("its instances: %+v", v.Instances)
	}

	// It is done for good, also where its host is lost or drained.
	w.order(fleet.Command{Do: fleet.DoHostDrain, Host: v.Run.Host})
	w.pass(20 * time.Second)
	if v := w.see("migrate"); v.State != fleet.ServiceCompleted || w.has("migrate") != 0 {
		t.Errorf("it is %s with %d instances: %v", v.State, w.has("migrate"), v.Reasons)
	}
	w.order(fleet.Command{Do: fleet.DoRestart, Service: shop("migrate")})
	if w.pass(3 * time.Second); w.see("migrate").Run.Instance == v.Run.Instance {
		t.Error("a person's restart doesn't run it again")
	}
}

func TestARunWhoseHostIsLostRunsAgain(t *testing.T) {
	w := ordering(t, "web1", "web2", "web3", "web4")
	w.take(oneShot("migrate", "migrate:1"), lone("web", "web:1", on("migrate", fleet.ConditionCompleted)))
	run := w.comes("migrate")
	w.pass(2 * time.Second)
	w.hosts[run.Host].cut = true
	w.pass(30 * time.Second)
	v := w.see("migrate")
	if v.Run.Host == run.Host || v.Run.Over() {
		t.Fatalf("its run is %+v: %v", v.Run, v.Reasons)
	}
	w.endsWith("migrate", 0)
	w.comes("web")
}

// Started is enough for who waits for just that, whatever becomes of it then.
func TestTheFirstStartWaitsUntilADependencyHasStarted(t *testing.T) {
	w := ordering(t, "web1", "web2")
	w.stepped = func(_ []Input, d *Delta, _ Outputs) {
		for id, in := range d.instances.changed {
			if in != nil && in.Service == shop("db") {
				w.hosts[in.Host].dead[id] = true
			}
		}
	}
	w.take(lone("db", "db:1"), lone("web", "web:1", on("db", fleet.ConditionStarted)))
	db := w.comes("db")
	w.pass(3 * time.Second)
	w.wantSaid("web", fleet.ServiceProgressing, "waiting for db on "+db.Host+": not started (exited with code 1)")
	w.hosts[db.Host].restarts = map[string]int{db.ID: 1}
	w.comes("web")
}

func TestAWaitThatLastsIsToldWithTheWayOut(t *testing.T) {
	w := ordering(t, "web1", "web2")
	db := lone("db", "db:1")
	db.Constraints = []fleet.Constraint{{Label: "zone", Equal: true, Value: "b"}}
	w.take(db, lone("web", "web:1", on("db", fleet.ConditionHealthy)), lone("front", "front:1", on("web", fleet.ConditionStarted)))
	w.pass(5 * time.Second)
	w.wantSaid("web", fleet.ServiceHeld, "waiting for db: 0 of 1 instances are placed (slot 1 can't be placed")
	w.wantSaid("web", fleet.ServiceHeld, "held: waiting for db, which is held (muster service shop/db says why; muster start shop/web waits for nothing)")
	w.wantSaid("front", fleet.ServiceHeld, "waiting for web: it waits for db")
	db.Constraints = nil
	w.stepped = func(_ []Input, d *Delta, _ Outputs) {
		for id, in := range d.instances.changed {
			if in != nil && in.Service == shop("db") {
				w.hosts[in.Host].unready = with(w.hosts[in.Host].unready, id, true)
			}
		}
	}
	w.take(db)
	w.pass(5 * time.Second)
	w.wantSaid("web", fleet.ServiceProgressing, "waiting for db on web1: not healthy (running)")
	for _, in := range w.s.Instances { // what holds db is another matter
		in.GoalAt = in.GoalAt.Add(time.Hour)
	}
	w.pass(DefaultOptions().ReadyAfter)
	w.wantSaid("web", fleet.ServiceHeld, "held: waiting for db for more than 5m0s (muster service shop/db says more; muster start shop/web waits for nothing)")
	if reply := w.order(fleet.Command{Do: fleet.DoStart, Service: shop("web")}); reply.Err != nil || !strings.Contains(reply.Result.Message, "doesn't wait for db any more") {
		t.Fatalf("%+v", reply)
	}
	w.comes("web")
	w.comes("front")
}

func TestWhatIsOptionalNeedNotBeThere(t *testing.T) {
	w := ordering(t, "web1")
	optional := on("gone", fleet.ConditionHealthy)
	optional.Optional = true
	reply := w.apply(lone("web", "web:1", optional))
	if reply.Err != nil || strings.Join(reply.Result.Plan.Warnings, "; ") != "services.web.depends_on.gone: there is no service gone; nothing waits for it" {
		t.Fatalf("%v, %+v", reply.Err, reply.Result.Plan)
	}
	w.comes("web")
}

func TestAnOrderThatCannotBeIsRefused(t *testing.T) {
	w := ordering(t, "web1")
	w.take(lone("a", "a:1"), lone("b", "b:1", on("a", fleet.ConditionStarted)), lone("c", "c:1", on("b", fleet.ConditionStarted)), oneShot("job", "job:1"), lone("d", "d:1", on("job", fleet.ConditionCompleted)))
	for name, test := range map[string]struct {
		service fleet.Service
		says    string
	}{
		"a cycle through what stands": {lone("a", "a:1", on("c", fleet.ConditionHealthy)), "services.a.depends_on: a -> c -> b -> a"},
		"itself":                      {lone("a", "a:1", on("a", fleet.ConditionStarted)), "services.a.depends_on: a -> a"},
		"nobody":                      {lone("a", "a:1", on("e", fleet.ConditionStarted)), "services.a.depends_on.e: there is no service e"},
		"what has no end":             {lone("e", "e:1", on("b", fleet.ConditionCompleted)), "services.e.depends_on.b.condition: b isn't a one-shot service"},
		"what ends is healthy":        {lone("e", "e:1", on("job", fleet.ConditionHealthy)), "services.e.depends_on.job.condition: job is a one-shot service"},
		"a job that isn't any more":   {lone("job", "job:1"), "services.job.deploy.mode: shop/d depends on its completion"},
	} {
		revision := w.s.Revision
		if reply := w.apply(test.service); reply.Err == nil || !strings.Contains(reply.Err.Error(), test.says) || w.s.Revision != revision {
			t.Errorf("%s: %v", name, reply.Err)
		}
	}
}

// Another version of what waits takes the place of the one before: nothing has begun
// that a rollout could come from.
func TestANewVersionOfWhatWaits(t *testing.T) {
	w := ordering(t, "web1", "web2")
	db := lone("db", "db:1")
	db.Constraints = []fleet.Constraint{{Label: "zone", Equal: true, Value: "b"}}
	w.take(db, lone("web", "web:1", on("db", fleet.ConditionHealthy)))
	w.pass(3 * time.Second)
	w.take(lone("web", "web:2", on("db", fleet.ConditionHealthy)))
	w.pass(time.Hour)
	if v := w.see("web"); v.Rollout != nil || v.Version != 2 {
		t.Fatalf("version %d, %+v", v.Version, v.Rollout)
	}
	db.Constraints = nil
	w.take(db)
	if in := w.comes("web"); in.Version != 2 {
		t.Errorf("version %d comes", in.Version)
	}
}

// A start takes back a stop before it ends a wait: it never says started of what stays
// stopped, or is on its way out.
func TestAStartOfWhatIsStoppedWhileItWaits(t *testing.T) {
	w := ordering(t, "web1", "web2")
	db := lone("db", "db:1")
	db.Constraints = []fleet.Constraint{{Label: "zone", Equal: true, Value: "b"}}
	w.take(db, lone("web", "web:1", on("db", fleet.ConditionHealthy)))
	w.pass(3 * time.Second)
	web := shop("web")
	for _, do := range []string{fleet.DoFreeze, fleet.DoStop, fleet.DoStart} { // frozen: its wait stays as it was
		if reply := w.order(fleet.Command{Do: do, Service: web}); reply.Err != nil {
			t.Fatal(reply.Err)
		}
	}
	if s := w.s.Services[web]; s.Stopped || s.Begun {
		t.Errorf("stopped: %v, begun: %v", s.Stopped, s.Begun)
	}
	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	if reply := w.order(fleet.Command{Do: fleet.DoStart, Service: web}); reply.Err == nil {
		t.Errorf("it is being removed, and %+v", reply.Result)
	}
}

func TestWhoWaitsForWhatIsFrozenIsToldTheWayOut(t *testing.T) {
	w := ordering(t, "web1", "web2")
	w.take(lone("db", "db:1"), oneShot("migrate", "migrate:1"), lone("web", "web:1", on("migrate", fleet.ConditionCompleted)))
	w.comes("migrate")
	w.endsWith("migrate", 0)
	w.comes("web")
	w.pass(5 * time.Second)
	w.order(fleet.Command{Do: fleet.DoFreeze, Service: shop("migrate")})
	w.take(oneShot("migrate", "migrate:2"), lone("web", "web:2", on("migrate", fleet.ConditionCompleted)),
		lone("new", "new:1", on("migrate", fleet.ConditionCompleted)))
	w.pass(5 * time.Second)
	w.wantSaid("new", fleet.ServiceHeld, "it is frozen: muster unfreeze shop/migrate")
	w.wantSaid("web", fleet.ServiceHeld, "held: the rollout waits for migrate, which is frozen (muster unfreeze shop/migrate; muster rollout shop/web abort stays at version 1)")
}

// What is optional may end badly; but it isn't over because its last version was.
func TestTheNextVersionOfWhatIsOptionalIsWaitedFor(t *testing.T) {
	w := ordering(t, "web1", "web2")
	optional := on("migrate", fleet.ConditionCompleted)
	optional.Optional = true
	w.take(oneShot("migrate", "migrate:1"), lone("web", "web:1", optional))
	w.comes("migrate")
	w.endsWith("migrate", 0)
	w.comes("web")
	w.pass(5 * time.Second)
	db := lone("db", "db:1")
	db.Constraints = []fleet.Constraint{{Label: "zone", Equal: true, Value: "b"}}
	w.take(db, oneShot("migrate", "migrate:2", on("db", fleet.ConditionHealthy)), lone("web", "web:2", optional))
	w.pass(10 * time.Second)
	w.wantSaid("web", fleet.ServiceHeld, "waiting for migrate: it waits for db")
	db.Constraints = nil
	w.take(db)
	w.endsWith("migrate", 3)
	w.pass(time.Minute)
	if v := w.see("web"); v.State != fleet.ServiceConverged || v.Version != 2 {
		t.Errorf("it is %s at version %d: %v", v.State, v.Version, v.Reasons)
	}
}
