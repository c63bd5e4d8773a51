package turn

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// FuzzLoad: a record of the store, however damaged, is refused by its table and
// key, or a hub starts with it, is looked at and goes on.
func FuzzLoad(f *testing.F) {
	fleetRows := rowsOf(f)
	for _, row := range fleetRows {
		f.Add(row.Table, row.Key, row.Value)
	}
	f.Add("services", "shop/web", []byte(`{"v":2,"record":{}}`))
	f.Add("services", "shop/web", []byte(`{"v":1,"record":{}}`))
	f.Add("instances", "2-1", []byte(`{"v":1,"record":{"id":"2-1","service":"shop/none","host":"web9","goal":"dance"}}`))
	f.Add("homes", "shop/web", []byte(`{"v":1,"record":null}`))
	f.Add("pools", "web1", []byte(`{}`))
	f.Add("pets", "cat", []byte(`{}`))
	f.Fuzz(func(t *testing.T, table, key string, value []byte) {
		now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
		s := New("lineage", 2, 100, now, DefaultOptions())
		for _, row := range fleetRows {
			if row.Table == table && row.Key == key {
				continue
			}
			if err := s.Load(row.Table, row.Key, row.Value); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Load(table, key, value); err != nil {
			if !strings.Contains(err.Error(), table) {
				t.Errorf("%s: %v", table, err)
			}
			return
		}
		Boot(s)
		look(s.View(now))
		for range 3 {
			now = now.Add(time.Minute)
			delta, _ := Step(s, []Input{Tick{}}, now)
			if _, err := delta.Rows(); err != nil {
				t.Errorf("it can't be stored again: %v", err)
			}
			delta.Fold()
		}
		look(s.View(now))
	})
}

// rowsOf are the records of a fleet with all kinds of them.
func rowsOf(f *testing.F) (rows []Row) {
	w := withSecrets(f, "web1", "web2").withBalancer("web1").join()
	w.setSecret("db", "password")
	login := sealedOf("password")
	w.order(fleet.Command{Do: fleet.DoRegistrySet, Registry: "docker.io", Username: "ann", Sealed: &login})
	db := fleet.Service{Key: fleet.ServiceKey{Project: "shop", Name: "db"}, Mode: fleet.ModeReplicated, Count: 1, CountStated: true,
		Spec: fleet.Spec{Image: "db:1", Mounts: []fleet.Mount{{Type: fleet.MountVolume, Source: "data", Target: "/data"}}}}
	document := fleet.Command{ID: "c", Do: fleet.DoApply, Project: "shop", Services: []fleet.Service{db, withDB(2, "web:1")}, Document: "name: shop"}
	w.step(CommandIn{document})
	w.pass(5 * time.Second)
	w.add("web3")
	w.pass(2 * time.Second)
	w.order(fleet.Command{Do: fleet.DoHostRemove, Host: "web3"})
	w.pass(5 * time.Second)
	w.order(fleet.Command{Do: fleet.DoHostRemove, Host: "web2", Policy: fleet.LeaveKeep})
	seen := map[string]bool{}
	for _, name := range sorted(w.stored, byText) {
		rows = append(rows, w.stored[name])
		seen[w.stored[name].Table] = true
	}
	for _, table := range Tables {
		if !seen[table] {
			f.Fatalf("the fleet has no record of %s", table)
		}
	}
	return rows
}

// look reads all that people can see.
func look(v View) {
	for _, s := range v.Services("") {
		v.Service(s.Key)
		v.Pools(s.Key)
	}
	for _, h := range v.Hosts() {
		v.Host(h.ID)
	}
	v.Instances(fleet.ServiceKey{}, "")
	v.Balancers()
	v.Secrets("")
	v.Registries()
}
