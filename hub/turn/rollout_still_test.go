package turn

import (
	"fmt"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// pinned is a fleet whose service of one has its data on a host without a balancer,
// and applies versions of it.
func pinned(t *testing.T) (w *world, version func(n int)) {
	w = newWorld(t, "web1", "web2", "web3").withBalancer("web1")
	for _, h := range w.hosts {
		h.facts.Features = append(h.facts.Features, fleet.FeaturePrepare, fleet.FeatureRestart)
		h.drained = true
	}
	w.join()
	w.order(fleet.Command{Do: fleet.DoHostDrain, Host: "web1"})
	version = func(n int) {
		s := webService(1, fmt.Sprintf("web:%d", n))
		s.Spec.Mounts = []fleet.Mount{{Type: fleet.MountVolume, Source: "data", Target: "/data"}}
		if r := w.apply(s); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	version(1)
	w.pass(6 * time.Second)
	w.wantState(fleet.ServiceConverged)
	return w, version
}

// However a rollout stands still, nobody comes beside an instance that has the data.
func TestDataIsOneInstancesWhileARolloutStandsStill(t *testing.T) {
	for name, stand := range map[string]func(w *world){
		"paused":                 func(w *world) { w.steer(fleet.DoPause) },
		"without a balancer":     func(w *world) { w.hosts["web1"].cut = true },
		"restarted in the pause": func(w *world) { w.steer(fleet.DoPause); w.order(fleet.Command{Do: fleet.DoRestart, Service: web}) },
	} {
		t.Run(name, func(t *testing.T) {
			w, version := pinned(t)
			home := w.homeHost()
			for _, h := range w.hosts {
				h.drained = false // its connections last
			}
			version(2)
			w.pass(4 * time.Second)
			w.wantRollout(fleet.RolloutProgressing)
			stand(w)
			for range 30 {
				w.pass(time.Second)
				if len(w.s.Instances) != 1 {
					t.Fatalf("%d instances have the data", len(w.s.Instances))
				}
				for _, in := range w.s.Instances {
					if in.Host != home {
						t.Fatalf("%s is away from its data on %s", in, home)
					}
				}
			}
		})
	}
}

func TestARestartWhileARolloutIsPreparedStaysWithItsData(t *testing.T) {
	w, version := pinned(t)
	home := w.homeHost()
	for _, h := range w.hosts {
		h.lacks = map[string]string{"shop/web@2": "no such image"}
	}
	version(2)
	w.pass(4 * time.Second)
	w.wantRollout(fleet.RolloutPreparing)
	before := w.newest(1).ID
	w.order(fleet.Command{Do: fleet.DoRestart, Service: web})
	for range 30 {
		w.pass(time.Second)
		if len(w.s.Instances) > 1 {
			t.Fatalf("%d instances have the data", len(w.s.Instances))
		}
	}
	if in := w.newest(1); in == nil || in.ID == before || in.Host != home || in.Slot != 1 {
		t.Errorf("restarted: %v", in)
	}
}

// A recreate is for versions that must never run beside each other, paused or not.
func TestAPausedRecreateStaysWithOneVersion(t *testing.T) {
	spec := &fleet.RolloutSpec{Strategy: fleet.StrategyRecreate}
	w := upgrading(t, spec)
	w.version(2, spec)
	w.until(fleet.RolloutProgressing)
	for range 60 {
		if w.pass(time.Second); len(w.s.Instances) == 4 && w.of(2) == 4 {
			break
		}
	}
	in := w.newest(2)
	w.hosts[in.Host].unready = map[string]bool{in.ID: true}
	w.pass(2 * time.Second)
	w.steer(fleet.DoPause)
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 6})
	w.pass(10 * time.Second)
	w.wantRollout(fleet.RolloutPaused)
	if w.of(1) > 0 || len(w.s.Instances) != 6 {
		t.Errorf("%d of the old version among %d", w.of(1), len(w.s.Instances))
	}
}

// It moves all the time, if slowly: nobody needs to look after it.
func TestASlowRollingIsLeftAlone(t *testing.T) {
	spec := &fleet.RolloutSpec{Batch: 1}
	w := upgrading(t, spec)
	w.version(2, spec)
	for range 20 * 60 {
		w.pass(time.Second)
		for id, in := range w.s.Instances {
			if h := w.hosts[in.Host]; in.Version == 2 && !in.Ready {
				if h.unready == nil {
					h.unready = map[string]bool{}
				}
				h.unready[id] = w.now.Sub(in.BornAt) < 200*time.Second
			}
		}
		if w.rollout().State == fleet.RolloutPaused {
			t.Fatalf("%s: %s", w.rollout().PauseReason, w.rollout().Why)
		}
	}
	w.wantRollout(fleet.RolloutSucceeded)
}

