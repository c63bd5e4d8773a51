package turn

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// upgrading is a world of three hosts, the first with a balancer, whose service
// of four runs its first version.
func upgrading(t *testing.T, spec *fleet.RolloutSpec) *world {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1")
	for _, h := range w.hosts {
		h.facts.Features = append(slices.Clone(h.facts.Features), fleet.FeaturePrepare, fleet.FeatureRestart)
		h.drained = true
	}
	w.join()
	w.version(1, spec)
	w.pass(5 * time.Second)
	w.wantState(fleet.ServiceConverged)
	return w
}

// version asks for the service's version of a number.
func (w *world) version(number int, spec *fleet.RolloutSpec) Reply {
	s := webService(4, fmt.Sprintf("web:%d", number))
	s.Rollout = spec
	return w.apply(s)
}

func canary(weights ...int) *fleet.RolloutSpec {
	off := true
	spec := &fleet.RolloutSpec{Strategy: fleet.StrategyCanary, Verify: fleet.Verify{Off: &off, Interval: fleet.Duration(10 * time.Second)}}
	for _, weight := range append(weights, 100) {
		spec.Steps = append(spec.Steps, fleet.RolloutStep{Weight: weight})
	}
	return spec
}

func (w *world) rollout() *fleet.Rollout {
	w.t.Helper()
	r := w.s.Services[web].Rollout
	if r == nil {
		w.t.Fatal("there is no rollout")
	}
	return r
}

func (w *world) wantRollout(state string) *fleet.Rollout {
	w.t.Helper()
	r := w.rollout()
	if r.State != state {
		w.t.Fatalf("the rollout is %s (%s: %s), want %s", r.State, r.PauseReason, r.Why, state)
	}
	return r
}

// traffic is each version's share of the traffic, in percent, and how many of its
// instances get some, as the balancer has it.
func (w *world) traffic() string {
	weight, n, all := map[int]int{}, map[int]int{}, 0
	for _, e := range w.hosts["web1"].pools[web].Endpoints {
		if e.State == fleet.EndpointReady {
			weight[e.Version] += e.Weight
			n[e.Version]++
			all += e.Weight
		}
	}
	var out []string
	for _, version := range sorted(weight, byNumber) {
		out = append(out, fmt.Sprintf("v%d %d%% by %d", version, (100*weight[version]+all/2)/all, n[version]))
	}
	return strings.Join(out, ", ")
}

func (w *world) wantTraffic(want string) {
	w.t.Helper()
	if got := w.traffic(); got != want {
		w.t.Fatalf("traffic is %s, want %s (rollout %+v)", got, want, w.rollout())
	}
}

// newest is an instance of a version.
func (w *world) newest(version int) *Instance {
	w.t.Helper()
	for _, id := range sorted(w.s.Instances, byText) {
		if in := w.s.Instances[id]; in.Version == version && in.Goal == fleet.GoalRun {
			return in
		}
	}
	w.t.Fatalf("no instance of version %d", version)
	return nil
}

func (w *world) steer(do string) Reply {
	w.t.Helper()
	return w.order(fleet.Command{Do: do, Service: web, Rollout: w.rollout().ID, Actor: "ann"})
}

func TestACanaryGetsItsShareStepByStep(t *testing.T) {
	w := upgrading(t, canary(25, 50))
	w.version(2, canary(25, 50))
	w.pass(6 * time.Second)
	w.wantRollout(fleet.RolloutProgressing)
	w.wantTraffic("v1 75% by 4, v2 25% by 1")
	w.pass(12 * time.Second)
	w.wantTraffic("v1 50% by 4, v2 50% by 2")
	w.pass(12 * time.Second)
	w.wantTraffic("v2 100% by 4")
	w.wantRollout(fleet.RolloutPromoting)
	w.pass(13 * time.Second)
	w.wantRollout(fleet.RolloutSucceeded)
	if v := w.wantState(fleet.ServiceConverged); v.Ready != 4 || v.Version != 2 {
		t.Errorf("%d ready of version %d", v.Ready, v.Version)
	}
	if len(w.s.Instances) != 8 {
		t.Errorf("%d instances, want the old ones kept", len(w.s.Instances))
	}
	w.pass(70 * time.Second)
	if len(w.s.Instances) != 4 {
		t.Errorf("%d instances, want the old ones gone", len(w.s.Instances))
	}
	w.wantTraffic("v2 100% by 4")
}

