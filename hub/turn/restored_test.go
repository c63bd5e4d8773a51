package turn

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// put exchanges the hub for one with these records, as restoring does: of the
// same lineage, with revisions and an epoch that nobody has seen.
func (w *world) put(stored map[string]Row) {
	w.t.Helper()
	before := w.s
	w.s = New(before.Lineage, before.Epoch+1, before.Revision+1000, w.now, DefaultOptions())
	w.s.Restored = w.s.Revision
	w.stored = maps.Clone(stored)
	for _, name := range sorted(stored, byText) {
		if row := stored[name]; row.Value != nil {
			if err := w.s.Load(row.Table, row.Key, row.Value); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	for _, p := range Boot(w.s) {
		w.deliver(p)
	}
}

// running are the instances that hosts have, whoever asks for them.
func (w *world) running() string {
	all := map[string]bool{}
	for _, h := range w.hosts {
		for _, as := range h.desired.Instances {
			all[as.ID] = true
		}
		for id := range h.extra {
			all[id] = true
		}
		for id := range h.stopped {
			delete(all, id)
		}
	}
	return strings.Join(sorted(all, byText), " ")
}

func (w *world) known() string { return strings.Join(sorted(w.s.Instances, byText), " ") }

func (w *world) stops() (n int) {
	for _, h := range w.hosts {
		n += len(h.stopped)
	}
	return n
}

// grown is a fleet whose service was replaced and grew since the backup.
func grown(t *testing.T) (w *world, backup map[string]Row) {
	w = newWorld(t, "web1", "web2", "web3").withBalancer("web1")
	for _, h := range w.hosts {
		h.facts.Features = append(slices.Clone(h.facts.Features), fleet.FeaturePrepare)
	}
	w.join()
	w.apply(webService(2, "web:1"))
	w.pass(5 * time.Second)
	backup = maps.Clone(w.stored)
	w.apply(webService(3, "web:2"))
	w.pass(30 * time.Second)
	w.wantState(fleet.ServiceConverged)
	return w, backup
}

func TestARestoredHubKeepsWhatRuns(t *testing.T) {
	for name, how := range map[string]*fleet.RolloutSpec{"rolling": nil, "canary": canary(30), "recreate": {Strategy: fleet.StrategyRecreate}} {
		t.Run(name, func(t *testing.T) { restoredKeepsWhatRuns(t, how) })
	}
}

func restoredKeepsWhatRuns(t *testing.T, how *fleet.RolloutSpec) {
	w, backup := grown(t)
	running, stops := w.running(), w.stops()
	w.put(backup)
	w.pass(time.Minute)
	if w.known() != running || w.running() != running || w.stops() != stops {
		t.Fatalf("known are %s, running %s; were %s", w.known(), w.running(), running)
	}
	if v := w.wantState(fleet.ServiceFrozen); v.Ready != 3 {
		t.Errorf("%d are ready", v.Ready)
	}
	pool := w.hosts["web1"].pools[web]
	for _, e := range pool.Endpoints {
		if e.State != fleet.EndpointReady {
			t.Errorf("endpoint %+v", e)
		}
	}
	if len(pool.Endpoints) != 3 {
		t.Errorf("%d endpoints", len(pool.Endpoints))
	}

	today := webService(3, "web:2")
	today.Rollout = how
	reply := w.apply(today)
	if change := reply.Result.Plan.Services[0]; change.Replaces != 0 || change.Version != 2 {
		t.Errorf("the file of today: %+v", change)
	}
	w.order(fleet.Command{Do: fleet.DoUnfreeze, Service: web})
	w.pass(30 * time.Second)
	w.wantState(fleet.ServiceConverged)
	if w.running() != running || w.stops() != stops {
		t.Errorf("running are %s, were %s", w.running(), running)
	}
}

// A global service has no count that could be exceeded, but each host has one.
// A rollout that went further since the backup isn't taken back to where it was.
func TestARestoredHubKeepsWhatARolloutHasBrought(t *testing.T) {
	for name, spec := range map[string]*fleet.RolloutSpec{"rolling": nil, "canary": canary(25)} {
		t.Run(name, func(t *testing.T) {
			w := upgrading(t, spec)
			w.hosts["web3"].lacks = map[string]string{"shop/web@2": "no such image web:2"}
			w.version(2, spec)
			w.pass(3 * time.Second)
			w.wantRollout(fleet.RolloutPreparing)
			backup := maps.Clone(w.stored)
			w.hosts["web3"].lacks = nil
			for w.rollout().State != fleet.RolloutSucceeded {
				w.pass(time.Second)
			}
			w.pass(2 * time.Minute)
			running, stops := w.running(), w.stops()
			w.put(backup)
			w.pass(time.Minute)
			if w.known() != running || w.running() != running || w.stops() != stops {
				t.Fatalf("known are %s, running %s; were %s", w.known(), w.running(), running)
			}
			if v := w.wantState(fleet.ServiceFrozen); v.Ready != 4 {
				t.Errorf("%d are ready", v.Ready)
			}
			w.order(fleet.Command{Do: fleet.DoUnfreeze, Service: web})
			w.pass(2 * time.Minute)
			w.wantRollout(fleet.RolloutSucceeded)
		})
	}
}

func TestARestoredHubKeepsWhatRunsOfAGlobalService(t *testing.T) {
	for name, since := range map[string]fleet.Command{
		"a host is between two instances": {Do: fleet.DoRestart, Service: web},
		"a host was drained then":         {Do: fleet.DoHostActivate, Host: "web3"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "web1", "web2", "web3").join()
			w.order(fleet.Command{Do: fleet.DoHostDrain, Host: "web3"})
			s := webService(0, "web:1")
			s.Mode, s.Balancing, s.CountStated = fleet.ModeGlobal, nil, false
			w.apply(s)
			w.pass(5 * time.Second)
			backup := maps.Clone(w.stored)
			w.order(since)
			running, stops := w.running(), w.stops()
			w.put(backup)
			w.pass(time.Minute)
			if len(strings.Fields(running)) != 3 || w.known() != running || w.running() != running || w.stops() != stops {
				t.Errorf("known are %s, running %s; were %s", w.known(), w.running(), running)
			}
			w.wantState(fleet.ServiceFrozen)
			w.order(fleet.Command{Do: fleet.DoUnfreeze, Service: web})
			w.pass(30 * time.Second)
			if v := w.wantState(fleet.ServiceConverged); v.Ready != 2 {
				t.Errorf("%d are ready", v.Ready)
			}
		})
	}
}

