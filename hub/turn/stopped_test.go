package turn

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func TestAStoppedServiceKeepsItsCount(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(3, "web:1"))
	w.pass(5 * time.Second)
	w.hosts["web1"].drained = false
	if r := w.order(fleet.Command{Do: fleet.DoStop, Service: web}); r.Err != nil || !r.Result.Changed {
		t.Fatal(r)
	}
	w.pass(3 * time.Second)
	if len(w.s.Instances) != 3 {
		t.Fatalf("%d instances are left, though no balancer has drained them", len(w.s.Instances))
	}
	w.hosts["web1"].drained = true
	w.pass(5 * time.Second)
	if v := w.wantState(fleet.ServiceStopped); v.Desired != 0 || !v.Stopped || len(w.s.Instances) != 0 {
		t.Errorf("%+v, %d instances", v, len(w.s.Instances))
	}
	if r := w.order(fleet.Command{Do: fleet.DoStop, Service: web}); r.Err != nil || r.Result.Changed {
		t.Errorf("once more: %+v", r)
	}

	w.restart()
	w.pass(3 * time.Second)
	if r := w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 2}); !strings.Contains(r.Result.Message, "it stays stopped (muster start shop/web)") {
		t.Errorf("scaled: %+v", r)
	}
	if r := w.apply(webService(2, "web:2")); !slices.Contains(r.Result.Plan.Warnings, "shop/web is stopped, and stays so: muster start shop/web") {
		t.Errorf("applied: %+v", r.Result.Plan)
	}
	if r := w.order(fleet.Command{Do: fleet.DoRestart, Service: web}); fleet.CodeOf(r.Err) != fleet.CodeConflict {
		t.Errorf("restarted: %+v", r)
	}
	w.pass(30 * time.Second)
	if w.wantState(fleet.ServiceStopped); len(w.s.Instances) != 0 {
		t.Error("scaling or applying has started it")
	}

	w.order(fleet.Command{Do: fleet.DoStart, Service: web})
	w.pass(5 * time.Second)
	if v := w.wantState(fleet.ServiceConverged); v.Ready != 2 || v.Version != 2 {
		t.Errorf("started: %+v", v)
	}
}

func TestAServiceWithARolloutUnderWayIsNotStopped(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(2, "web:1"))
	w.pass(5 * time.Second)
	w.broken[2] = true
	w.apply(webService(2, "web:2"))
	w.pass(5 * time.Second)
	if r := w.order(fleet.Command{Do: fleet.DoStop, Service: web}); fleet.CodeOf(r.Err) != fleet.CodeConflict {
		t.Fatalf("%+v", r)
	}
	w.order(fleet.Command{Do: fleet.DoAbort, Service: web})
	if r := w.order(fleet.Command{Do: fleet.DoStop, Service: web}); r.Err != nil {
		t.Errorf("on its way back: %v", r.Err)
	}
	w.pass(10 * time.Second)
	w.wantState(fleet.ServiceStopped)
}

func TestAServiceIsStoppedOnOneHost(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
	w.apply(webService(3, "web:1"))
	w.pass(5 * time.Second)
	if r := w.order(fleet.Command{Do: fleet.DoStop, Service: web, Host: "web2"}); r.Err != nil {
		t.Fatal(r.Err)
	}
	w.pass(20 * time.Second)
	if v := w.wantState(fleet.ServiceConverged); v.Ready != 3 || w.spread()["web2"] != 0 || !slices.Equal(v.StoppedOn, []string{"web2"}) {
		t.Errorf("%v, stopped on %v", w.spread(), v.StoppedOn)
	}
	if h, _ := w.view().Host("web2"); !slices.Equal(h.Stopped, []fleet.ServiceKey{web}) {
		t.Errorf("web2 has stopped %v", h.Stopped)
	}
	w.restart()
	w.pass(3 * time.Second)
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 6})
	w.pass(10 * time.Second)
	if w.spread()["web2"] != 0 {
		t.Errorf("some came there: %v", w.spread())
	}
	w.order(fleet.Command{Do: fleet.DoStart, Service: web, Host: "web2"})
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 8})
	w.pass(10 * time.Second)
	if w.wantState(fleet.ServiceConverged); w.spread()["web2"] != 2 {
		t.Errorf("started there: %v", w.spread())
	}
}

