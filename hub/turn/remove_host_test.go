package turn

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// threeHosts run web, and the first two have balancers.
func threeHosts(t *testing.T) *world {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").withBalancer("web2").join()
	w.apply(webService(3, "web:1"))
	w.pass(10 * time.Second)
	w.wantState(fleet.ServiceConverged)
	return w
}

// remove orders that a host leaves.
func (w *world) remove(host, policy string) Reply {
	return w.order(fleet.Command{Do: fleet.DoHostRemove, Host: host, Policy: policy})
}

func (w *world) mustOrder(t *testing.T, c fleet.Command) fleet.Result {
	t.Helper()
	reply := w.order(c)
	if reply.Err != nil {
		t.Fatal(reply.Err)
	}
	return reply.Result
}

// wantWaits wants the removal of a host to wait for something, in words.
func (w *world) wantWaits(t *testing.T, host, words string) {
	t.Helper()
	view, known := w.view().Host(host)
	if !known || view.Leaving == nil || !strings.Contains(strings.Join(view.Reasons, "; "), words) {
		t.Fatalf("%s: known %v, leaving %v, reasons %q; want %q", host, known, view.Leaving, view.Reasons, words)
	}
}

// wantOut wants nothing to be known of a host.
func (w *world) wantOut(t *testing.T, host string) {
	t.Helper()
	if view, known := w.view().Host(host); known {
		t.Fatalf("%s is still known: %q", host, view.Reasons)
	}
	if w.s.live[host] != nil || len(w.s.byHost[host]) > 0 || w.s.Left[host] == nil || w.s.leaving[host] {
		t.Errorf("of %s is left: %v, instances %v, row %v", host, w.s.live[host], w.s.byHost[host], w.s.Left[host])
	}
	for key := range w.s.Pools {
		if key.Host == host {
			t.Errorf("%s has a pool of %s", host, key.Service)
		}
	}
	for key := range w.s.Balancers {
		if key.Host == host {
			t.Errorf("%s is still known", key)
		}
	}
	for key, s := range w.s.Services {
		if s.stoppedOn(host) || s.RestartedOn[host] != 0 {
			t.Errorf("%s still has an order about it: %v, %v", key, s.StoppedOn, s.RestartedOn)
		}
	}
}

// What was ordered of a service on a host goes with the host: one that joins under
// its id has no part in it.
func TestOrdersAboutAHostGoWithIt(t *testing.T) {
	w := threeHosts(t)
	service := slices.Collect(maps.Keys(w.s.Services))[0]
	w.mustOrder(t, fleet.Command{Do: fleet.DoRestart, Service: service, Host: "web2"})
	w.pass(20 * time.Second)
	w.mustOrder(t, fleet.Command{Do: fleet.DoStop, Service: service, Host: "web2"})
	w.pass(20 * time.Second)
	if s := w.s.Services[service]; !s.stoppedOn("web2") {
		t.Fatalf("stopped on %v", s.StoppedOn)
	}
	if reply := w.remove("web2", ""); reply.Err != nil {
		t.Fatal(reply.Err)
	}
	w.pass(time.Minute)
	w.wantOut(t, "web2")
}

func TestAHostLeavesByStopping(t *testing.T) {
	w := threeHosts(t)
	var cleared, gone []string
	w.stepped = func(_ []Input, _ *Delta, out Outputs) {
		gone = append(gone, out.Gone...)
		for _, p := range out.Publish {
			if p.Retain && len(p.Payload) == 0 && strings.Contains(p.Topic, "/web2/") {
				cleared = append(cleared, strings.TrimPrefix(p.Topic, wire.Host("web2", "")))
			}
		}
	}
	if reply := w.remove("web2", ""); reply.Err != nil || !reply.Result.Changed {
		t.Fatal(reply)
	}
	w.pass(10 * time.Second)
	w.wantOut(t, "web2")
	if h := w.hosts["web2"]; !h.left || !h.over || len(h.stopped) != 1 || !h.pools[web].Removed {
		t.Errorf("its agent: left %v, ended %v, stopped %v, pools %v", h.left, h.over, h.stopped, h.pools)
	}
	if w.wantState(fleet.ServiceConverged); w.spread()["web2"] != 0 {
		t.Errorf("it runs on %v", w.spread())
	}
	if strings.Join(gone, " ") != "web2" {
		t.Errorf("gone: %v", gone)
	}
	for _, topic := range []string{"desired", "actual", "presence", "pools/shop/web"} {
		if !strings.Contains(strings.Join(cleared, " "), topic) {
			t.Errorf("%s isn't cleared: %v", topic, cleared)
		}
	}
	w.wantEvent(t, fleet.EventHostRemoved, "web2 is out of the fleet (stop): its agent has left")
}

