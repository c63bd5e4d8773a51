package turn

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func TestADeadHostIsForgottenByForce(t *testing.T) {
	w := threeHosts(t)
	refused := func(c fleet.Command, words string) {
		t.Helper()
		c.Do, c.Host, c.Force = fleet.DoHostRemove, "web2", true
		reply := w.order(c)
		var e *fleet.Error
		if !errors.As(reply.Err, &e) || !strings.Contains(e.Error()+e.Hint, words) {
			t.Errorf("got %v, want %q", reply.Err, words)
		}
	}
	refused(fleet.Command{}, "web2 is up")
	data := webService(1, "db:1")
	data.Key.Name, data.Balancing = "db", nil
	data.Spec.Mounts = []fleet.Mount{{Type: fleet.MountVolume, Source: "data", Target: "/data"}}
	data.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Equal: true, Value: "web2"}}
	w.apply(webService(3, "web:1"), data)
	w.pass(5 * time.Second)
	data.Constraints = nil
	w.apply(webService(3, "web:1"), data)
	w.pass(5 * time.Second)
	h := w.hosts["web2"]
	h.cut = true
	w.pass(30 * time.Second)
	refused(fleet.Command{}, "web2 has the data of shop/db")
	w.restart()
	w.pass(3 * time.Second)
	refused(fleet.Command{DataLost: true}, "hasn't been heard since the hub started")
	w.pass(70 * time.Second)
	w.mustOrder(t, fleet.Command{Do: fleet.DoHostRemove, Host: "web2", Force: true, DataLost: true})
	w.pass(15 * time.Second)
	w.wantOut(t, "web2")
	w.wantState(fleet.ServiceConverged)
	if w.spread()["web2"] != 0 || len(w.s.Instances) != 4 {
		t.Errorf("there are %v", w.spread())
	}

	h.cut = false // it wasn't dead at all
	w.pass(20 * time.Second)
	w.wantOut(t, "web2")
	told := 0
	for _, e := range w.events {
		if e.Type == fleet.EventHostRefused {
			told++
		}
	}
	if told != 1 {
		t.Errorf("it was told %d times that its agent isn't listened to", told)
	}
	w.mustOrder(t, fleet.Command{Do: fleet.DoHostJoin, Host: "web2"})
	w.pass(30 * time.Second)
	if view, known := w.view().Host("web2"); !known || view.Status.State != fleet.HostUp {
		t.Errorf("let in again: known %v, %+v", known, view.Status)
	}
	w.wantState(fleet.ServiceConverged)
}

// A dead host that is heard before it is forgotten leaves like one that works.
func TestADeadHostThatComesBackLeavesLikeAnyOther(t *testing.T) {
	w := threeHosts(t)
	w.hosts["web2"].cut = true
	w.pass(15 * time.Second)
	w.hosts["web1"].deaf = true // what is forgotten waits for the other balancer
	w.mustOrder(t, fleet.Command{Do: fleet.DoHostRemove, Host: "web2", Force: true})
	w.pass(5 * time.Second)
	w.hosts["web2"].cut = false
	w.pass(5 * time.Second)
	if view, known := w.view().Host("web2"); !known || view.Leaving == nil || view.Leaving.Force {
		t.Fatalf("known %v, leaving %+v", known, view.Leaving)
	}
	w.hosts["web1"].deaf = false
	w.pass(20 * time.Second)
	w.wantOut(t, "web2")
	if h := w.hosts["web2"]; len(h.stopped) != 1 || !h.over {
		t.Errorf("stopped %v, ended %v", h.stopped, h.over)
	}
}