// What was placed on a host since the backup stays there, though the backup has
// that host drained.
func TestARestoredHubKeepsWhatRunsOnAHostThatWasDrainedThen(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.order(fleet.Command{Do: fleet.DoHostDrain, Host: "web2"})
	w.apply(webService(1, "web:1"))
	w.pass(5 * time.Second)
	backup := maps.Clone(w.stored)
	w.order(fleet.Command{Do: fleet.DoHostActivate, Host: "web2"})
	w.order(fleet.Command{Do: fleet.DoHostDrain, Host: "web1"})
	w.pass(time.Minute)
	running, stops := w.running(), w.stops()
	w.put(backup)
	w.pass(time.Minute)
	if w.known() != running || w.running() != running || w.stops() != stops {
		t.Errorf("known are %s, running %s; were %s", w.known(), w.running(), running)
	}
	w.wantState(fleet.ServiceFrozen)
	w.order(fleet.Command{Do: fleet.DoHostActivate, Host: "web2"})
	w.order(fleet.Command{Do: fleet.DoUnfreeze, Service: web})
	w.pass(30 * time.Second)
	if w.wantState(fleet.ServiceConverged); w.running() != running {
		t.Errorf("running are %s, were %s", w.running(), running)
	}
}

// An instance that the backup has known only before it served is in a balancer
// all the same: when it is removed at once, it leaves by the barrier.
func TestWhatABalancerWasSentSinceTheBackupLeavesThroughTheBarrier(t *testing.T) {
	for name, since := range map[string]func(edge *fakeHost){
		"its agent follows the hub":     func(*fakeHost) {},
		"its agent has lost its memory": func(edge *fakeHost) { edge.lineage, edge.epoch, edge.gen = "", 0, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "web1", "web2").withBalancer("web2").join()
			web1, edge := w.hosts["web1"], w.hosts["web2"]
			s := webService(1, "web:1")
			s.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Equal: true, Value: "web1"}}
			web1.cut = true
			w.apply(s)
			backup := maps.Clone(w.stored)
			web1.cut = false
			w.pass(10 * time.Second)
			if len(edge.pools[web].Endpoints) != 1 {
				t.Fatalf("pool %+v", edge.pools[web])
			}
			edge.drained = false
			stops := w.stops()
			since(edge)
			w.put(backup)
			w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
			w.pass(20 * time.Second)
			if w.stops() != stops {
				t.Fatal("stopped while the balancer sends to it")
			}
			if e := edge.pools[web].Endpoints; len(e) != 1 || e[0].State != fleet.EndpointDraining {
				t.Errorf("endpoints %+v", e)
			}
			edge.drained = true
			w.pass(20 * time.Second)
			if len(w.s.Services) != 0 || w.stops() != stops+1 {
				t.Errorf("it is still there, after %d stops", w.stops())
			}
		})
	}
}