// wantEvent wants one with a cause.
func (w *world) wantEvent(t *testing.T, kind, message string) {
	t.Helper()
	for _, e := range w.events {
		if e.Type == kind && strings.Contains(e.Data.Message, message) {
			if e.Cause == "" {
				t.Errorf("%s has no cause", e.Data.Message)
			}
			return
		}
	}
	t.Errorf("no event %s says %q", kind, message)
}

func TestWhatAHostKeepsGoesOnAsNobodys(t *testing.T) {
	w := threeHosts(t)
	var kept string
	for _, in := range w.s.Instances {
		if in.Host == "web2" {
			kept = in.ID
		}
	}
	w.hosts["web1"].drained = false
	w.remove("web2", fleet.LeaveKeep)
	w.pass(10 * time.Second)
	if in := w.s.Instances[kept]; in == nil || in.Goal != fleet.GoalDrain {
		t.Fatalf("it is forgotten before every balancer has let go of it: %+v", in)
	}
	w.wantWaits(t, "web2", "web1/haproxy still has to acknowledge")
	w.hosts["web1"].drained = true
	w.pass(15 * time.Second)
	w.wantOut(t, "web2")
	h := w.hosts["web2"]
	if h.extra[kept] == nil || h.stopped[kept] || !h.over {
		t.Errorf("kept %v, stopped %v, over %v", h.extra, h.stopped, h.over)
	}
	w.wantState(fleet.ServiceConverged)
	w.wantEvent(t, fleet.EventInstanceReleased, "goes on as nobody's")
}

// A kept instance isn't taken in again while its host reports it; after somebody has
// changed his mind it is.
func TestAHostThatIsToStayTakesItsInstancesBack(t *testing.T) {
	w := threeHosts(t)
	web4 := webService(1, "web:1")
	web4.Key.Name, web4.Balancing = "db", nil
	web4.Spec.Mounts = []fleet.Mount{{Type: fleet.MountVolume, Source: "data", Target: "/data"}}
	web4.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Equal: true, Value: "web2"}}
	w.apply(webService(3, "web:1"), web4)
	w.pass(5 * time.Second)
	w.remove("web2", fleet.LeaveKeep)
	w.pass(20 * time.Second)
	w.wantWaits(t, "web2", "its data is on web2: shop/db")
	if n := len(w.s.byHost["web2"]); n != 1 {
		t.Fatalf("%d instances are known on web2", n)
	}
	w.mustOrder(t, fleet.Command{Do: fleet.DoHostActivate, Host: "web2"})
	w.pass(10 * time.Second)
	w.wantState(fleet.ServiceConverged)
	w.wantEvent(t, fleet.EventInstanceAdopted, "runs on web2 and wasn't known")
	if h := w.hosts["web2"]; h.left {
		t.Error("it was told to leave")
	}
}

