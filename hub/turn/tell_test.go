package turn

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

func TestTheStatusOfAServiceIsTold(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(2, "web:1"))
	w.pass(5 * time.Second)
	settled := len(w.statuses)
	if s := w.status(); s.State != fleet.ServiceConverged || s.Ready != 2 || s.Desired != 2 || len(s.Addresses) != 2 {
		t.Errorf("told %+v", s)
	}
	w.pass(30 * time.Second)
	if n := len(w.statuses) - settled; n != 0 {
		t.Errorf("told %d times more though nothing changed", n)
	}
	w.broken[2] = true
	w.apply(webService(2, "web:2"))
	w.pass(5 * time.Second)
	if s := w.status(); s.State != fleet.ServiceProgressing || s.Version != 2 || len(s.Reasons) == 0 {
		t.Errorf("told %+v", s)
	}
	found := false
	for _, p := range Boot(w.s) {
		found = found || p.Retain && p.Topic == wire.ServiceStatus(web) && string(p.Payload) == string(w.statuses[len(w.statuses)-1])
	}
	if !found {
		t.Error("a hub that has started doesn't tell it")
	}
	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	w.pass(20 * time.Second)
	if last := w.statuses[len(w.statuses)-1]; len(last) != 0 {
		t.Errorf("gone, it is still told: %s", last)
	}
}

func (w *world) status() (s fleet.ServiceStatus) {
	w.t.Helper()
	w.open(w.statuses[len(w.statuses)-1], &s)
	return s
}
