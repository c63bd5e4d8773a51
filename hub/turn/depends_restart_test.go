package turn

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func restartOn(name string) fleet.Dependency {
	return fleet.Dependency{Service: name, Condition: fleet.ConditionHealthy, Restart: true}
}

// upgradable has db, and web that restarts with it, both begun.
func upgradable(t *testing.T, d fleet.Dependency) *world {
	w := ordering(t, "web1", "web2", "web3")
	w.take(lone("db", "db:1"), lone("web", "web:1", d))
	w.comes("web")
	w.pass(3 * time.Second)
	return w
}

// first is the one instance of a service that is to run.
func (w *world) first(name string) *Instance {
	w.t.Helper()
	for _, id := range sorted(w.s.Instances, byText) {
		if in := w.s.Instances[id]; in.Service == shop(name) && in.Goal == fleet.GoalRun {
			return in
		}
	}
	w.t.Fatalf("nothing runs of %s: %v", name, w.see(name).Reasons)
	return nil
}

// rolls lets time pass until a service's last rollout is in a state.
func (w *world) rolls(name, state string) *fleet.Rollout {
	w.t.Helper()
	for range 60 {
		if r := w.see(name).Rollout; r != nil && r.State == state {
			return r
		}
		w.pass(time.Second)
	}
	w.t.Fatalf("%s: %+v", name, w.see(name).Rollout)
	return nil
}

func TestARestartFollowsADependencysNewVersion(t *testing.T) {
	w := upgradable(t, restartOn("db"))
	was := w.first("web")
	w.take(lone("db", "db:2"))
	for w.see("db").Rollout.State != fleet.RolloutSucceeded {
		if w.first("web").ID != was.ID {
			t.Fatalf("it restarts while the rollout of db is %s", w.see("db").Rollout.State)
		}
		w.pass(time.Second)
	}
	w.pass(5 * time.Second)
	now := w.first("web")
	if now.ID == was.ID || now.Version != 1 {
		t.Fatalf("it has not restarted: %s", now)
	}
	if v := w.see("web"); v.State != fleet.ServiceConverged {
		t.Errorf("it is %s: %v", v.State, v.Reasons)
	}
	w.order(fleet.Command{Do: fleet.DoRollback, Service: shop("db")})
	w.rolls("db", fleet.RolloutSucceeded)
	w.pass(5 * time.Second)
	again := w.first("web")
	if again.ID == now.ID {
		t.Error("it doesn't restart after db went back")
	}
	w.order(fleet.Command{Do: fleet.DoRestart, Service: shop("db")})
	w.pass(10 * time.Second)
	if w.first("web").ID == again.ID {
		t.Error("it doesn't restart after db has restarted")
	}
	once := w.first("web")
	w.pass(time.Minute)
	if w.first("web").ID != once.ID {
		t.Error("it restarts again and again")
	}
}

func TestNothingRestartsThatIsNotAskedTo(t *testing.T) {
	w := upgradable(t, on("db", fleet.ConditionHealthy))
	was := w.first("web")
	w.take(lone("db", "db:2"))
	w.rolls("db", fleet.RolloutSucceeded)
	w.pass(20 * time.Second)
	if w.first("web").ID != was.ID {
		t.Error("it restarts")
	}
	w.take(lone("db", "db:3"), lone("web", "web:2", on("db", fleet.ConditionHealthy)))
	w.pass(3 * time.Second)
	if w.see("db").Rollout.Over() || w.first("web").Version != 2 {
		t.Errorf("its rollout waits: %+v", w.see("web").Rollout)
	}
}

// A failed rollout of the dependency, in which nothing of the old version has gone,
// is nothing to who depends on it.
func TestARolloutThatChangedNothingRestartsNobody(t *testing.T) {
	w := upgradable(t, restartOn("db"))
	was := w.first("web")
	w.broken[2] = true
	db := lone("db", "db:2")
	db.Rollout = &fleet.RolloutSpec{HealthyWithin: fleet.Duration(5 * time.Second)}
	w.take(db)
	w.rolls("db", fleet.RolloutRolledBack)
	w.pass(20 * time.Second)
	if w.first("web").ID != was.ID {
		t.Error("it restarts")
	}
}

