package turn

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// forget takes out a host that is dead, as far as anybody knows.
func (w *world) forget(t *testing.T, host string) {
	t.Helper()
	w.hosts[host].cut = true
	w.pass(20 * time.Second)
	w.mustOrder(t, fleet.Command{Do: fleet.DoHostRemove, Host: host, Force: true})
	w.pass(5 * time.Second)
	w.wantOut(t, host)
}

// rejoin lets a host that was taken out in again, its agent started anew.
func (w *world) rejoin(t *testing.T, host string) {
	t.Helper()
	w.mustOrder(t, fleet.Command{Do: fleet.DoHostJoin, Host: host})
	w.hosts[host].cut, w.hosts[host].start = false, "b"
}

func TestAnotherMachineMayTakeThePlaceOfOneThatLeft(t *testing.T) {
	w := threeHosts(t)
	w.remove("web2", "")
	w.pass(20 * time.Second)
	w.wantOut(t, "web2")
	w.add("web2")
	w.pass(5 * time.Second)
	if w.s.Hosts["web2"] != nil {
		t.Fatal("the same machine is let in")
	}
	w.hosts["web2"].facts.MachineID = "another"
	w.pass(5 * time.Second)
	if w.s.Hosts["web2"] == nil || w.s.Left["web2"] != nil {
		t.Error("another machine isn't let in")
	}
}

// What a host kept of a service whose data was given up there doesn't take the place of
// what has the data since.
func TestAHostThatJoinsAgainBringsNoOldData(t *testing.T) {
	w := newWorld(t, "web1", "web2").join()
	data := webService(1, "db:1")
	data.Balancing = nil
	data.Spec.Mounts = []fleet.Mount{{Type: fleet.MountVolume, Source: "data", Target: "/data"}}
	w.apply(data)
	w.pass(5 * time.Second)
	home := w.homeOf(t)
	w.mustOrder(t, fleet.Command{Do: fleet.DoHostRemove, Host: home, Policy: fleet.LeaveKeep, DataLost: true})
	w.pass(10 * time.Second)
	w.wantOut(t, home)
	now := w.homeOf(t)
	if now == home {
		t.Fatal("it is still there")
	}
	w.mustOrder(t, fleet.Command{Do: fleet.DoHostJoin, Host: home})
	h := w.hosts[home]
	h.left, h.over, h.lineage, h.gen, h.desired, h.start = false, false, "", 0, fleet.Desired{}, "b"
	w.pass(20 * time.Second)
	if is := w.homeOf(t); is != now || len(h.stopped) != 1 {
		t.Errorf("it is on %s, was on %s; stopped there: %v", is, now, h.stopped)
	}
}

// A global service waits where a host is yet to say what it brings, and then comes.
func TestAGlobalServiceComesOnceItIsKnownWhatAHostBrings(t *testing.T) {
	w := newWorld(t, "web1", "web2").join()
	s, agent := webService(2, "web:1"), webService(0, "agent:1")
	s.Balancing, agent.Balancing = nil, nil
	agent.Key.Name, agent.Mode = "agent", fleet.ModeGlobal
	w.apply(agent, s)
	w.pass(5 * time.Second)
	w.mustOrder(t, fleet.Command{Do: fleet.DoStop, Service: agent.Key, Host: "web2"})
	w.pass(5 * time.Second)
	w.forget(t, "web2")
	w.rejoin(t, "web2")
	w.pass(time.Second)
	if v, _ := w.view().Service(agent.Key); !slices.Contains(v.Reasons, "web2 runs instances that are yet to be taken in") {
		t.Errorf("nobody says what it waits for: %v", v.Reasons)
	}
	w.pass(15 * time.Second)
	if v, _ := w.view().Service(agent.Key); v.State != fleet.ServiceConverged || v.Ready != 2 {
		t.Errorf("%s, %d of %d: %v", v.State, v.Ready, v.Desired, v.Reasons)
	}
}

// A host that joins again has what it kept: nothing is placed beside it before that is
// known.
func TestNothingIsPlacedBesideWhatAHostBringsBack(t *testing.T) {
	w := newWorld(t, "web1", "web2").join()
	s := webService(2, "web:1")
	s.Balancing = nil
	s.Spec.Publish[0].HostPort = 8080
	w.apply(s)
	w.pass(5 * time.Second)
	w.forget(t, "web2")
	placed := len(w.events)
	w.rejoin(t, "web2")
	w.pass(15 * time.Second)
	w.wantState(fleet.ServiceConverged)
	for _, e := range w.events[placed:] {
		if e.Type == fleet.EventInstancePlaced {
			t.Errorf("%s, though there is one that has its port", e.Data.Message)
		}
	}
}

// A host that joins again may have the address of before: its ports rest as long as
// those of any other, though its agent has forgotten them.
func TestPortsRestThoughTheirHostWasOut(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(2, "web:1"))
	w.pass(10 * time.Second)
	var ports []int
	for _, in := range w.s.Instances {
		if in.Host == "web2" {
			ports = slices.Collect(maps.Values(in.Ports))
		}
	}
	w.forget(t, "web2")
	w.rejoin(t, "web2")
	w.pass(10 * time.Second)
	if held := heldPorts(w.s.Hosts["web2"]); len(ports) == 0 || !slices.Contains(held, ports[0]) {
		t.Errorf("%v are held, not %v", held, ports)
	}
	w.pass(11 * time.Minute)
	if held := heldPorts(w.s.Hosts["web2"]); slices.Contains(held, ports[0]) {
		t.Errorf("%v are still held", held)
	}
}