func TestACanaryThatFailsGoesBackInOneWrite(t *testing.T) {
	for name, spoil := range map[string]func(w *world){
		"it restarts":                   func(w *world) { in := w.newest(2); w.hosts[in.Host].restarts = map[string]int{in.ID: 1} },
		"it is aborted":                 func(w *world) { w.steer(fleet.DoAbort) },
		"the former version is applied": func(w *world) { w.version(1, canary(25)) },
		"a person goes back":            func(w *world) { w.order(fleet.Command{Do: fleet.DoRollback, Service: web}) },
	} {
		t.Run(name, func(t *testing.T) {
			w := upgrading(t, canary(25))
			w.version(2, canary(25))
			w.pass(6 * time.Second)
			w.wantTraffic("v1 75% by 4, v2 25% by 1")
			spoil(w)
			w.pass(time.Second)
			w.wantTraffic("v1 100% by 4")
			w.wantRollout(fleet.RolloutRollingBack)
			w.pass(10 * time.Second)
			w.wantRollout(fleet.RolloutRolledBack)
			if v := w.wantState(fleet.ServiceConverged); v.Version != 1 || len(v.Instances) != 4 {
				t.Errorf("version %d, %d instances", v.Version, len(v.Instances))
			}
		})
	}
}

func TestABlueGreenSwitchesOnce(t *testing.T) {
	spec := &fleet.RolloutSpec{Strategy: fleet.StrategyBlueGreen, Manual: true}
	w := upgrading(t, spec)
	w.version(2, spec)
	w.pass(8 * time.Second)
	w.wantTraffic("v1 100% by 4")
	if r := w.wantRollout(fleet.RolloutPaused); r.PauseReason != fleet.PauseManual {
		t.Fatalf("paused: %s", r.PauseReason)
	}
	w.wantHeld("muster rollout shop/web promote")
	w.steer(fleet.DoPromote)
	w.pass(3 * time.Second)
	w.wantTraffic("v2 100% by 4")
	w.pass(15 * time.Second)
	w.wantRollout(fleet.RolloutSucceeded)

	// Back, while the old ones are kept, is one write again.
	before := len(w.s.Instances)
	w.order(fleet.Command{Do: fleet.DoRollback, Service: web})
	w.pass(time.Second)
	w.wantTraffic("v1 100% by 4")
	if len(w.s.Instances) != before {
		t.Errorf("%d instances, were %d", len(w.s.Instances), before)
	}
	w.pass(15 * time.Second)
	if r := w.wantRollout(fleet.RolloutSucceeded); r.To != 1 || !r.Back {
		t.Errorf("rollout %+v", r)
	}
}

// The reserve serves when all of the new version fails while it is kept.
func TestWhatIsKeptServesWhereNothingElseDoes(t *testing.T) {
	spec := &fleet.RolloutSpec{Strategy: fleet.StrategyBlueGreen}
	w := upgrading(t, spec)
	w.version(2, spec)
	w.pass(25 * time.Second)
	w.wantRollout(fleet.RolloutSucceeded)
	w.wantTraffic("v2 100% by 4")
	w.broken[2] = true
	w.pass(2 * time.Second)
	w.wantTraffic("v1 100% by 4")
}

func TestRecreateStopsAllFirst(t *testing.T) {
	spec := &fleet.RolloutSpec{Strategy: fleet.StrategyRecreate}
	w := upgrading(t, spec)
	for _, h := range w.hosts {
		h.lingers = true
	}
	w.version(2, spec)
	w.pass(5 * time.Second)
	for _, in := range w.s.Instances {
		if in.Version != 1 || in.Goal != fleet.GoalStop {
			t.Fatalf("%s is to %s", in, in.Goal)
		}
	}
	for _, h := range w.hosts {
		h.lingers = false
	}
	w.pass(20 * time.Second)
	w.wantRollout(fleet.RolloutSucceeded)
	w.wantTraffic("v2 100% by 4")
}