func TestARolloutComesAfterThatOfADependencyWithRestart(t *testing.T) {
	w := upgradable(t, restartOn("db"))
	was := w.first("web")
	w.take(lone("db", "db:2"), lone("web", "web:2", restartOn("db")))
	for !w.see("db").Rollout.Over() {
		if w.first("web").ID != was.ID {
			t.Fatalf("it is replaced while the rollout of db is %s", w.see("db").Rollout.State)
		}
		w.pass(time.Second)
		if v := w.see("web"); !w.see("db").Rollout.Over() && (len(v.WaitsFor) != 1 || v.WaitsFor[0].What != fleet.WaitRollout || !strings.Contains(strings.Join(v.Reasons, ";"), "waiting for db: its rollout from version 1 to 2 is")) {
			t.Fatalf("it waits for %+v: %v", v.WaitsFor, v.Reasons)
		}
	}
	w.rolls("web", fleet.RolloutSucceeded)
	now := w.first("web")
	if now.Version != 2 {
		t.Fatalf("version %d", now.Version)
	}
	w.pass(30 * time.Second)
	if w.first("web").ID != now.ID {
		t.Error("it restarts once more, though it came after db")
	}
}

func TestARolloutFailsWithThatOfADependencyWithRestart(t *testing.T) {
	w := upgradable(t, restartOn("db"))
	was := w.first("web")
	w.stepped = func(_ []Input, d *Delta, _ Outputs) { // only that of db
		for id, in := range d.instances.changed {
			if in != nil && in.Service == shop("db") && in.Version == 2 {
				w.hosts[in.Host].unready = with(w.hosts[in.Host].unready, id, true)
			}
		}
	}
	db := lone("db", "db:2")
	db.Rollout = &fleet.RolloutSpec{HealthyWithin: fleet.Duration(5 * time.Second)}
	w.take(db, lone("web", "web:2", restartOn("db")))
	w.rolls("db", fleet.RolloutRolledBack)
	r := w.rolls("web", fleet.RolloutRolledBack)
	if !strings.Contains(r.Why, "shop/db, which it is to come after, went back to version 1") {
		t.Errorf("why: %s", r.Why)
	}
	if w.first("web").ID != was.ID {
		t.Error("something has moved")
	}
}

// A rollout waits for the run of a one-shot service's newest version, however long
// that takes, and goes on by itself when that has ended well at last.
func TestARolloutComesAfterAOneShotServicesRun(t *testing.T) {
	w := ordering(t, "web1", "web2")
	w.endsWith("migrate", 0)
	d := on("migrate", fleet.ConditionCompleted)
	w.take(oneShot("migrate", "migrate:1"), lone("web", "web:1", d))
	w.comes("web")
	w.pass(3 * time.Second)
	w.endsWith("migrate", 3)
	w.take(oneShot("migrate", "migrate:2"), lone("web", "web:2", d))
	w.pass(20 * time.Minute)
	if w.first("web").Version != 1 || w.see("web").Rollout.State != fleet.RolloutPreparing {
		t.Fatalf("%+v", w.see("web").Rollout)
	}
	w.wantSaid("web", fleet.ServiceHeld, "rollout from version 1 to 2: waiting for migrate on web1: exited with code 3")
	w.wantSaid("web", fleet.ServiceHeld, "held: the rollout waits for migrate, which is held (muster service shop/migrate says why; muster rollout shop/web abort stays at version 1)")
	w.endsWith("migrate", 0)
	w.order(fleet.Command{Do: fleet.DoRestart, Service: shop("migrate")})
	w.rolls("web", fleet.RolloutSucceeded)
	if w.first("web").Version != 2 {
		t.Errorf("version %d", w.first("web").Version)
	}
}

// A hub that is upgraded, or whose file gets depends_on, has nothing wait that runs.
func TestWhatRunsAlreadyWaitsForNothing(t *testing.T) {
	w := ordering(t, "web1", "web2")
	w.take(lone("db", "db:1"), lone("web", "web:1"))
	w.comes("web")
	w.pass(3 * time.Second)
	w.unreadyNow("db", true)
	w.pass(3 * time.Second)
	w.take(lone("web", "web:1", restartOn("db")))
	w.order(fleet.Command{Do: fleet.DoScale, Service: shop("web"), Count: 2})
	w.pass(3 * time.Second)
	if w.has("web") != 2 {
		t.Errorf("%d instances: %v", w.has("web"), w.see("web").Reasons)
	}
}
