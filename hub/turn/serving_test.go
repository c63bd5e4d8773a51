package turn

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// serving counts the endpoints of web that web1's balancer sends to.
func (w *world) serving() (n int) {
	pool, h := w.hosts["web1"].pools[web], w.hosts["web1"]
	for _, e := range pool.Endpoints {
		for _, r := range pool.Routes {
			if e.State == fleet.EndpointReady && e.Ports[r.Target] != 0 && !h.fresh[e.Instance] {
				n++
			}
		}
	}
	return n
}

// refuseNewest has the balancer's check fail for every instance of the newest
// version, though its agent calls it ready.
func (w *world) refuseNewest() (host string) {
	for _, in := range w.s.Instances {
		if in.Version == w.s.Services[in.Service].Version {
			w.hosts["web1"].fresh[in.ID] = true
			host = in.Host
		}
	}
	return host
}

// Whoever serves stays while nobody else does, whatever is ordered meanwhile.
func TestWhoServesStaysUntilOthersDo(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(w *world)
		want int
	}{
		{"a version that the balancer refuses is superseded", func(w *world) {
			w.apply(webService(1, "web:1"))
			w.pass(5 * time.Second)
			w.apply(webService(1, "web:2"))
			w.refuseNewest()
			w.pass(10 * time.Second)
			w.broken[3] = true
			w.apply(webService(1, "web:3"))
		}, 1},
		{"the host of the new one is drained", func(w *world) {
			w.apply(webService(1, "web:1"))
			w.pass(5 * time.Second)
			w.apply(webService(1, "web:2"))
			host := w.refuseNewest()
			w.pass(3 * time.Second)
			w.broken[2] = true
			w.order(fleet.Command{Do: fleet.DoHostDrain, Host: host})
		}, 1},
		{"scaled down while nothing new gets ready", func(w *world) {
			w.apply(webService(2, "web:1"))
			w.pass(5 * time.Second)
			w.broken[2] = true
			w.apply(webService(5, "web:2"))
			w.pass(10 * time.Second)
			w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 2})
		}, 2},
		{"scaled down while one of two is refused", func(w *world) {
			w.apply(webService(2, "web:1"))
			for _, in := range w.s.Instances {
				w.hosts["web1"].fresh[in.ID] = in.Slot == 1
			}
			w.pass(5 * time.Second)
			w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 1})
		}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
			test.do(w)
			for range 20 {
				w.pass(time.Second)
				if n := w.serving(); n < test.want {
					t.Fatalf("%d serve: %+v, %v", n, w.hosts["web1"].pools[web].Endpoints, w.service().Reasons)
				}
			}
		})
	}
}

func TestAGlobalServiceBecomesReplicated(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	global := webService(0, "web:1")
	global.Mode, global.CountStated = fleet.ModeGlobal, false
	w.apply(global)
	w.pass(5 * time.Second)
	replicated := webService(0, "web:1")
	replicated.CountStated = false
	w.apply(replicated)
	w.pass(20 * time.Second)
	if v := w.wantState(fleet.ServiceConverged); v.Desired != 1 || v.Ready != 1 {
		t.Errorf("%d of %d are ready", v.Ready, v.Desired)
	}
}

func TestAHostThatCannotHaveAGlobalServiceHoldsUpNoOther(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1")
	w.hosts["web2"].facts.Memory = 64 << 20
	w.join()
	service := func(image string) fleet.Service {
		s := webService(0, image)
		s.Mode, s.CountStated = fleet.ModeGlobal, false
		s.Spec.Resources.MemoryReservation = 128 << 20
		return s
	}
	w.apply(service("web:1"))
	w.pass(5 * time.Second)
	w.apply(service("web:2"))
	w.pass(time.Minute)
	for _, in := range w.s.Instances {
		if in.Version != 2 {
			t.Errorf("%s on %s is still version %d: %v", in.ID, in.Host, in.Version, w.service().Reasons)
		}
	}
	w.wantReason("held: slot 1 can't be placed: web2: 64 MiB of memory short")
}

