package turn

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func TestAStopIsAskedForUntilItIsConfirmed(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(2, "web:1"))
	w.pass(5 * time.Second)
	w.hosts["web1"].lingers, w.hosts["web2"].lingers = true, true
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 1})
	w.pass(30 * time.Second)
	w.restart()
	w.pass(30 * time.Second)
	stops := 0
	for _, h := range w.hosts {
		for _, as := range h.desired.Instances {
			if as.Goal == fleet.GoalStop {
				stops++
				if as.Cause == "" {
					t.Error("the stop has no cause")
				}
			}
		}
	}
	if stops != 1 {
		t.Fatalf("%d stops are asked for", stops)
	}
	w.pass(time.Minute)
	w.wantHeld("is to stop and isn't gone after 1m0s; muster host web")
	w.hosts["web1"].lingers, w.hosts["web2"].lingers = false, false
	w.pass(3 * time.Second)
	w.wantState(fleet.ServiceConverged)
}

// A service that isn't balanced any more lets go of its instances all the same.
func TestTheBarrierAfterAServiceLeftTheBalancers(t *testing.T) {
	for _, again := range []bool{false, true} {
		w := newWorld(t, "web1", "web2").withBalancer("web1").join()
		w.apply(webService(2, "web:1"))
		w.pass(5 * time.Second)
		w.hosts["web1"].drained = false
		w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 1})
		w.pass(2 * time.Second)
		plain := webService(1, "web:1")
		plain.Balancing = nil
		w.hosts["web1"].deaf = true
		w.apply(plain)
		w.pass(2 * time.Second)
		if w.stopping() > 0 {
			t.Fatal("it is stopped before the balancer has acknowledged anything")
		}
		if again {
			w.apply(webService(1, "web:1"))
			w.pass(2 * time.Second)
		}
		w.hosts["web1"].drained, w.hosts["web1"].deaf = true, false
		w.pass(10 * time.Second)
		if n := len(w.s.Instances); n != 1 {
			t.Errorf("balanced again %v: %d instances are left: %v", again, n, w.service().Reasons)
		}
		w.wantState(fleet.ServiceConverged)
		w.pass(DefaultOptions().PortHold)
		for _, h := range w.hosts {
			if len(h.desired.HeldPorts) > 0 {
				t.Errorf("balanced again %v: %s holds %v for ever", again, h.id, h.desired.HeldPorts)
			}
		}
	}
}

func TestAPoolIsForgottenOnceItsConnectionsHaveEnded(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(1, "web:1"))
	w.pass(5 * time.Second)
	plain := webService(1, "web:1")
	plain.Balancing = nil
	w.apply(plain)
	key := PoolKey{Host: "web1", Service: web}
	busy := fleet.PoolActual{Service: web, Generation: w.s.Pools[key].Pool.Generation, Endpoints: []fleet.EndpointActual{{Instance: "x", State: fleet.EndpointPreparing}}}
	inputs := w.report(w.hosts["web1"])
	report := inputs[1].(ActualIn)
	report.Actual.Balancers[0].Pools = []fleet.PoolActual{busy}
	w.step(inputs[0], report)
	if w.s.Pools[key] == nil {
		t.Fatal("it was forgotten with a connection open")
	}
	w.pass(3 * time.Second)
	if w.s.Pools[key] != nil {
		t.Error("it is kept")
	}
}

// A balancer that was taken for dead comes back with what it had: it loses
// what is no longer its own.
func TestABalancerThatComesBackLosesWhatWasRemoved(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").withBalancer("web2").join()
	s := webService(1, "web:1")
	s.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Equal: true, Value: "web1"}}
	w.apply(s)
	w.pass(5 * time.Second)
	w.hosts["web2"].cut = true
	w.pass(15 * time.Second)
	w.order(fleet.Command{Do: fleet.DoBalancerForget, Balancer: fleet.BalancerKey{Host: "web2", Name: "haproxy"}})
	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	w.pass(10 * time.Second)
	if len(w.s.Services)+len(w.s.Pools) != 0 {
		t.Fatalf("left: %d services, %d pools", len(w.s.Services), len(w.s.Pools))
	}
	w.hosts["web2"].cut, w.hosts["web2"].start = false, "b"
	w.pass(10 * time.Second)
	if pools := w.hosts["web2"].pools; len(pools) != 0 || len(w.s.Pools) != 0 {
		t.Errorf("it still has %+v, the hub %d", pools, len(w.s.Pools))
	}
}