// Nothing moves before every host has the image.
func TestNothingMovesWithoutTheImage(t *testing.T) {
	for name, spec := range map[string]*fleet.RolloutSpec{"rolling": nil, "canary": canary(25)} {
		t.Run(name, func(t *testing.T) {
			w := upgrading(t, spec)
			w.hosts["web3"].lacks = map[string]string{"shop/web@2": "no such image web:2"}
			w.version(2, spec)
			w.pass(30 * time.Second)
			w.wantRollout(fleet.RolloutPreparing)
			w.wantReason("the image of version 2 can't be fetched on web3: no such image web:2")
			w.wantTraffic("v1 100% by 4")
			if len(w.s.Instances) != 4 {
				t.Fatalf("%d instances", len(w.s.Instances))
			}
			w.hosts["web3"].lacks = nil
			w.pass(3 * time.Second)
			w.wantRollout(fleet.RolloutProgressing)
			w.hosts["web3"].lacks = map[string]string{"shop/web@3": "no such image web:3"}
			w.version(3, spec)
			w.pass(6 * time.Minute)
			w.wantRollout(fleet.RolloutRolledBack)
			if v := w.wantState(fleet.ServiceConverged); v.Version != 1 {
				t.Errorf("version %d", v.Version)
			}
		})
	}
}

func TestARollingThatFailsGoesBack(t *testing.T) {
	w := upgrading(t, nil)
	w.broken[2] = true
	w.version(2, nil)
	w.pass(4 * time.Minute)
	w.wantRollout(fleet.RolloutProgressing)
	w.wantTraffic("v1 100% by 4")
	w.pass(2 * time.Minute)
	r := w.wantRollout(fleet.RolloutRolledBack)
	if !strings.Contains(r.Why, "isn't ready after 5m0s") {
		t.Errorf("why: %s", r.Why)
	}
	w.wantTraffic("v1 100% by 4")
	delete(w.broken, 2)
	w.order(fleet.Command{Do: fleet.DoRetry, Service: web})
	w.pass(30 * time.Second)
	w.wantRollout(fleet.RolloutSucceeded)
	if v := w.wantState(fleet.ServiceConverged); v.Version != 2 {
		t.Errorf("version %d", v.Version)
	}
}

// Of versions that crash after they have all traffic, the one before comes back
// while the new one is watched.
func TestACrashWhileItIsWatchedGoesBack(t *testing.T) {
	w := upgrading(t, nil)
	w.version(2, nil)
	for range 60 {
		if w.pass(time.Second); w.rollout().State == fleet.RolloutPromoting {
			break
		}
	}
	w.wantRollout(fleet.RolloutPromoting)
	in := w.newest(2)
	w.hosts[in.Host].restarts = map[string]int{in.ID: 1}
	w.pass(time.Second)
	w.wantRollout(fleet.RolloutRollingBack)
	w.pass(30 * time.Second)
	w.wantRollout(fleet.RolloutRolledBack)
	w.wantTraffic("v1 100% by 4")
}

func TestAFailureThatPausesCanBeRetriedOrAborted(t *testing.T) {
	for _, do := range []string{fleet.DoRetry, fleet.DoAbort} {
		spec := canary(25)
		spec.OnFailure = fleet.OnFailurePause
		w := upgrading(t, spec)
		w.version(2, spec)
		w.pass(6 * time.Second)
		in := w.newest(2)
		w.hosts[in.Host].restarts = map[string]int{in.ID: 1}
		w.pass(3 * time.Second)
		if r := w.wantRollout(fleet.RolloutPaused); r.PauseReason != fleet.PauseFailure {
			t.Fatalf("paused: %s", r.PauseReason)
		}
		w.wantTraffic("v1 75% by 4, v2 25% by 1")
		w.wantHeld("ended by itself")
		if reply := w.steer(fleet.DoPromote); reply.Err == nil {
			t.Error("what failed is promoted")
		}
		w.steer(do)
		w.pass(time.Minute)
		want := map[string]string{fleet.DoRetry: fleet.RolloutSucceeded, fleet.DoAbort: fleet.RolloutRolledBack}[do]
		w.wantRollout(want)
	}
}

