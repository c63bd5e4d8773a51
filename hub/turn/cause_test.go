package turn

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// rootEvents are facts about the world: nothing of ours is behind them.
var rootEvents = []string{
	fleet.EventHostJoined, fleet.EventHostLost, fleet.EventHostReturned, fleet.EventHostStopped, fleet.EventHostRebooted, fleet.EventHostRefused, fleet.EventHostForeign,
	fleet.EventBalancerJoined, fleet.EventBalancerProblem, fleet.EventBalancerRecovered, fleet.EventFleetHeld, fleet.EventFleetReleased, fleet.EventMessageRefused,
}

func TestEveryChangeHasACause(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3", "web4").withBalancer("web1").join()
	w.apply(webService(4, "web:1"))
	w.pass(5 * time.Second)
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 3})
	w.pass(10 * time.Second)
	w.apply(webService(3, "web:2"))
	w.pass(20 * time.Second)
	w.order(fleet.Command{Do: fleet.DoRestart, Service: web})
	w.pass(20 * time.Second)
	w.hosts["web4"].extra = map[string]*fleet.InstanceActual{"x-1": {ID: "x-1", Service: web, Version: 1, Phase: fleet.PhaseRunning}}
	w.pass(10 * time.Second)
	for _, do := range []string{fleet.DoHostDrain, fleet.DoHostActivate} {
		w.order(fleet.Command{Do: do, Host: "web2"})
		w.pass(20 * time.Second)
	}
	lost := w.hosts["web3"]
	for _, as := range lost.desired.Instances {
		w.hosts["web1"].checks[as.ID] = fleet.CheckFailing
	}
	lost.cut = true
	w.pass(time.Minute)
	lost.cut = false
	for _, as := range w.hosts["web1"].desired.Instances {
		w.hosts["web1"].dead[as.ID] = true
	}
	w.pass(10 * time.Second)
	for _, h := range w.hosts {
		for _, as := range h.desired.Instances {
			h.unready[as.ID] = true
		}
	}
	w.pass(10 * time.Second)
	for _, in := range w.s.Instances {
		if in.Cause == "" {
			t.Errorf("instance %+v", in)
		}
	}
	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	w.pass(20 * time.Second)

	ids := map[string]bool{}
	types := map[string]bool{}
	for _, e := range w.events {
		types[e.Type] = true
		known := ids[e.Cause] || strings.HasPrefix(e.Cause, "cmd-") || strings.HasPrefix(e.Cause, "hosts/")
		if !slices.Contains(rootEvents, e.Type) && !known {
			t.Errorf("%s %q has the cause %q", e.Type, e.Data.Message, e.Cause)
		}
		ids[e.ID] = true
	}
	for _, want := range []string{
		fleet.EventServiceApplied, fleet.EventServiceScaled, fleet.EventServiceRestart, fleet.EventServiceConverged, fleet.EventServiceHeld,
		fleet.EventServiceRemoved, fleet.EventInstancePlaced, fleet.EventInstanceAdopted, fleet.EventInstanceReady, fleet.EventInstanceUnready,
		fleet.EventInstanceDraining, fleet.EventInstanceStopping, fleet.EventInstanceGone, fleet.EventHostDrain, fleet.EventHostLost,
	} {
		if !types[want] {
			t.Errorf("the story lacks %s", want)
		}
	}
}

// What a host's loss brings about says so, down to the new instance.
func TestTheLossOfAHostIsTheCause(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").join()
	s := webService(3, "web:1")
	s.Balancing = nil
	w.apply(s)
	w.pass(5 * time.Second)
	w.hosts["web3"].cut = true
	w.pass(30 * time.Second)
	causes := map[string]string{}
	kinds := map[string]string{}
	placed := ""
	for _, e := range w.events {
		causes[e.ID], kinds[e.ID] = e.Cause, e.Type
		if e.Type == fleet.EventInstancePlaced {
			placed = e.ID
		}
	}
	if up := causes[placed]; kinds[up] != fleet.EventInstanceDraining || kinds[causes[up]] != fleet.EventHostLost {
		t.Errorf("placed by %s by %s", kinds[up], kinds[causes[up]])
	}
}