func TestAFrozenHostKeepsWhatItHas(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(2, "web:1"))
	w.pass(5 * time.Second)
	w.order(fleet.Command{Do: fleet.DoFreeze, Host: "web2"})
	for _, do := range []func(){
		func() { w.apply(webService(2, "web:2")) },
		func() { w.order(fleet.Command{Do: fleet.DoHostDrain, Host: "web2"}) },
		func() { w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 0}) },
		func() { w.order(fleet.Command{Do: fleet.DoRemove, Service: web}) },
	} {
		do()
		w.pass(20 * time.Second)
		for _, in := range w.s.Instances {
			if in.Host == "web2" && (in.Goal != fleet.GoalRun || in.Version != 1) {
				t.Errorf("%s is to %s", in.ID, in.Goal)
			}
		}
		if n := w.serving(); n == 0 {
			t.Error("it has no traffic any more")
		}
	}
	w.wantReason("web2 is frozen (muster unfreeze host:web2)")
	w.order(fleet.Command{Do: fleet.DoUnfreeze, Host: "web2"})
	w.pass(20 * time.Second)
	if _, there := w.view().Service(web); there {
		t.Errorf("it isn't removed: %v", w.service().Reasons)
	}
}

// A leaving instance stays as it is too, once its host is frozen.
func TestAFreezeHoldsADrain(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(2, "web:1"))
	w.pass(5 * time.Second)
	w.hosts["web1"].drained = false
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 0})
	w.pass(2 * time.Second)
	w.order(fleet.Command{Do: fleet.DoFreeze, Host: "web2"})
	w.hosts["web1"].drained = true
	w.pass(20 * time.Second)
	if w.stopping() != 0 || len(w.s.Instances) != 1 {
		t.Fatalf("%d are being stopped, %d are left", w.stopping(), len(w.s.Instances))
	}
	w.order(fleet.Command{Do: fleet.DoUnfreeze, Host: "web2"})
	w.pass(5 * time.Second)
	w.wantState(fleet.ServiceConverged)
}

func TestRemoveWhileAHostIsLost(t *testing.T) {
	for _, fail := range []bool{false, true} {
		w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
		w.apply(webService(3, "web:1"))
		w.pass(5 * time.Second)
		w.hosts["web3"].cut = true
		for _, in := range w.s.Instances {
			if in.Host == "web3" {
				w.hosts["web1"].checks[in.ID] = fleet.CheckFailing
			}
		}
		w.pass(30 * time.Second)
		if fail {
			w.order(fleet.Command{Do: fleet.DoHostFail, Host: "web3"})
			w.pass(5 * time.Second)
		}
		w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
		w.pass(30 * time.Second)
		if v, there := w.view().Service(web); there {
			t.Fatalf("it is still there: %v", v.Reasons)
		}
		if r := w.apply(webService(3, "web:2")); r.Err != nil {
			t.Fatal(r.Err)
		}
		w.hosts["web3"].cut = false
		w.pass(20 * time.Second)
		w.wantState(fleet.ServiceConverged)
		if n := len(w.s.Instances); n != 3 {
			t.Errorf("%d instances are left", n)
		}
	}
}

// What a service of the same name once ran says nothing of the one that is there now.
func TestAVersionsNumberIsNeverUsedAgain(t *testing.T) {
	w := newWorld(t, "web1", "web2").join()
	first := webService(2, "web:1")
	first.Balancing = nil
	w.apply(first)
	w.pass(4 * time.Second)
	w.hosts["web2"].cut = true
	w.pass(12 * time.Second)
	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	w.pass(4 * time.Second)
	second := webService(1, "other:1")
	second.Balancing = nil
	second.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Equal: true, Value: "elsewhere"}}
	w.apply(second)
	w.hosts["web2"].lingers, w.hosts["web2"].cut = true, false
	w.pass(4 * time.Second)
	s := w.s.Services[web]
	if s.Version != 2 || s.Versions[2].Pin != "" {
		t.Errorf("version %d is pinned to %q", s.Version, s.Versions[s.Version].Pin)
	}
}