func TestUnfrozenItGoesBackToTheBackup(t *testing.T) {
	w, backup := grown(t)
	running := strings.Fields(w.running())
	w.put(backup)
	w.pass(10 * time.Second)
	w.order(fleet.Command{Do: fleet.DoUnfreeze, Service: web})
	w.pass(time.Minute)
	if v := w.wantState(fleet.ServiceConverged); v.Ready != 2 || v.Version != 1 {
		t.Errorf("version %d, %d ready", v.Version, v.Ready)
	}
	for _, id := range running {
		if w.s.Instances[id] != nil {
			t.Errorf("%s is still there", id)
		}
	}
	if next := w.apply(webService(2, "web:3")).Result.Plan.Services[0].Version; next != 3 {
		t.Errorf("the next version is %d", next)
	}
}

// Nobody is told anything before every host was heard.
func TestARestoredHubListensFirst(t *testing.T) {
	w, backup := grown(t)
	late := w.hosts["web3"]
	late.cut = true
	gens, pool := map[string]uint64{}, w.hosts["web1"].pools[web].Generation
	for id, h := range w.hosts {
		gens[id] = h.gen
	}
	w.put(backup)
	w.apply(webService(2, "web:9"))
	w.pass(30 * time.Second)
	for id, h := range w.hosts {
		if h.gen != gens[id] {
			t.Errorf("%s was told generation %d", id, h.gen)
		}
	}
	if now := w.hosts["web1"].pools[web].Generation; now != pool {
		t.Errorf("web1's balancer was told the pool %d", now)
	}
	if v := w.service(); !strings.Contains(strings.Join(v.Reasons, ";"), "web3 has until") {
		t.Errorf("it doesn't say what it waits for: %v", v.Reasons)
	}
	late.cut = false
	w.pass(2 * time.Second)
	if w.hosts["web1"].gen == gens["web1"] {
		t.Error("web1 wasn't told anything although every host was heard")
	}
}

// A host that was waited for in vain once is late: the hub's next start waits for
// none, and the late one is still taken in before it is told anything.
// A hub that was restored once, and whose services are all gone, isn't a new one: it
// waits for nobody at its next start.
func TestARestoredHubWithoutServicesListensOnce(t *testing.T) {
	w, backup := grown(t)
	w.put(backup)
	w.pass(time.Minute)
	w.order(fleet.Command{Do: fleet.DoUnfreeze, Service: web})
	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	w.pass(time.Minute)
	if len(w.s.Services) > 0 {
		t.Fatalf("%d services are left", len(w.s.Services))
	}
	w.restart()
	w.apply(webService(2, "web:1"))
	w.pass(5 * time.Second)
	w.wantState(fleet.ServiceConverged)
}

func TestALateHostIsWaitedForOnce(t *testing.T) {
	w, backup := grown(t)
	late := w.hosts["web3"]
	late.cut = true
	w.put(backup)
	w.pass(90 * time.Second)
	gen, has := late.gen, len(late.desired.Instances)
	w.restart()
	w.pass(5 * time.Second)
	w.apply(webService(3, "web:2"))
	w.order(fleet.Command{Do: fleet.DoUnfreeze, Service: web})
	w.pass(2 * time.Second)
	if reasons := strings.Join(w.service().Reasons, ";"); strings.Contains(reasons, "was restored") {
		t.Errorf("web3 is waited for again: %s", reasons)
	}
	late.cut = false
	w.step(w.report(late)...)
	if known := len(w.s.byHost["web3"]); late.gen == gen || known != has {
		t.Errorf("web3 has %d instances, of which %d are known; it was told generation %d", has, known, late.gen)
	}
	w.pass(time.Minute)
	w.wantState(fleet.ServiceConverged)
}

