package turn

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
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
	w.wantHeld("is to stop and isn't gone after 1m10s; muster host web")
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
	for _, p := range w.step(inputs[0], report).Publish {
		if p.Topic == wire.Pool("web1", web) {
			t.Fatalf("with a connection open it publishes %q", p.Payload)
		}
	}
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

// A host that hasn't heard of an instance yet doesn't report it. That confirms
// no stop: the order to run it may still arrive.
func TestAHostThatIsBehindConfirmsNoStop(t *testing.T) {
	w := newWorld(t, "web1").join()
	web1 := w.hosts["web1"]
	s := webService(1, "web:1")
	s.Balancing = nil
	web1.cut = true
	w.apply(s)
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 0})
	web1.cut = false
	w.step(w.report(web1)...)
	if len(w.s.Instances) != 1 || w.stopping() != 1 {
		t.Fatalf("%d instances, %d are being stopped", len(w.s.Instances), w.stopping())
	}
	w.pass(10 * time.Second)
	if len(w.s.Instances) != 0 {
		t.Error("the stop is never confirmed")
	}
}

// While its agent is heard, a balancer leaves the barrier by its word only.
func TestABalancerThatIsHeardIsNotTakenForDead(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").withBalancer("web2").join()
	w.apply(webService(2, "web:1"))
	w.pass(5 * time.Second)
	w.hosts["web2"].deaf = true
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 1})
	for range 60 {
		w.now = w.now.Add(time.Second)
		out := w.step(append(append(w.report(w.hosts["web1"]), w.report(w.hosts["web2"])...), Tick{})...)
		for _, r := range out.Reach {
			w.step(ReachedIn{Balancer: r.Balancer}, AnswerIn{Host: "web1", Answer: fleet.Answer{ID: w.s.silences[r.Balancer].AskID + "-0", Looked: true}})
		}
	}
	if w.stopping() > 0 || len(w.s.Instances) != 2 {
		t.Error("it was taken for unreachable")
	}
}

// What a balancer has acknowledged counts after the hub's restart too.
func TestAcknowledgementsAreKept(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").withBalancer("web2").join()
	s := webService(2, "web:1")
	s.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Equal: true, Value: "web3"}}
	w.apply(s)
	w.pass(5 * time.Second)
	w.hosts["web2"].drained = false
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 1})
	w.pass(5 * time.Second)
	w.hosts["web1"].cut = true
	w.restart()
	w.hosts["web2"].drained = true
	w.pass(10 * time.Second)
	if n := len(w.s.Instances); n != 1 {
		t.Errorf("%d instances: web1 is waited for again: %v", n, w.service().Reasons)
	}
}
