package turn

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// A host may bring back what has ended on it while the hub didn't know it. It is the
// run of a one-shot service if it was begun as the version of now. The same content of
// a former life of the service has run for that life.
func TestARunIsOfTheVersionThatItWasBegunAs(t *testing.T) {
	for name, former := range map[string]bool{"of this life": false, "of a former life": true} {
		t.Run(name, func(t *testing.T) {
			w := ordering(t, "h1", "h2")
			db := lone("db", "db:1")
			migrate := oneShot("migrate", "migrate:1", on("db", fleet.ConditionHealthy))
			app := lone("app", "app:1", on("migrate", fleet.ConditionCompleted))
			w.take(db)
			w.comes("db")
			w.unreadyNow("db", true)
			if former {
				w.take(migrate)
				w.order(fleet.Command{Do: fleet.DoRemove, Service: migrate.Key})
				w.pass(2 * time.Second)
			}
			w.take(migrate, app)
			w.pass(2 * time.Second)
			version := w.see("migrate").Version
			if version != map[bool]int{false: 1, true: 2}[former] {
				t.Fatalf("version %d", version)
			}
			w.endsWith("migrate", 0)
			w.hosts["h2"].extra = map[string]*fleet.InstanceActual{"x-1": {
				ID: "x-1", Service: migrate.Key, Version: 1, Spec: migrate.Spec.Sum(), Slot: 1, Phase: fleet.PhaseExited,
			}}
			w.pass(5 * time.Second)
			if w.s.Instances["x-1"] == nil && !former {
				t.Fatal("it isn't taken in")
			}
			if begun := w.has("app") > 0; begun == former {
				t.Fatalf("what waits for it has begun: %v", begun)
			}
			w.unreadyNow("db", false)
			w.pass(20 * time.Second)
			if w.has("app") != 1 {
				t.Errorf("app: %v", w.see("app").Reasons)
			}
		})
	}
}
