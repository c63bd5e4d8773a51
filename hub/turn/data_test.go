package turn

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func TestDataStaysWhereItIs(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").join()
	s := webService(1, "db:1")
	s.Balancing = nil
	s.Spec.Mounts = []fleet.Mount{{Type: fleet.MountBind, Source: "/srv/data", Target: "/data"}}
	w.apply(s)
	w.pass(4 * time.Second)
	home := w.homeOf(t)
	filler := webService(6, "web:1") // the others get emptier than the home
	filler.Key.Name, filler.Balancing = "filler", nil
	filler.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Equal: true, Value: home}}
	w.apply(s, filler)
	w.pass(4 * time.Second)

	w.order(fleet.Command{Do: fleet.DoHostDrain, Host: home})
	w.pass(10 * time.Second)
	if now := w.homeOf(t); now != home {
		t.Errorf("draining %s moved it to %s", home, now)
	}
	w.order(fleet.Command{Do: fleet.DoHostActivate, Host: home})
	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	w.pass(10 * time.Second)
	w.restart()
	w.pass(5 * time.Second)
	w.apply(s)
	w.pass(5 * time.Second)
	if now := w.homeOf(t); now != home {
		t.Errorf("removed and applied again, it moved from %s to %s", home, now)
	}
	w.hosts[home].cut = true
	w.pass(time.Minute)
	w.order(fleet.Command{Do: fleet.DoHostFail, Host: home})
	w.pass(time.Minute)
	if now := w.homeOf(t); now != home {
		t.Errorf("the loss of %s moved it to %s", home, now)
	}
}

// homeOf is the host of the service's only instance.
func (w *world) homeOf(t *testing.T) (host string) {
	t.Helper()
	for _, in := range w.s.Instances {
		if in.Service == web {
			if host != "" {
				t.Fatal("there are two")
			}
			host = in.Host
		}
	}
	return host
}
