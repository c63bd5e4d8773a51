package turn

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// until lets time pass until the rollout is in a state.
func (w *world) until(state string) {
	w.t.Helper()
	for range 120 {
		if w.pass(time.Second); w.rollout().State == state {
			return
		}
	}
	w.wantRollout(state)
}

// of are the instances of a version that aren't to leave.
func (w *world) of(version int) (n int) {
	for _, in := range w.s.Instances {
		if in.Version == version && in.Goal == fleet.GoalRun {
			n++
		}
	}
	return n
}

// Even when the new version has all traffic, the way back is one write: the old
// instances are all there, and none of them is let go for one that serves.
func TestTheWayBackFromAllIsOneWrite(t *testing.T) {
	for name, spec := range map[string]*fleet.RolloutSpec{"blue-green": {Strategy: fleet.StrategyBlueGreen}, "canary": canary(25)} {
		for _, how := range []string{"abort", "crash"} {
			t.Run(name+" "+how, func(t *testing.T) {
				w := upgrading(t, spec)
				w.version(2, spec)
				w.until(fleet.RolloutPromoting)
				w.pass(4 * time.Second)
				w.wantTraffic("v2 100% by 4")
				if how == "abort" {
					w.steer(fleet.DoAbort)
				} else {
					in := w.newest(2)
					w.hosts[in.Host].restarts = map[string]int{in.ID: 1}
				}
				w.pass(time.Second)
				w.wantTraffic("v1 100% by 4")
				for range 20 {
					if w.of(1) != 4 {
						t.Fatalf("%d of the old version stay", w.of(1))
					}
					w.pass(time.Second)
				}
				w.wantRollout(fleet.RolloutRolledBack)
			})
		}
	}
}

// A version that goes back, or that another took the place of, isn't given more
// because an instance of the old one isn't ready for a moment.
func TestNobodyStandsInForTheOldVersion(t *testing.T) {
	off := true
	for name, spec := range map[string]*fleet.RolloutSpec{
		"canary":  canary(5),
		"preview": {Strategy: fleet.StrategyBlueGreen, Manual: true, Verify: fleet.Verify{Off: &off}},
	} {
		t.Run(name, func(t *testing.T) {
			w := upgrading(t, spec)
			w.version(2, spec)
			w.pass(7 * time.Second)
			old := w.newest(1)
			w.hosts[old.Host].unready = map[string]bool{old.ID: true}
			w.pass(2 * time.Second)
			w.steer(fleet.DoAbort)
			for range 20 {
				w.pass(time.Second)
				w.wantTraffic("v1 100% by 3")
			}
		})
	}
	w := upgrading(t, canary(5))
	w.version(2, canary(5))
	w.pass(7 * time.Second)
	for _, h := range w.hosts {
		h.lacks = map[string]string{"shop/web@3": "no such image"}
	}
	old := w.newest(1)
	w.hosts[old.Host].unready = map[string]bool{old.ID: true}
	w.pass(time.Second)
	w.version(3, canary(5))
	w.pass(3 * time.Second)
	w.wantTraffic("v1 100% by 3")
}

// What is kept has no traffic for as long as it is there, though it may not leave.
func TestWhatIsKeptTooLongHasNoTraffic(t *testing.T) {
	for name, freeze := range map[string]fleet.Command{"service": {Do: fleet.DoFreeze, Service: web}, "host": {Do: fleet.DoFreeze, Host: "web2"}} {
		t.Run(name, func(t *testing.T) {
			w := upgrading(t, canary(25))
			w.version(2, canary(25))
			w.until(fleet.RolloutSucceeded)
			w.order(freeze)
			w.pass(2 * time.Minute)
			w.wantTraffic("v2 100% by 4")
		})
	}
}

// A judge that condemned the new version has no say about the way back from it.
func TestAWayBackIsntJudged(t *testing.T) {
	off := true
	spec := &fleet.RolloutSpec{Strategy: fleet.StrategyBlueGreen, Verify: fleet.Verify{Off: &off}}
	spec.Verify.Judges = []fleet.Judge{{HTTP: "http://judge.example/"}}
	w := upgrading(t, spec)
	w.version(2, spec)
	w.asking(40, func(JudgeAsk) string { return JudgeContinue })
	w.wantRollout(fleet.RolloutSucceeded)
	w.order(fleet.Command{Do: fleet.DoRollback, Service: web})
	if asked := w.asking(30, func(JudgeAsk) string { return JudgeBack }); asked > 0 {
		t.Errorf("asked %d times", asked)
	}
	w.wantRollout(fleet.RolloutSucceeded)
	w.wantTraffic("v1 100% by 4")
}

// asking lets seconds pass in which judges answer at once, and returns how often
// they were asked.
func (w *world) asking(seconds int, verdict func(JudgeAsk) string) (asked int) {
	for range seconds {
		w.now = w.now.Add(time.Second)
		inputs := []Input{Tick{}}
		for _, id := range sorted(w.hosts, byText) {
			inputs = append(inputs, w.report(w.hosts[id])...)
		}
		for _, ask := range w.step(inputs...).Judge {
			asked++
			w.step(ask.Answer(verdict(ask), "a test"))
		}
	}
	return asked
}

// How it goes back may differ from how it goes on, whoever asks for that.
func TestTheWayBackHasItsOwnPace(t *testing.T) {
	for name, back := range map[string]func(w *world){
		"a crash":    func(w *world) { in := w.newest(2); w.hosts[in.Host].restarts = map[string]int{in.ID: 1} },
		"a rollback": func(w *world) { w.pass(20 * time.Second); w.order(fleet.Command{Do: fleet.DoRollback, Service: web}) },
	} {
		t.Run(name, func(t *testing.T) {
			spec := &fleet.RolloutSpec{Batch: 1, Rollback: &fleet.Pace{Batch: 4}}
			w := upgrading(t, spec)
			w.version(2, spec)
			w.until(fleet.RolloutPromoting)
			back(w)
			w.pass(time.Second)
			if n := w.of(1); n != 4 {
				t.Errorf("%d come at once", n)
			}
			w.pass(time.Minute)
			w.wantTraffic("v1 100% by 4")
		})
	}
}
