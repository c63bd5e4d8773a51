package turn

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// wantHeld wants a service to be held, and a text among its reasons and in an
// event of its own.
func (w *world) wantHeld(text string) {
	w.t.Helper()
	v := w.wantState(fleet.ServiceHeld)
	if !strings.Contains(strings.Join(v.Reasons, "\n"), text) {
		w.t.Errorf("reasons %q lack %q", v.Reasons, text)
	}
	told := 0
	for _, e := range w.events {
		if e.Type == fleet.EventServiceHeld && strings.Contains(e.Data.Message, text) {
			told++
		}
	}
	if told != 1 {
		w.t.Errorf("%q was told %d times", text, told)
	}
}

// wantReason wants a text among what keeps the service.
func (w *world) wantReason(text string) {
	w.t.Helper()
	if v := w.service(); !strings.Contains(strings.Join(v.Reasons, "\n"), text) {
		w.t.Errorf("reasons %q lack %q", v.Reasons, text)
	}
}

func TestABarrierThatLastsIsToldWithTheWayOut(t *testing.T) {
	for _, do := range []string{fleet.DoScale, fleet.DoRemove} {
		t.Run(do, func(t *testing.T) {
			w := newWorld(t, "web1", "web2").withBalancer("web1").withBalancer("web2").join()
			w.apply(webService(2, "web:1"))
			w.pass(5 * time.Second)
			w.hosts["web2"].deaf = true
			w.order(fleet.Command{Do: do, Service: web, Count: 1})
			w.pass(3 * time.Minute)
			if w.stopping() > 0 {
				t.Fatal("stopped")
			}
			text := "muster lb forget web2/haproxy"
			if do == fleet.DoScale {
				w.wantHeld(text)
			} else if v := w.wantState(fleet.ServiceRemoving); !strings.Contains(strings.Join(v.Reasons, "\n"), text) {
				t.Errorf("reasons %q", v.Reasons)
			}
		})
	}
}

func TestAVersionThatNeverGetsReadySaysSo(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.broken[1] = true
	w.apply(webService(2, "web:1"))
	w.pass(4 * time.Minute)
	w.wantState(fleet.ServiceProgressing)
	w.pass(2 * time.Minute)
	w.wantHeld("isn't ready after 5m0s; see muster logs")
	w.apply(webService(2, "web:2"))
	w.pass(15 * time.Second)
	w.wantState(fleet.ServiceConverged)
}

func TestABalancerThatTakesNothingIsTold(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").withBalancer("web2").join()
	w.hosts["web2"].deaf = true
	w.apply(webService(2, "web:1"))
	w.pass(6 * time.Minute)
	w.wantHeld("has no traffic from web2/haproxy after 5m0s; see muster lb show shop/web, and if a balancer is gone for good: muster lb forget web2/haproxy")
	w.hosts["web2"].down = true
	w.pass(2 * time.Second)
	w.order(fleet.Command{Do: fleet.DoBalancerForget, Balancer: fleet.BalancerKey{Host: "web2", Name: "haproxy"}})
	w.pass(5 * time.Second)
	w.wantState(fleet.ServiceConverged)
}

// Nothing of a removed service is left but its place in a balancer that
// nobody drives.
func TestARemovalThatABalancerHoldsUpIsTold(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").withBalancer("web2").join()
	w.apply(webService(0, "web:1"))
	w.pass(5 * time.Second)
	w.hosts["web2"].cut = true
	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	w.wantReason("web2/haproxy still has to drop it") // at once
	w.pass(5 * time.Second)
	w.wantState(fleet.ServiceRemoving)
	w.wantReason("web2/haproxy still has to drop it")
	w.pass(10 * time.Second)
	w.wantReason("(if it is gone for good: muster lb forget web2/haproxy)")
	w.order(fleet.Command{Do: fleet.DoBalancerForget, Balancer: fleet.BalancerKey{Host: "web2", Name: "haproxy"}})
	w.pass(5 * time.Second)
	if w.s.Services[web] != nil {
		t.Error("the removed service is still there")
	}
}