// What was stopped since the backup isn't started again under its old id, and
// a host that comes back late is taken in before it is told anything.
func TestWhatIsGoneSinceTheBackupStaysGone(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").join()
	w.apply(webService(3, "web:1"))
	w.pass(5 * time.Second)
	backup := maps.Clone(w.stored)
	old := strings.Fields(w.running())
	w.order(fleet.Command{Do: fleet.DoRestart, Service: web})
	w.pass(time.Minute)
	late := w.hosts["web3"]
	late.cut = true
	w.put(backup)
	w.pass(40 * time.Second)
	if n := len(late.desired.Instances); n != 1 {
		t.Fatalf("web3 has %d instances", n)
	}
	w.pass(time.Minute)
	late.cut = false
	w.pass(time.Minute)
	v := w.wantState(fleet.ServiceConverged)
	if v.Ready != 3 {
		t.Errorf("%d are ready", v.Ready)
	}
	for _, id := range old {
		if w.s.Instances[id] != nil {
			t.Errorf("%s is back", id)
		}
	}
}

// rebuilt is a hub that has lost its store while three hosts run a service with
// a fixed port, and web1 something besides.
func rebuilt(t *testing.T, protocol string) (w *world, fixed, busy fleet.Service) {
	w = newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
	fixed, busy = webService(3, "web:1"), webService(1, "busy:1")
	fixed.Balancing = nil
	fixed.Spec.Publish = []fleet.Publish{{Target: 80, Protocol: protocol, HostPort: 8080}}
	busy.Key.Name, busy.Balancing, busy.Spec.Publish = "busy", nil, nil
	busy.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Equal: true, Value: "web1"}}
	w.apply(fixed)
	w.apply(fixed, busy)
	w.pass(5 * time.Second)
	w.wantState(fleet.ServiceConverged)
	w.put(map[string]Row{})
	w.pass(70 * time.Second)
	return w, fixed, busy
}

func TestAnAgentThatKnowsALaterEpochIsOutranked(t *testing.T) {
	w := newWorld(t, "web1").join()
	w.apply(webService(1, "web:1"))
	w.pass(5 * time.Second)
	w.hosts["web1"].epoch += 100
	want := w.hosts["web1"].epoch + 1
	w.pass(2 * time.Second)
	if w.s.Epoch != want || w.hosts["web1"].epoch != want {
		t.Errorf("the hub's epoch is %d, the host's %d, want %d", w.s.Epoch, w.hosts["web1"].epoch, want)
	}
	w.wantState(fleet.ServiceConverged)
	before := w.s.Epoch
	w.step(PresenceIn{Host: "web1", Presence: fleet.Presence{State: fleet.PresenceOnline, Session: "sa", Observed: fleet.Observed{Lineage: w.s.Lineage, Epoch: 1<<64 - 1}}})
	if w.s.Epoch != before {
		t.Errorf("an epoch after which none comes was believed: %d", w.s.Epoch)
	}
}

func TestAnOlderCopyOfTheStoreIsToldOnce(t *testing.T) {
	w := newWorld(t, "web1").join()
	w.hosts["web1"].gen = w.s.Revision + 50
	w.pass(3 * time.Second)
	if n := w.count(fleet.EventHubBehind); n != 1 {
		t.Errorf("told %d times", n)
	}
	for _, e := range w.events {
		if e.Type == fleet.EventHubBehind && !strings.Contains(e.Data.Message, "stop the hub, muster-hub backup FILE, muster-hub restore --force FILE") {
			t.Errorf("a way out that restore refuses: %s", e.Data.Message)
		}
	}
}

func TestAnAgentOfAnotherHubIsTold(t *testing.T) {
	w := newWorld(t, "web1", "web2").join()
	w.hosts["web1"].lineage = "other"
	w.pass(3 * time.Second)
	if n := w.count(fleet.EventHostForeign); n != 1 {
		t.Errorf("told %d times", n)
	}
	if h, _ := w.view().Host("web1"); !strings.Contains(strings.Join(h.Reasons, ";"), "muster-hub recover other") {
		t.Errorf("the way out isn't shown: %v", h.Reasons)
	}
}

func (w *world) count(kind string) (n int) {
	for _, e := range w.events {
		if e.Type == kind {
			n++
		}
	}
	return n
}