func TestAMomentsTroubleDoesntPauseALongHold(t *testing.T) {
	spec := canary(25)
	spec.Steps[0].Hold, spec.ProgressWithin = fleet.Duration(4*time.Minute), fleet.Duration(time.Minute)
	w := upgrading(t, spec)
	w.version(2, spec)
	w.pass(2 * time.Minute)
	old := w.newest(1)
	w.hosts[old.Host].unready = map[string]bool{old.ID: true}
	w.pass(time.Second)
	w.step(Tick{}) // no balancer has acknowledged that yet
	w.wantRollout(fleet.RolloutProgressing)
	w.hosts[old.Host].unready = nil
	w.pass(4 * time.Minute)
	w.wantRollout(fleet.RolloutSucceeded)
}

// What nobody looked at isn't held against a version.
func TestATimeUnseenIsNobodysFault(t *testing.T) {
	for name, away := range map[string]func(w *world){
		"the hub": func(w *world) { w.now = w.now.Add(6 * time.Minute); w.restart() },
		"frozen": func(w *world) {
			w.order(fleet.Command{Do: fleet.DoFreeze, Service: web})
			w.pass(6 * time.Minute)
			w.order(fleet.Command{Do: fleet.DoUnfreeze, Service: web})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := upgrading(t, canary(25))
			w.broken[2] = true
			w.version(2, canary(25))
			w.pass(6 * time.Second)
			w.wantRollout(fleet.RolloutProgressing)
			away(w)
			w.pass(10 * time.Second)
			w.wantRollout(fleet.RolloutProgressing)
			delete(w.broken, 2)
			w.pass(time.Minute)
			w.wantRollout(fleet.RolloutSucceeded)
		})
	}
}

func TestDownToNoneAndUpAgain(t *testing.T) {
	w := upgrading(t, canary(25, 50))
	w.version(2, canary(25, 50))
	w.pass(8 * time.Second)
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 0})
	w.pass(3 * time.Second)
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 4})
	w.pass(time.Minute)
	w.wantRollout(fleet.RolloutSucceeded)
	w.wantTraffic("v2 100% by 4")
}

// A balancer that is heard and keeps an older pool holds a rollout as a silent one
// does.
func TestABalancerThatRefusesItsPoolHoldsARollout(t *testing.T) {
	w := upgrading(t, canary(25, 50))
	w.version(2, canary(25, 50))
	w.pass(6 * time.Second)
	h := w.hosts["web1"]
	h.stuck, h.trouble = map[fleet.ServiceKey]fleet.Pool{web: h.pools[web]}, "haproxy -c fails"
	w.pass(time.Minute)
	if r := w.wantRollout(fleet.RolloutPaused); r.PauseReason != fleet.PauseBalancer {
		t.Errorf("it paused because of %s: %s", r.PauseReason, r.Why)
	}
	w.wantReason("web1/haproxy doesn't take its pool: haproxy -c fails")
	h.stuck, h.trouble = nil, ""
	w.pass(time.Minute)
	w.wantRollout(fleet.RolloutSucceeded)
}

// A person may go on without a balancer that isn't heard.
func TestAPersonGoesOnWithoutABalancer(t *testing.T) {
	w := upgrading(t, canary(25, 50))
	w.version(2, canary(25, 50))
	w.pass(6 * time.Second)
	w.hosts["web1"].cut = true
	w.pass(20 * time.Second)
	if r := w.wantRollout(fleet.RolloutPaused); r.PauseReason != fleet.PauseBalancer {
		t.Fatalf("paused: %s", r.PauseReason)
	}
	if reply := w.steer(fleet.DoResume); reply.Err == nil {
		t.Error("a resume changes nothing, and isn't refused")
	}
	before := w.rollout().Step
	if reply := w.steer(fleet.DoPromote); reply.Err != nil {
		t.Fatal(reply.Err)
	}
	w.pass(3 * time.Second)
	if r := w.rollout(); r.Step <= before || r.State == fleet.RolloutPaused {
		t.Errorf("it is %s at step %d, was at %d", r.State, r.Step, before)
	}
	w.hosts["web1"].cut = false
	w.pass(time.Minute)
	w.wantRollout(fleet.RolloutSucceeded)
}

func TestARetryBeginsWithNewTime(t *testing.T) {
	spec := canary(25)
	spec.OnFailure = fleet.OnFailurePause
	w := upgrading(t, spec)
	w.broken[2] = true
	w.version(2, spec)
	w.pass(6 * time.Minute)
	w.wantRollout(fleet.RolloutPaused)
	w.steer(fleet.DoRetry)
	w.pass(2 * time.Second)
	w.wantRollout(fleet.RolloutProgressing)
	delete(w.broken, 2)
	w.pass(time.Minute)
	w.wantRollout(fleet.RolloutSucceeded)
}