func TestPausedItStaysAsItIs(t *testing.T) {
	for name, spec := range map[string]*fleet.RolloutSpec{"rolling": {Delay: fleet.Duration(3 * time.Second)}, "without a pause": {}, "canary": canary(25, 50)} {
		t.Run(name, func(t *testing.T) {
			spec.ProgressWithin = fleet.Duration(time.Minute)
			w := upgrading(t, spec)
			w.version(2, spec)
			w.pass(2 * time.Second)
			if spec.Delay+spec.Verify.Interval > 0 {
				w.pass(4 * time.Second)
			}
			w.steer(fleet.DoPause)
			w.pass(10 * time.Second)
			is, known := w.traffic(), len(w.s.Instances)
			w.pass(2 * time.Minute)
			w.wantTraffic(is)
			if len(w.s.Instances) != known {
				t.Errorf("%d instances, were %d", len(w.s.Instances), known)
			}
			w.wantHeld("paused by ann")
			w.steer(fleet.DoResume)
			w.pass(time.Minute)
			w.wantRollout(fleet.RolloutSucceeded)
		})
	}
}

// What comes while another rollout is under way takes its place, and comes from
// where that came from.
func TestANewerVersionSupersedes(t *testing.T) {
	w := upgrading(t, canary(25))
	w.version(2, canary(25))
	w.pass(6 * time.Second)
	w.version(3, canary(50))
	w.pass(9 * time.Second)
	if r := w.wantRollout(fleet.RolloutProgressing); r.From != 1 || r.To != 3 {
		t.Fatalf("from %d to %d", r.From, r.To)
	}
	w.wantTraffic("v1 50% by 4, v3 50% by 2")
	w.steer(fleet.DoAbort)
	w.pass(10 * time.Second)
	w.wantTraffic("v1 100% by 4")
	w.wantRollout(fleet.RolloutRolledBack)
}

// Another count in the middle is both sides'.
func TestScaledInTheMiddle(t *testing.T) {
	for _, count := range []int{2, 8} {
		w := upgrading(t, canary(25))
		w.version(2, canary(25))
		w.pass(6 * time.Second)
		w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: count})
		w.pass(4 * time.Second)
		w.wantTraffic(fmt.Sprintf("v1 75%% by %d, v2 25%% by %d", count, max(1, count/4)))
		w.pass(time.Minute)
		w.wantTraffic(fmt.Sprintf("v2 100%% by %d", count))
	}
}

// With a balancer's agent gone nothing goes on, and it does when it is back.
func TestASilentBalancerHoldsARollout(t *testing.T) {
	w := upgrading(t, canary(25, 50))
	w.version(2, canary(25, 50))
	w.pass(6 * time.Second)
	w.hosts["web1"].cut = true
	w.pass(25 * time.Second)
	r := w.wantRollout(fleet.RolloutPaused)
	w.pass(11 * time.Minute)
	if now := w.wantRollout(fleet.RolloutPaused); now.PauseReason != fleet.PauseBalancer || now.Step != r.Step {
		t.Fatalf("paused: %s at %d", now.PauseReason, now.Step)
	}
	w.hosts["web1"].cut = false
	w.pass(time.Minute)
	w.wantRollout(fleet.RolloutSucceeded)
}

// A hub that starts in the middle goes on where it was, and what it didn't see
// doesn't count.
func TestARestartedHubGoesOnWithARollout(t *testing.T) {
	w := upgrading(t, canary(25, 50))
	w.version(2, canary(25, 50))
	w.pass(6 * time.Second)
	w.now = w.now.Add(time.Hour)
	w.restart()
	w.pass(8 * time.Second)
	w.wantTraffic("v1 75% by 4, v2 25% by 1")
	w.pass(9 * time.Second)
	w.wantTraffic("v1 50% by 4, v2 50% by 2")
}

