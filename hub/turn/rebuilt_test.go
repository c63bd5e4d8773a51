package turn

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// A hub without any record takes in what runs when the same file is applied.
func TestALostStoreIsRebuiltFromWhatRuns(t *testing.T) {
	for _, stated := range []bool{true, false} {
		w, _ := grown(t)
		running, stops := w.running(), w.stops()
		placed := w.count(fleet.EventInstancePlaced)
		w.put(map[string]Row{})
		w.pass(10 * time.Second)
		if h, _ := w.view().Host("web1"); len(h.Unclaimed) != 1 {
			t.Errorf("web1 is shown with %d unclaimed instances", len(h.Unclaimed))
		}
		if !stated {
			w.pass(time.Minute) // whoever comes late finds a hub that acts at once
		}
		file := webService(3, "web:2")
		if !stated {
			file.Count, file.CountStated = 0, false
		}
		reply := w.apply(file)
		if reply.Err != nil || reply.Result.Plan.Services[0].Version != 2 {
			t.Fatalf("%+v", reply)
		}
		w.pass(90 * time.Second)
		w.wantState(fleet.ServiceConverged)
		if w.running() != running || w.known() != running || w.stops() != stops || w.count(fleet.EventInstancePlaced) != placed {
			t.Errorf("known are %s, running %s, were %s", w.known(), w.running(), running)
		}
		if pool := w.hosts["web1"].pools[web]; len(pool.Endpoints) != 3 {
			t.Errorf("%d endpoints", len(pool.Endpoints))
		}
	}
}

// A version may have another number on a host that comes late: what runs of it
// there serves all the same, before the host has heard of the new number.
func TestWhatIsTakenInUnderAnotherNumberServesOn(t *testing.T) {
	w, _ := grown(t)
	for _, h := range w.hosts {
		h.cut = true
	}
	w.put(map[string]Row{})
	w.pass(90 * time.Second)
	if n := w.apply(webService(3, "web:2")).Result.Plan.Services[0].Version; n != 1 {
		t.Fatalf("it has the number %d again", n)
	}
	late := w.hosts["web1"]
	late.cut = false
	first, second := w.report(late), w.report(late) // both were on their way already
	unready := w.count(fleet.EventInstanceUnready)
	w.step(first...)
	if len(w.s.byHost["web1"]) == 0 {
		t.Fatal("nothing was taken in")
	}
	w.step(second...)
	if n := w.count(fleet.EventInstanceUnready) - unready; n != 0 {
		t.Errorf("%d that served are said not to be ready", n)
	}
}

// A hub that is started again while it listens knows no more than before of the
// hosts that it hasn't heard: it goes on listening, though its store has a file.
func TestARebuiltHubThatStartsAgainListensOn(t *testing.T) {
	w, _ := grown(t)
	running, stops := w.running(), w.stops()
	for _, id := range []string{"web2", "web3"} {
		w.hosts[id].cut = true
	}
	w.put(map[string]Row{})
	w.pass(5 * time.Second)
	w.apply(webService(3, "web:2"))
	w.restart()
	w.pass(10 * time.Second)
	for _, id := range []string{"web2", "web3"} {
		w.hosts[id].cut = false
	}
	w.pass(2 * time.Minute)
	w.wantState(fleet.ServiceConverged)
	if w.running() != running || w.known() != running || w.stops() != stops {
		t.Errorf("known are %s, running %s, were %s", w.known(), w.running(), running)
	}
	w.restart()
	w.pass(3 * time.Second)
	if why := strings.Join(w.service().Reasons, ";"); why != "" {
		t.Errorf("much later it waits: %s", why)
	}
}

// What runs and isn't what the file says leaves as usual, through the balancers.
func TestARebuiltHubReplacesWhatDiffers(t *testing.T) {
	w, _ := grown(t)
	w.put(map[string]Row{})
	w.pass(10 * time.Second)
	if n := w.apply(webService(2, "web:3")).Result.Plan.Services[0].Version; n != 3 {
		t.Errorf("version %d", n)
	}
	w.hosts["web1"].drained = false
	stops := w.stops()
	w.pass(2 * time.Minute)
	if w.stops() != stops {
		t.Error("it was stopped while the balancer had connections to it")
	}
	w.hosts["web1"].drained = true
	w.pass(time.Minute)
	if v := w.wantState(fleet.ServiceConverged); v.Ready != 2 {
		t.Errorf("%d are ready", v.Ready)
	}
}

// What is taken in and isn't wanted leaves through the balancers that have it,
// in whatever way it was offered before.
func TestWhatIsTakenInLeavesThroughTheBarrier(t *testing.T) {
	offered := webService(1, "web:2")
	hidden := webService(1, "web:2")
	hidden.Balancing = nil
	for name, file := range map[string]fleet.Service{"offered": offered, "not offered any more": hidden} {
		w, _ := grown(t)
		edge := w.hosts["web1"]
		w.put(map[string]Row{})
		w.pass(70 * time.Second)
		edge.stuck = map[fleet.ServiceKey]fleet.Pool{web: edge.pools[web]}
		w.apply(file)
		stops := w.stops()
		w.pass(25 * time.Second)
		if pool := edge.pools[web]; name == "offered" && len(pool.Endpoints) != 3 {
			t.Errorf("%s: those that leave aren't drained: %+v", name, pool.Endpoints)
		}
		if w.stops() != stops {
			t.Errorf("%s: stopped while the balancer sends to it", name)
		}
		edge.stuck = nil
		w.pass(time.Minute)
		if v := w.wantState(fleet.ServiceConverged); len(v.Instances) != 1 {
			t.Errorf("%s: %d instances", name, len(v.Instances))
		}
	}
}

// What was taken in has its ports even where nobody knows its content: what
// follows it goes to no host where another of them still has the same ones.
func TestARebuiltHubKeepsOffPortsOfWhatItTookIn(t *testing.T) {
	for _, protocol := range []string{"tcp", "udp"} {
		w, fixed, busy := rebuilt(t, protocol)
		w.folded = func() {
			has := map[string]bool{}
			for _, in := range w.s.Instances {
				if in.Service == web && has[in.Host] {
					t.Fatalf("%s is to have port 8080 over %s twice", in.Host, protocol)
				}
				has[in.Host] = has[in.Host] || in.Service == web
			}
		}
		fixed.Spec.Image = "web:2"
		w.apply(fixed, busy)
		w.pass(time.Minute)
		if v := w.wantState(fleet.ServiceConverged); v.Ready != 3 {
			t.Errorf("%d are ready", v.Ready)
		}
	}
}

// No balancer is to listen there, either.
func TestARebuiltHubGivesNoListenerPortsOfWhatItTookIn(t *testing.T) {
	w, fixed, busy := rebuilt(t, "tcp")
	fixed.Spec.Image = "web:2"
	fixed.Spec.Publish[0].HostPort = 8081
	w.apply(fixed, busy)
	busy.Spec.Publish = []fleet.Publish{{Target: 80, Protocol: "tcp"}}
	busy.Balancing = &fleet.Balancing{Routes: []fleet.Route{{Target: 80, Listen: []int{8080}, Protocol: fleet.ProtocolHTTP}}}
	if reply := w.apply(fixed, busy); reply.Err == nil || !strings.Contains(reply.Err.Error(), "port 8080 on web1, which has a balancer, is a fixed port of shop/web") {
		t.Errorf("%+v", reply)
	}
}
