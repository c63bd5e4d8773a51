package turn

import (
	"cmp"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// stopping counts instances that are asked to stop.
func (w *world) stopping() (n int) {
	for _, in := range w.s.Instances {
		if in.Goal == fleet.GoalStop {
			n++
		}
	}
	return n
}

func TestBarrierWaitsForEveryBalancer(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").withBalancer("web2").join()
	w.apply(webService(3, "web:1"))
	w.pass(5 * time.Second)
	w.hosts["web2"].deaf = true
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 1})
	w.pass(time.Minute)
	if w.stopping() > 0 || len(w.s.Instances) != 3 {
		t.Fatal("instances are stopped though web2's balancer has said nothing")
	}
	v := w.service()
	if text := strings.Join(v.Reasons, "\n"); !strings.Contains(text, "web2/haproxy") {
		t.Errorf("the reasons don't name the balancer: %s", text)
	}
	forget := fleet.Command{Do: fleet.DoBalancerForget, Balancer: fleet.BalancerKey{Host: "web2", Name: "haproxy"}}
	if fleet.CodeOf(w.order(forget).Err) != fleet.CodeConflict {
		t.Fatal("a balancer that works may be forgotten")
	}
	w.hosts["web2"].down = true
	w.pass(2 * time.Second)
	if reply := w.order(forget); reply.Err != nil {
		t.Fatal(reply.Err)
	}
	w.pass(5 * time.Second)
	if len(w.s.Instances) != 1 {
		t.Fatalf("%d instances after the balancer was forgotten", len(w.s.Instances))
	}
}

func TestSilentBalancerLeavesWhenTwoWitnessesCannotReachIt(t *testing.T) {
	sees, doesNot, cannotLook := fleet.Answer{OK: true, Looked: true}, fleet.Answer{Looked: true}, fleet.Answer{Problem: "this agent is busy with other questions"}
	for _, test := range []struct {
		name  string
		hub   bool         // can it reach it?
		agent fleet.Answer // what the agent that is asked says
		by    string       // who answers instead; empty: who was asked
		want  int          // instances in the end
	}{
		{"nobody reaches it", false, doesNot, "", 1},
		{"the hub reaches it", true, doesNot, "", 2},
		{"another agent reaches it", false, sees, "", 2},
		{"no other agent could look", false, cannotLook, "", 2},
		{"somebody answers who wasn't asked", false, doesNot, "web4", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
			s := webService(2, "web:1")
			s.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Value: "web1"}}
			w.apply(s)
			w.pass(5 * time.Second)
			w.hosts["web1"].cut = true
			w.pass(15 * time.Second)
			w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 1})
			for range 60 {
				w.now = w.now.Add(time.Second)
				inputs := append(w.report(w.hosts["web2"]), w.report(w.hosts["web3"])...)
				out := w.step(append(inputs, Tick{})...)
				for _, r := range out.Reach {
					answer := AnswerIn{Host: cmp.Or(test.by, w.s.silences[r.Balancer].Witness), Answer: test.agent}
					answer.Answer.ID = w.s.silences[r.Balancer].AskID + "-0"
					w.step(ReachedIn{Balancer: r.Balancer, OK: test.hub}, answer)
				}
			}
			if n := len(w.s.Instances); n != test.want {
				t.Errorf("%d instances, want %d", n, test.want)
			}
		})
	}
}

func TestBarrierSurvivesTheHub(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(2, "web:1"))
	w.pass(5 * time.Second)
	w.hosts["web1"].drained = false
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 1})
	w.pass(3 * time.Second)
	w.restart()
	w.pass(20 * time.Second)
	if w.stopping() > 0 || len(w.s.Instances) != 2 {
		t.Fatal("the barrier was forgotten")
	}
	w.hosts["web1"].drained = true
	w.pass(5 * time.Second)
	if n := len(w.s.Instances); n != 1 {
		t.Fatalf("%d instances", n)
	}
}

func TestReleasedPortsAreHeld(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(2, "web:1"))
	w.pass(5 * time.Second)
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 1})
	w.pass(5 * time.Second)
	held := 0
	for _, h := range w.hosts {
		held += len(h.desired.HeldPorts)
	}
	if held != 1 {
		t.Fatalf("%d ports are held, want 1", held)
	}
	w.hosts["web1"].deaf = true
	w.pass(DefaultOptions().PortHold)
	w.hosts["web1"].deaf = false
	w.pass(3 * time.Second)
	for _, h := range w.hosts {
		if len(h.desired.HeldPorts) > 0 {
			t.Errorf("%s still holds %v", h.id, h.desired.HeldPorts)
		}
	}
}

func TestReadinessIsLatched(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
	w.apply(webService(3, "web:1"))
	w.pass(5 * time.Second)
	generation := w.hosts["web1"].pools[web].Generation
	w.hosts["web3"].cut = true
	w.pass(time.Minute)
	if pool := w.hosts["web1"].pools[web]; pool.Generation != generation {
		t.Errorf("silence changed the pool: %+v", pool)
	}
	w.hosts["web3"].cut = false
	for _, as := range w.hosts["web3"].desired.Instances {
		w.hosts["web3"].dead[as.ID] = true
	}
	w.pass(2 * time.Second)
	for _, e := range w.hosts["web1"].pools[web].Endpoints {
		if want := fleet.EndpointReady; w.hosts["web3"].dead[e.Instance] == (e.State == want) {
			t.Errorf("endpoint %s is %s", e.Instance, e.State)
		}
	}
}

func TestMostOfAPoolIsNotLostWithoutAnOrder(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
	w.apply(webService(5, "web:1"))
	w.pass(5 * time.Second)
	for _, h := range w.hosts {
		for _, as := range h.desired.Instances {
			h.unready[as.ID] = true
		}
	}
	w.pass(5 * time.Second)
	ready := 0
	for _, e := range w.hosts["web1"].pools[web].Endpoints {
		if e.State == fleet.EndpointReady {
			ready++
		}
	}
	if ready != 5 {
		t.Errorf("%d endpoints are left in the pool", ready)
	}
}

// restart has the hub start again with what it stored.
func (w *world) restart() {
	w.t.Helper()
	again := w.reloaded()
	w.s = again
	for _, p := range Boot(again) {
		w.deliver(p)
	}
}

// reloaded is the state as the store has it.
func (w *world) reloaded() *State {
	w.t.Helper()
	s := New(w.s.Lineage, w.s.Epoch+1, w.s.Revision, w.now, w.s.opts)
	s.Restored = w.s.Restored
	for _, row := range w.stored {
		if err := s.Load(row.Table, row.Key, row.Value); err != nil {
			w.t.Fatal(err)
		}
	}
	return s
}

func TestFixedPortIsFreeForItsOwnServiceAtOnce(t *testing.T) {
	w := newWorld(t, "web1").withBalancer("web1").join()
	s := webService(1, "web:1")
	s.Spec.Publish = []fleet.Publish{{Target: 80, Protocol: "tcp", HostPort: 20000}}
	w.apply(s)
	w.pass(5 * time.Second)
	s.Spec.Image = "web:2"
	w.apply(s)
	w.pass(10 * time.Second)
	w.wantState(fleet.ServiceConverged)

	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	w.pass(10 * time.Second)
	other := s
	other.Key.Name = "other"
	w.apply(other)
	w.pass(10 * time.Second)
	v, _ := w.view().Service(other.Key)
	if text := strings.Join(v.Reasons, " "); v.State != fleet.ServiceHeld || !strings.Contains(text, "port 20000 was shop/web's") {
		t.Errorf("another service got the port: %s, %s", v.State, text)
	}
}