func TestWhatIsStoppedWhereNobodyCanFollowLeavesAllTheSame(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	s := webService(2, "web:1")
	s.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Equal: true, Value: "web2"}}
	w.apply(s)
	w.pass(5 * time.Second)
	w.order(fleet.Command{Do: fleet.DoStop, Service: web, Host: "web2"})
	w.pass(10 * time.Second)
	v := w.wantState(fleet.ServiceHeld)
	if len(w.s.Instances) != 0 || !strings.Contains(strings.Join(v.Reasons, " "), "web2: shop/web is stopped there (muster command web2 start shop/web)") {
		t.Errorf("%d instances: %v", len(w.s.Instances), v.Reasons)
	}
	w.order(fleet.Command{Do: fleet.DoStart, Service: web, Host: "web2"})
	w.pass(10 * time.Second)
	w.wantState(fleet.ServiceConverged)
}

func TestAGlobalServiceIsStoppedOnOneHost(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").join()
	s := webService(0, "web:1")
	s.Mode, s.Balancing = fleet.ModeGlobal, nil
	w.apply(s)
	w.pass(5 * time.Second)
	w.order(fleet.Command{Do: fleet.DoStop, Service: web, Host: "web2"})
	w.pass(5 * time.Second)
	if w.wantState(fleet.ServiceConverged); fmt.Sprint(w.spread()) != "map[web1:1 web3:1]" {
		t.Errorf("%v", w.spread())
	}
	w.order(fleet.Command{Do: fleet.DoStop, Service: web})
	w.pass(5 * time.Second)
	if w.wantState(fleet.ServiceStopped); len(w.s.Instances) != 0 {
		t.Errorf("%v", w.spread())
	}
	if r := w.order(fleet.Command{Do: fleet.DoStart, Service: web}); !strings.Contains(r.Result.Message, "stays stopped on web2") {
		t.Errorf("%+v", r)
	}
	w.pass(5 * time.Second)
	if w.wantState(fleet.ServiceConverged); fmt.Sprint(w.spread()) != "map[web1:1 web3:1]" {
		t.Errorf("%v", w.spread())
	}
}

// Slots have their data on hosts. The lowest is free, and has data somewhere else
// than those that are stopped.
func TestWhatIsStoppedComesBackToItsData(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").join()
	s := webService(3, "db:1")
	s.Balancing = nil
	s.Spec.Mounts = []fleet.Mount{{Type: fleet.MountVolume, Source: "shop_data", Target: "/data"}}
	w.apply(s)
	w.pass(5 * time.Second)
	home := w.slots()
	w.hosts[home[1]].unready[w.inSlot(1).ID] = true
	w.pass(2 * time.Second)
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 2})
	w.pass(5 * time.Second)
	two := map[int]string{2: home[2], 3: home[3]}
	if fmt.Sprint(w.slots()) != fmt.Sprint(two) {
		t.Fatalf("slots %v, want %v", w.slots(), two)
	}

	w.order(fleet.Command{Do: fleet.DoStop, Service: web, Host: home[2]})
	w.pass(5 * time.Second)
	if v := w.wantState(fleet.ServiceConverged); v.Desired != 1 || fmt.Sprint(w.slots()) != fmt.Sprint(map[int]string{3: home[3]}) {
		t.Errorf("stopped on %s: %v, %d wanted", home[2], w.slots(), v.Desired)
	}
	w.order(fleet.Command{Do: fleet.DoStart, Service: web, Host: home[2]})
	w.pass(5 * time.Second)
	if w.wantState(fleet.ServiceConverged); fmt.Sprint(w.slots()) != fmt.Sprint(two) {
		t.Errorf("started there: %v, want %v", w.slots(), two)
	}

	w.order(fleet.Command{Do: fleet.DoStop, Service: web})
	w.pass(5 * time.Second)
	w.restart()
	w.pass(3 * time.Second)
	w.wantState(fleet.ServiceStopped)
	w.order(fleet.Command{Do: fleet.DoStart, Service: web})
	w.pass(5 * time.Second)
	if w.wantState(fleet.ServiceConverged); fmt.Sprint(w.slots()) != fmt.Sprint(two) {
		t.Errorf("started: %v, want %v", w.slots(), two)
	}

	w.order(fleet.Command{Do: fleet.DoStop, Service: web, Host: home[2]})
	w.pass(5 * time.Second)
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 1})
	w.pass(5 * time.Second)
	if w.wantState(fleet.ServiceConverged); fmt.Sprint(w.slots()) != fmt.Sprint(map[int]string{3: home[3]}) {
		t.Errorf("what rests is of the least use: %v", w.slots())
	}
}