func TestOrdersNameTheRolloutTheySaw(t *testing.T) {
	w := upgrading(t, canary(25))
	w.version(2, canary(25))
	w.pass(6 * time.Second)
	reply := w.order(fleet.Command{Do: fleet.DoAbort, Service: web, Rollout: w.rollout().ID - 1})
	if err := reply.Err; err == nil || !strings.Contains(err.Error(), "somebody changed it") {
		t.Fatalf("refused with %v", err)
	}
	w.wantRollout(fleet.RolloutProgressing)
	for range 2 { // an abort in the middle of an abort is the same abort
		if reply := w.steer(fleet.DoAbort); reply.Err != nil {
			t.Fatal(reply.Err)
		}
	}
	w.pass(20 * time.Second)
	w.wantRollout(fleet.RolloutRolledBack)
}

// A host that is drained while a rollout stands still is empty before it goes on.
func TestAHostIsDrainedWhileARolloutStandsStill(t *testing.T) {
	for name, spec := range map[string]*fleet.RolloutSpec{"rolling": {Delay: fleet.Duration(3 * time.Second)}, "canary": canary(50)} {
		t.Run(name, func(t *testing.T) {
			w := upgrading(t, spec)
			w.version(2, spec)
			w.pass(6 * time.Second)
			w.steer(fleet.DoPause)
			w.pass(10 * time.Second)
			is := w.traffic()
			w.order(fleet.Command{Do: fleet.DoHostDrain, Host: "web3"})
			w.pass(30 * time.Second)
			for _, in := range w.s.Instances {
				if in.Host == "web3" {
					t.Errorf("%s stays", in)
				}
			}
			w.wantTraffic(is)
			w.steer(fleet.DoResume)
			w.pass(time.Minute)
			w.wantRollout(fleet.RolloutSucceeded)
		})
	}
}

// Instances of a version that was superseded don't stand in for those of the one
// that a rollout comes from, and gets back to.
func TestWhatIsSupersededStandsInForNobody(t *testing.T) {
	w := upgrading(t, canary(50))
	w.version(2, canary(50))
	w.pass(8 * time.Second)
	w.wantTraffic("v1 50% by 4, v2 50% by 2")
	w.order(fleet.Command{Do: fleet.DoHostDrain, Host: w.newest(1).Host})
	w.folded = func() {
		n := 0
		for _, in := range w.s.Instances {
			if in.Version == 1 && in.Goal == fleet.GoalRun {
				n++
			}
		}
		if n < 4 {
			t.Fatalf("%d of 4 are left", n)
		}
	}
	w.version(3, canary(50))
	w.pass(8 * time.Second)
	w.wantTraffic("v1 50% by 4, v3 50% by 2")
}

// Nor does one that can't leave, as its host is frozen.
func TestWhatIsFrozenStandsInForNobody(t *testing.T) {
	spec := &fleet.RolloutSpec{Strategy: fleet.StrategyBlueGreen, Manual: true}
	w := upgrading(t, spec)
	w.order(fleet.Command{Do: fleet.DoFreeze, Host: w.newest(1).Host})
	w.version(2, spec)
	w.pass(10 * time.Second)
	w.order(fleet.Command{Do: fleet.DoPromote, Service: web, Fully: true})
	w.pass(15 * time.Second)
	w.wantRollout(fleet.RolloutSucceeded)
	w.folded = func() {
		n := 0
		for _, in := range w.s.Instances {
			if in.Version == 2 && in.Goal == fleet.GoalRun {
				n++
			}
		}
		if n < 4 {
			t.Fatalf("%d of 4 are left", n)
		}
	}
	w.version(3, spec)
	w.pass(10 * time.Second)
}

// A rollout that lacks what this hub knows of is taken as if that were not stated.
func TestARolloutOfAnotherStoreGoesOn(t *testing.T) {
	w := upgrading(t, canary(25, 50))
	w.version(2, canary(25, 50))
	w.pass(6 * time.Second)
	r := w.s.Services[web].Rollout
	r.Spec, r.Step = fleet.RolloutSpec{Strategy: fleet.StrategyCanary}, 9
	raw, err := json.Marshal(map[string]any{"v": 1, "record": w.s.Services[web]})
	if err != nil {
		t.Fatal(err)
	}
	row := w.stored["services shop/web"]
	row.Value = raw
	w.stored["services shop/web"] = row
	w.restart()
	w.pass(2 * time.Minute)
	w.wantRollout(fleet.RolloutSucceeded)
}