func TestWhatHoldsARemovalUpIsSaid(t *testing.T) {
	data := webService(1, "db:1")
	data.Key.Name, data.Balancing = "db", nil
	data.Spec.Mounts = []fleet.Mount{{Type: fleet.MountVolume, Source: "data", Target: "/data"}}
	data.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Equal: false, Value: "web1"}, {Label: fleet.LabelHostname, Equal: false, Value: "web3"}}
	tests := []struct {
		name   string
		before func(w *world)
		words  string
		after  func(w *world)
	}{
		{"its data", func(w *world) { w.apply(webService(3, "web:1"), data) },
			"its data is on web2: shop/db (to let them start elsewhere with empty volumes: muster host rm web2 --data-lost",
			func(w *world) {
				free := data
				free.Constraints = nil
				w.apply(webService(3, "web:1"), free)
				w.order(fleet.Command{Do: fleet.DoHostRemove, Host: "web2", DataLost: true})
			}},
		{"frozen host", func(w *world) { w.order(fleet.Command{Do: fleet.DoFreeze, Host: "web2"}) }, "it is frozen (muster unfreeze host:web2)",
			func(w *world) { w.order(fleet.Command{Do: fleet.DoUnfreeze, Host: "web2"}) }},
		{"frozen service", func(w *world) { w.order(fleet.Command{Do: fleet.DoFreeze, Service: web}) }, "shop/web is frozen, and instance",
			func(w *world) { w.order(fleet.Command{Do: fleet.DoUnfreeze, Service: web}) }},
		{"the last balancer", func(w *world) {
			w.remove("web1", "")
			w.pass(20 * time.Second)
		}, "it has the last balancer of shop/web (to take it all the same: muster host rm web2 --unserved)",
			func(w *world) { w.order(fleet.Command{Do: fleet.DoHostRemove, Host: "web2", Unserved: true}) }},
		{"a silent host", func(w *world) { w.hosts["web2"].cut = true; w.pass(20 * time.Second) },
			"it isn't heard, so it can't be told (if it is dead: muster host rm web2 --force)",
			func(w *world) { w.hosts["web2"].cut = false }},
		{"another balancer", func(w *world) { w.hosts["web1"].drained = false }, "web1/haproxy still has to acknowledge",
			func(w *world) { w.hosts["web1"].drained = true }},
		{"its own balancer", func(w *world) { w.hosts["web2"].drained = false }, "web2/haproxy still has to acknowledge",
			func(w *world) { w.hosts["web2"].drained = true }},
		{"a container that doesn't end", func(w *world) { w.hosts["web2"].lingers = true }, "is being stopped",
			func(w *world) { w.hosts["web2"].lingers = false }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := threeHosts(t)
			tt.before(w)
			w.pass(5 * time.Second)
			w.remove("web2", "")
			w.pass(40 * time.Second)
			w.wantWaits(t, "web2", tt.words)
			w.restart()
			w.pass(10 * time.Second)
			w.wantWaits(t, "web2", tt.words)
			tt.after(w)
			w.pass(40 * time.Second)
			w.wantOut(t, "web2")
		})
	}
}

func TestALastBalancerServesUntilAPersonSaysSo(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(2, "web:1"))
	w.pass(5 * time.Second)
	w.remove("web1", "")
	w.pass(30 * time.Second)
	if p := w.s.Pools[PoolKey{Host: "web1", Service: web}]; p == nil || p.Pool.Removed || len(p.Pool.Endpoints) == 0 {
		t.Errorf("its pool: %+v", p)
	}
	w.wantWaits(t, "web1", "the last balancer of shop/web")
}

func TestAnOlderAgentLeavesUnheard(t *testing.T) {
	w := threeHosts(t)
	h := w.hosts["web2"]
	h.facts.Features = []string{fleet.FeatureHostPort}
	w.pass(2 * time.Second)
	w.remove("web2", "")
	w.pass(20 * time.Second)
	w.wantOut(t, "web2")
	if h.left || len(h.stopped) != 1 {
		t.Errorf("left %v, stopped %v", h.left, h.stopped)
	}
	w.wantEvent(t, fleet.EventHostRemoved, "is too old to be told; it goes on there")
}