// slots are the hosts of web's instances, by slot.
func (w *world) slots() map[int]string {
	out := map[int]string{}
	for _, in := range w.s.Instances {
		if in.Service == web && in.Goal == fleet.GoalRun {
			out[in.Slot] = in.Host
		}
	}
	return out
}

func (w *world) inSlot(slot int) *Instance {
	for _, in := range w.s.Instances {
		if in.Service == web && in.Goal == fleet.GoalRun && in.Slot == slot {
			return in
		}
	}
	w.t.Fatalf("nothing is in slot %d", slot)
	return nil
}

func TestARestartOnOneHostReplacesWhatIsThere(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
	w.apply(webService(6, "web:1"))
	w.pass(5 * time.Second)
	before := w.ids()
	w.hosts["web1"].drained = false
	if r := w.order(fleet.Command{Do: fleet.DoRestart, Service: web, Host: "web2"}); r.Err != nil {
		t.Fatal(r.Err)
	}
	w.pass(5 * time.Second)
	for _, id := range before["web2"] {
		if w.s.Instances[id] == nil {
			t.Errorf("%s is gone, though no balancer has drained it", id)
		}
	}
	w.hosts["web1"].drained = true
	w.pass(20 * time.Second)
	after := w.ids()
	w.wantState(fleet.ServiceConverged)
	if !slices.Equal(before["web1"], after["web1"]) || !slices.Equal(before["web3"], after["web3"]) {
		t.Errorf("others were replaced: %v became %v", before, after)
	}
	if len(after["web2"]) != 2 || slices.ContainsFunc(before["web2"], func(id string) bool { return slices.Contains(after["web2"], id) }) {
		t.Errorf("on web2 %v became %v", before["web2"], after["web2"])
	}
	if r := w.order(fleet.Command{Do: fleet.DoRestart, Service: web, Host: "web9"}); fleet.CodeOf(r.Err) != fleet.CodeNotFound {
		t.Errorf("an unknown host: %+v", r)
	}
}

// ids are web's instances that are to run, by host.
func (w *world) ids() map[string][]string {
	out := map[string][]string{}
	for _, id := range sorted(w.s.Instances, byText) {
		if in := w.s.Instances[id]; in.Goal == fleet.GoalRun {
			out[in.Host] = append(out[in.Host], id)
		}
	}
	return out
}

// What was left behind by a host that is to stay after all is taken in again, and rests
// no more. What is still to come back does.
func TestWhatIsTakenBackRestsNoMore(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").join()
	s := webService(3, "db:1")
	s.Balancing = nil
	s.Spec.Mounts = []fleet.Mount{{Type: fleet.MountVolume, Source: "shop_data", Target: "/data"}}
	w.apply(s)
	w.pass(5 * time.Second)
	before := w.slots()
	for _, slot := range []int{2, 3} {
		w.mustOrder(t, fleet.Command{Do: fleet.DoHostRemove, Host: before[slot], Policy: fleet.LeaveKeep})
	}
	w.mustOrder(t, fleet.Command{Do: fleet.DoStop, Service: web})
	w.pass(5 * time.Second)
	w.mustOrder(t, fleet.Command{Do: fleet.DoStart, Service: web})
	w.pass(5 * time.Second)
	w.mustOrder(t, fleet.Command{Do: fleet.DoHostActivate, Host: before[2]})
	w.pass(10 * time.Second)
	if rests := fmt.Sprint(w.s.Services[web].Resting); rests != fmt.Sprint(map[int]string{3: before[3]}) {
		t.Errorf("at rest are %s, where only slot 3 is yet to come back", rests)
	}
	w.mustOrder(t, fleet.Command{Do: fleet.DoHostActivate, Host: before[3]})
	w.pass(10 * time.Second)
	if v := w.wantState(fleet.ServiceConverged); v.Desired != 3 || fmt.Sprint(w.slots()) != fmt.Sprint(before) {
		t.Errorf("%d wanted, slots %v, were %v", v.Desired, w.slots(), before)
	}
}
