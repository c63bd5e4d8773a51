package turn

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// When the network is back, agents reconnect one after another. The last
// ones aren't given up because the first ones are back.
func TestReturningHostsAreWaitedFor(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3", "web4", "web5").join()
	s := webService(5, "web:1")
	s.Balancing = nil
	w.apply(s)
	w.pass(4 * time.Second)
	before := w.spread()
	for _, id := range []string{"web3", "web4", "web5"} {
		w.hosts[id].cut = true
	}
	w.pass(time.Minute)
	w.hosts["web3"].cut, w.hosts["web4"].cut = false, false
	w.pass(20 * time.Second)
	w.hosts["web5"].cut = false
	w.pass(5 * time.Second)
	if after := w.spread(); len(after) != 5 || len(w.s.Instances) != 5 || after["web5"] != before["web5"] {
		t.Fatalf("from %v to %v", before, after)
	}
	w.wantState(fleet.ServiceConverged)
}

// One that doesn't come back is replaced after all.
func TestAHostThatStaysAwayIsReplaced(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").join()
	s := webService(3, "web:1")
	s.Balancing = nil
	w.apply(s)
	w.pass(4 * time.Second)
	w.hosts["web2"].cut, w.hosts["web3"].cut = true, true
	w.pass(time.Minute)
	w.hosts["web2"].cut = false
	w.pass(2 * time.Minute)
	if spread := w.spread(); spread["web3"] != 0 || spread["web1"]+spread["web2"] != 3 {
		t.Fatalf("spread %v", spread)
	}
}

// A service that is held for one reason still names what else it waits for,
// and the way out.
func TestHeldServiceNamesTheBarrier(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
	w.apply(webService(3, "web:1"))
	w.pass(5 * time.Second)
	w.hosts["web1"].cut = true
	w.pass(15 * time.Second)
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 2})
	w.pass(15 * time.Second)
	v := w.wantState(fleet.ServiceHeld)
	if !strings.Contains(strings.Join(v.Reasons, "; "), "muster lb forget web1/haproxy") {
		t.Errorf("reasons %q", v.Reasons)
	}
}

// A balancer goes on without its agent. While that is upgraded, the other one
// isn't the only witness; once it stays away, it is.
func TestAWitnessWhoseAgentHasJustGone(t *testing.T) {
	for _, state := range []string{fleet.PresenceUpgrading, fleet.PresenceLost} {
		t.Run(state, func(t *testing.T) {
			w := newWorld(t, "web1", "web2", "web3", "web4", "web5", "web6", "web7", "web8", "web9", "web10").withBalancer("web1").withBalancer("web2").join()
			w.apply(webService(10, "web:1"))
			w.pass(5 * time.Second)
			for _, in := range w.s.Instances {
				if in.Host == "web3" {
					w.hosts["web2"].checks[in.ID] = fleet.CheckFailing
				}
			}
			w.hosts["web3"].cut = true
			w.pass(20 * time.Second)
			w.hosts["web1"].cut = true
			w.step(PresenceIn{Host: "web1", Presence: fleet.Presence{State: state, Session: "sa"}})
			w.pass(8 * time.Second)
			if w.spread()["web3"] != 1 {
				t.Fatalf("the instance was given up although a balancer reached it a moment ago: %v", w.service().Reasons)
			}
			w.pass(5 * time.Second)
			if w.spread()["web3"] != 0 {
				t.Errorf("it is kept though nobody reaches it any more: %v", w.service().Reasons)
			}
		})
	}
}