func TestOrdersAboutAHostThatLeaves(t *testing.T) {
	w := threeHosts(t)
	steps := []struct {
		order fleet.Command
		want  string // of the refusal; empty: it changes something
		same  bool
	}{
		{fleet.Command{Do: fleet.DoHostRemove, Host: "web9"}, "there is no host", false},
		{fleet.Command{Do: fleet.DoHostRemove, Host: "web2", Policy: "burn"}, "neither stop nor keep", false},
		{fleet.Command{Do: fleet.DoHostRemove, Host: "web2", Policy: fleet.LeaveKeep}, "", false},
		{fleet.Command{Do: fleet.DoHostRemove, Host: "web2", Policy: fleet.LeaveKeep}, "", true},
		{fleet.Command{Do: fleet.DoHostRemove, Host: "web2"}, "", false},
		{fleet.Command{Do: fleet.DoHostDrain, Host: "web2"}, "", true},
		{fleet.Command{Do: fleet.DoHostActivate, Host: "web2"}, "", false},
		{fleet.Command{Do: fleet.DoHostRemove, Host: "web2"}, "", false},
	}
	for _, s := range steps {
		reply := w.order(s.order)
		if s.want != "" {
			if reply.Err == nil || !strings.Contains(reply.Err.Error(), s.want) {
				t.Errorf("%+v: %v, want %q", s.order, reply.Err, s.want)
			}
			continue
		}
		if reply.Err != nil || reply.Result.Changed == s.same {
			t.Errorf("%+v: %+v", s.order, reply)
		}
	}
	w.folded = func() {
		if w.s.Hosts["web2"] != nil && w.s.Hosts["web2"].Leaving.Told != 0 {
			w.hosts["web2"].cut = true // before its agent says so
		}
	}
	w.pass(15 * time.Second)
	for _, c := range []fleet.Command{
		{Do: fleet.DoHostActivate, Host: "web2"}, {Do: fleet.DoFreeze, Host: "web2"}, {Do: fleet.DoHostRemove, Host: "web2", Policy: fleet.LeaveKeep},
	} {
		if reply := w.order(c); reply.Err == nil || !strings.Contains(reply.Err.Error(), "told to leave") {
			t.Errorf("%+v: %+v", c, reply)
		}
	}
	w.wantWaits(t, "web2", "its agent was told, and is to say that it has left")
	w.folded = nil
	w.restart()
	w.hosts["web2"].cut = false
	w.pass(10 * time.Second)
	w.wantOut(t, "web2")
}

// What is said when it is over may get lost: it is said again, and answered.
func TestALostAcknowledgementIsRepeated(t *testing.T) {
	w := threeHosts(t)
	h := w.hosts["web2"]
	w.stepped = func(_ []Input, _ *Delta, out Outputs) { h.cut = len(out.Gone) > 0 }
	w.remove("web2", "")
	for range 20 {
		w.pass(time.Second)
	}
	w.wantOut(t, "web2")
	if !h.over {
		t.Error("its agent waits for ever")
	}
}

func TestHostsThatLeftAreFew(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3", "web4").join()
	w.s.opts.MaxLeft = 2
	for _, id := range []string{"web3", "web1", "web2"} {
		w.remove(id, "")
		w.pass(5 * time.Second)
	}
	if w.s.Left["web3"] != nil || w.s.Left["web1"] == nil || w.s.Left["web2"] == nil {
		t.Errorf("remembered are %v", w.s.Left)
	}
}

func TestNamesDoNotLeadToABalancerThatLeaves(t *testing.T) {
	w := threeHosts(t)
	w.hosts["web2"].lingers = true
	w.remove("web2", "")
	w.pass(10 * time.Second)
	names := w.hosts["web3"].desired.Names["shop"]["web"]
	if len(names) != 1 || names[0] != w.hosts["web1"].facts.Advertise {
		t.Errorf("on web3, web is %v", names)
	}
}

func TestAHostIsToldWhenItsBalancerHasDroppedEverything(t *testing.T) {
	w := threeHosts(t)
	h := w.hosts["web2"]
	w.folded = func() {
		if is := w.s.Hosts["web2"]; is != nil && is.Leaving != nil && is.Leaving.Closing {
			h.deaf = true
		}
	}
	w.remove("web2", "")
	w.pass(20 * time.Second)
	w.wantWaits(t, "web2", "web2/haproxy still has to drop shop/web")
	if h.left {
		t.Fatal("it was told before")
	}
	w.folded, h.deaf = nil, false
	w.pass(10 * time.Second)
	w.wantOut(t, "web2")
}

// Only who was told to leave can have left.
func TestAnAgentThatLeavesUntoldIsHeld(t *testing.T) {
	w := threeHosts(t)
	w.remove("web2", "")
	w.hosts["web2"].lingers = true
	w.hosts["web2"].left = true // another hub told it, or this one as it was later
	w.pass(10 * time.Second)
	w.wantWaits(t, "web2", "muster host rm web2 --force")
	w.mustOrder(t, fleet.Command{Do: fleet.DoHostRemove, Host: "web2", Force: true})
	w.pass(10 * time.Second)
	w.wantOut(t, "web2")
	if !w.hosts["web2"].over {
		t.Error("its agent isn't told that it is forgotten")
	}
}
