package turn

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// database is a service that has its data in a volume.
func database(volume string) fleet.Service {
	s := webService(1, "db:1")
	s.Balancing = nil
	s.Spec.Mounts = []fleet.Mount{{Type: fleet.MountVolume, Source: volume, Target: "/data"}}
	return s
}

func (w *world) homeHost() string {
	w.t.Helper()
	for _, in := range w.s.Instances {
		if in.Goal == fleet.GoalRun {
			return in.Host
		}
	}
	w.t.Fatal("it runs nowhere")
	return ""
}

func TestDataOnADeadHostIsGivenUpByAPersonsWordOnly(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").join()
	w.apply(database("shop_data"))
	w.pass(5 * time.Second)
	home := w.homeHost()
	w.hosts[home].cut = true
	w.pass(time.Minute)
	hint := "its data is on " + home + ", which is lost (if " + home + " and the data on it are gone for good: muster host fail " + home + " --data-lost)"
	w.wantHeld(hint)
	w.order(fleet.Command{Do: fleet.DoHostFail, Host: home})
	w.pass(time.Minute)
	if at := w.homeHost(); at != home {
		t.Fatalf("it was placed on %s without a word about its data", at)
	}
	if w.s.Hosts[home].Vacant {
		t.Error("another machine could take its place, and begin with an empty volume")
	}
	w.order(fleet.Command{Do: fleet.DoHostFail, Host: home, DataLost: true})
	if !w.s.Hosts[home].Vacant {
		t.Error("no other machine could take its place")
	}
	w.pass(5 * time.Second)
	w.wantState(fleet.ServiceConverged)
	after := w.homeHost()
	if after == home {
		t.Fatal("it is still where its data was")
	}
	w.hosts[home].cut = false
	w.pass(10 * time.Second)
	w.wantState(fleet.ServiceConverged)
	if n := len(w.s.Instances); n != 1 || w.homeHost() != after {
		t.Errorf("%d instances, one on %s", n, w.homeHost())
	}
}

func TestDataBindsAServiceOnlyToTheVolumesThatItHas(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").join()
	w.apply(database("shop_data"))
	w.pass(5 * time.Second)
	home := w.homeHost()
	w.hosts[home].cut = true
	w.pass(20 * time.Second)
	w.order(fleet.Command{Do: fleet.DoHostFail, Host: home})
	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	w.pass(20 * time.Second)

	w.apply(database("shop_data"))
	w.pass(20 * time.Second)
	w.wantReason("muster host fail " + home + " --data-lost")

	w.apply(database("shop_other"))
	w.pass(20 * time.Second)
	w.wantState(fleet.ServiceConverged)
}
