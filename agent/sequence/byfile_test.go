package sequence

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// fileFake is a nginx in virtual time: it knows a file since its last reload, and
// workers of before go on with what they knew.
type fileFake struct {
	t       failer
	now     time.Time
	up      bool
	next    int
	current fileWorker
	old     []fileWorker
	checks  map[ServerKey]string // what the driver's checks have found
	healthy map[string]bool      // by instance
	memory  Memory
	reloads []time.Time
	broken  bool // a reload fails
	by      ByFile
}

type fileWorker struct {
	id       Worker
	file     string
	pools    []fleet.Pool
	down     []ServerKey
	sessions int
	mute     bool
}

func newFileFake(t failer) *fileFake {
	return &fileFake{t: t, now: time.Unix(1e9, 0), checks: map[ServerKey]string{}, healthy: map[string]bool{}, by: ByFile{
		Structure: fileStructure, Gather: 500 * time.Millisecond, Apart: 3 * time.Second,
	}}
}

func fileStructure(pools []fleet.Pool, down []ServerKey) string {
	var names []lbconf.ServerName
	for _, key := range down {
		names = append(names, lbconf.ServerName(key))
	}
	return lbconf.NginxStructure(lbconf.NginxInput{Global: lbconf.NginxGlobal{Name: "x", Dir: "/x"}, Pools: pools, Down: names})
}

func (f *fileFake) check(key ServerKey, _ string) string {
	if result := f.checks[key]; result != "" {
		return result
	}
	return fleet.CheckUnknown
}

func (f *fileFake) observe() Observed {
	if !f.up {
		return Observed{}
	}
	seen := Observed{Up: true, Structure: f.current.file, Current: f.current.id, Servers: Servers(f.memory.Filed, f.memory.Down, f.check)}
	for _, w := range f.old {
		o := OldWorker{Worker: w.id, Readable: !w.mute}
		if !w.mute {
			o.Sessions, o.Servers = map[fleet.ServiceKey]int{webKey: w.sessions}, map[ServerKey]int{}
			for key := range w.takers() {
				o.Servers[key] = w.sessions
			}
		}
		seen.Old = append(seen.Old, o)
	}
	return seen
}

// takers are the servers that a worker sends to.
func (w fileWorker) takers() map[ServerKey]bool {
	out := map[ServerKey]bool{}
	for _, p := range w.pools {
		for _, r := range p.Routes {
			for _, e := range p.Endpoints {
				key := ServerKey{p.Service, r.Target, e.Instance}
				if !p.Removed && e.State == fleet.EndpointReady && lbconf.OnRoute(e, r) && !slices.Contains(w.down, key) {
					out[key] = true
				}
			}
		}
	}
	return out
}

func (f *fileFake) turn(want []fleet.Pool) Turn {
	f.t.Helper()
	turn := NextByFile(want, f.observe(), f.memory, f.now, f.by)
	f.memory = turn.Memory
	for _, a := range turn.Actions {
		f.do(a)
	}
	return turn
}

func (f *fileFake) do(a Action) {
	f.t.Helper()
	var names []lbconf.ServerName
	for _, key := range a.Down {
		names = append(names, lbconf.ServerName(key))
	}
	if _, err := lbconf.Nginx(lbconf.NginxInput{Global: lbconf.NginxGlobal{Name: "x", Dir: "/x"}, Pools: a.Pools, Down: names}); err != nil {
		f.t.Fatalf("%s: %v", a, err)
	}
	structure := fileStructure(a.Pools, a.Down)
	switch a.Kind {
	case Write:
		if structure != f.current.file {
			f.t.Fatalf("it is written what nginx has to know, without a reload")
		}
	case Reload:
		f.reloads = append(f.reloads, f.now)
		if f.broken {
			f.memory.Stale, f.memory.Failed = true, structure
			f.memory.Unloaded = f.memory.Unloaded.Again("no", f.now)
			return
		}
		f.old = append(f.old, f.current)
	case Start:
		f.old = nil
	default:
		f.t.Fatalf("%s is nothing for nginx", a)
	}
	f.memory.Filed, f.memory.Down, f.memory.Structure, f.memory.Stale = a.Pools, a.Down, structure, false
	if a.Kind != Write {
		f.next++
		f.up, f.current = true, fileWorker{id: Worker{PID: f.next, Started: uint64(f.next)}}
	}
	f.current.file, f.current.pools, f.current.down = structure, a.Pools, a.Down
}

// pass lets time pass: the driver checks whom it knows.
func (f *fileFake) pass(d time.Duration, want []fleet.Pool) {
	f.now = f.now.Add(d)
	known := map[ServerKey]string{}
	for _, pools := range [][]fleet.Pool{f.memory.Filed, want} {
		for _, p := range pools {
			for _, r := range p.Routes {
				for _, e := range p.Endpoints {
					if lbconf.OnRoute(e, r) && e.State != fleet.EndpointPreparing {
						known[ServerKey{p.Service, r.Target, e.Instance}] = fleet.CheckFailing
						if f.healthy[e.Instance] {
							known[ServerKey{p.Service, r.Target, e.Instance}] = fleet.CheckPassing
						}
					}
				}
			}
		}
	}
	f.checks = known
}

func (f *fileFake) run(want []fleet.Pool) Turn {
	f.t.Helper()
	var turn Turn
	for range 8 {
		turn = f.turn(want)
		f.pass(time.Second, want)
	}
	return turn
}

func (f *fileFake) sends(instance string) bool {
	return f.up && f.current.takers()[ServerKey{webKey, 80, instance}]
}

func TestByFileOneReloadMovesTraffic(t *testing.T) {
	f := newFileFake(t)
	f.healthy["a"], f.healthy["b"] = true, true
	f.run([]fleet.Pool{pool(1, ready("a"))})
	if !f.sends("a") {
		t.Fatal("a takes nothing")
	}
	parked := ready("a")
	parked.State = fleet.EndpointParked
	want := []fleet.Pool{pool(2, parked, ready("b"))}
	before := len(f.reloads)
	turn := f.run(want)
	if f.sends("a") || !f.sends("b") || len(f.reloads) != before+1 {
		t.Errorf("a takes traffic: %v, b does: %v, by %d reloads", f.sends("a"), f.sends("b"), len(f.reloads)-before)
	}
	if reported(turn, webKey).Generation != 2 {
		t.Errorf("%+v", reported(turn, webKey))
	}
	f.run([]fleet.Pool{pool(3, ready("b"))})
	if len(f.reloads) != before+1 {
		t.Error("nginx was reloaded for one that had no traffic")
	}
}

// What is to be parked goes on while those that are to be ready fail.
func TestByFileParkedGoesOnUntilOthersServe(t *testing.T) {
	f := newFileFake(t)
	f.healthy["a"], f.healthy["b"] = true, true
	f.run([]fleet.Pool{pool(1, ready("a"), ready("b"))})
	f.healthy["b"] = false
	f.run([]fleet.Pool{pool(1, ready("a"), ready("b"))})
	parked := ready("a")
	parked.State = fleet.EndpointParked
	want := []fleet.Pool{pool(2, parked, ready("b"))}
	if turn := f.run(want); !f.sends("a") || reported(turn, webKey).Generation == 2 {
		t.Errorf("a serves: %v; %+v", f.sends("a"), reported(turn, webKey))
	}
	f.healthy["b"] = true
	if turn := f.run(want); f.sends("a") || !f.sends("b") || reported(turn, webKey).Generation != 2 {
		t.Errorf("a serves: %v, b does: %v; %+v", f.sends("a"), f.sends("b"), reported(turn, webKey))
	}
}

func TestByFileTakesOutWhoFails(t *testing.T) {
	f := newFileFake(t)
	f.healthy["a"], f.healthy["b"] = true, true
	want := []fleet.Pool{pool(1, ready("a"), ready("b"))}
	f.run(want)
	f.healthy["a"] = false
	turn := f.run(want)
	if e, _ := reportedEndpoint(turn, "a"); f.sends("a") || e.State != fleet.EndpointReady || e.Check != fleet.CheckFailing {
		t.Errorf("a takes traffic: %v, and is reported as %+v", f.sends("a"), e)
	}
	f.memory = Memory{Filed: f.memory.Filed, Down: f.memory.Down, Structure: f.memory.Structure} // a new agent
	f.checks = map[ServerKey]string{}
	before := len(f.reloads)
	f.turn(want)
	if f.sends("a") || len(f.reloads) != before {
		t.Error("a new agent takes it in before its check")
	}
	f.healthy["a"] = true
	f.run(want)
	if !f.sends("a") {
		t.Error("it doesn't come back")
	}
}

func TestByFileReloadsAreApart(t *testing.T) {
	f := newFileFake(t)
	for i := range 20 {
		e := ready("a")
		e.Weight = i + 1
		f.healthy["a"] = true
		f.turn([]fleet.Pool{pool(uint64(i+1), e)})
		f.pass(200*time.Millisecond, []fleet.Pool{pool(uint64(i+1), e)})
	}
	for i, at := range f.reloads[1:] {
		if gap := at.Sub(f.reloads[i]); gap < f.by.Apart {
			t.Errorf("two reloads within %s", gap)
		}
	}
	if len(f.reloads) == 0 || len(f.reloads) > 3 {
		t.Errorf("%d reloads in 4 s", len(f.reloads))
	}
}

func TestByFileAFailedReloadIsTriedAgainLater(t *testing.T) {
	f := newFileFake(t)
	f.healthy["a"], f.healthy["b"] = true, true
	f.run([]fleet.Pool{pool(1, ready("a"))})
	f.broken = true
	want := []fleet.Pool{pool(2, ready("b"))}
	before := len(f.reloads)
	turn := f.run(want)
	if n := len(f.reloads) - before; n == 0 || n > 2 || !f.sends("a") {
		t.Errorf("%d tries in 8 s; a serves: %v", n, f.sends("a"))
	}
	if reported(turn, webKey).Generation != 1 {
		t.Errorf("acknowledged without being in force: %+v", reported(turn, webKey))
	}
	f.broken = false
	for range 8 {
		f.run(want)
	}
	if f.sends("a") || !f.sends("b") {
		t.Error("it isn't tried again")
	}
}

// TestByFileWhateverHappens lets pools, checks, connections, reloads that fail,
// crashes and restarts of the agent happen in any order.
func TestByFileWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFileFake(t)
		states := []string{fleet.EndpointReady, fleet.EndpointDraining, fleet.EndpointPreparing, fleet.EndpointParked, ""}
		names := []string{"a", "b", "c"}
		generation := uint64(0)
		var want pools
		t.Repeat(map[string]func(*rapid.T){
			"want": func(t *rapid.T) {
				generation++
				next := routed(generation, rapid.SampledFrom([][]int{{80}, {80, 91}, {91}}).Draw(t, "routes"))
				for _, name := range names {
					if state := rapid.SampledFrom(states).Draw(t, name); state != "" {
						e := on(name, state, rapid.SampledFrom([][]int{{80}, {80, 91}, {91}, {}}).Draw(t, "ports")...)
						e.Weight = rapid.IntRange(0, 256).Draw(t, "weight") // 0 is wrong
						next.Endpoints = append(next.Endpoints, e)
					}
				}
				want = pools{next}
			},
			"health": func(t *rapid.T) { f.healthy[rapid.SampledFrom(names).Draw(t, "who")] = rapid.Bool().Draw(t, "well") },
			"broken": func(t *rapid.T) { f.broken = rapid.Bool().Draw(t, "broken") },
			"crash":  func(*rapid.T) { f.up, f.old = false, nil },
			"restart": func(*rapid.T) {
				f.memory, f.checks = Memory{Filed: f.memory.Filed, Down: f.memory.Down, Structure: f.memory.Structure}, map[ServerKey]string{}
			},
			"sessions": func(t *rapid.T) {
				for i := range f.old {
					f.old[i].sessions, f.old[i].mute = rapid.IntRange(0, 2).Draw(t, "sessions"), rapid.Bool().Draw(t, "mute")
				}
			},
			"end": func(*rapid.T) {
				if len(f.old) > 0 {
					f.old = f.old[1:]
				}
			},
			"pass": func(t *rapid.T) { f.pass(time.Duration(rapid.IntRange(1, 5000).Draw(t, "ms"))*time.Millisecond, want) },
			"": func(t *rapid.T) { // after each of them
				before, running := f.observe(), f.current
				turn := f.turn(want)
				f.promises(t, before, running, turn, want)
			},
		})
		f.old, f.broken = nil, false
		for _, name := range names {
			f.healthy[name] = true
		}
		for range 150 {
			f.turn(want)
			f.old = nil
			f.pass(time.Second, want)
		}
		if turn := f.turn(want); len(turn.Actions) != 0 {
			t.Fatalf("it never rests: %v", turn.Actions)
		}
		f.settled(t, want)
	})
}

// promises holds a report against what nginx knew when it was made.
func (f *fileFake) promises(t *rapid.T, seen Observed, running fileWorker, turn Turn, want pools) {
	for _, p := range want {
		out := reported(turn, p.Service)
		for _, e := range out.Endpoints {
			for key := range running.takers() {
				if seen.Up && e.Drained && key.Instance == e.Instance {
					t.Fatalf("%s is drained, and takes traffic", e.Instance)
				}
			}
		}
		if out.Generation != p.Generation || !seen.Up {
			continue
		}
		for _, e := range p.Endpoints {
			for key := range running.takers() {
				if key.Instance == e.Instance && e.State != fleet.EndpointReady {
					t.Fatalf("generation %d is acknowledged, and %s takes traffic", p.Generation, e.Instance)
				}
			}
		}
	}
	for key := range f.current.takers() { // nobody gets in unproven
		if !reflect.DeepEqual(f.current.id, running.id) && !running.takers()[key] && seen.Up && f.check(key, "") != fleet.CheckPassing && !f.trustedBefore(running, key) {
			t.Fatalf("%v takes traffic with its check %s", key, f.check(key, ""))
		}
	}
}

// trustedBefore says whether an instance had traffic on another route.
func (f *fileFake) trustedBefore(running fileWorker, key ServerKey) bool {
	for other := range running.takers() {
		if other.Instance == key.Instance {
			return true
		}
	}
	return false
}

func (f *fileFake) settled(t *rapid.T, want pools) {
	if want == nil {
		return
	}
	serving := false
	for _, e := range want[0].Endpoints {
		serving = serving || e.State == fleet.EndpointReady && len(expected(want[0], e)) > 0
	}
	for _, e := range want[0].Endpoints {
		for _, target := range expected(want[0], e) {
			takes := f.current.takers()[ServerKey{webKey, target, e.Instance}]
			if want := e.State == fleet.EndpointReady; takes != want && (e.State != fleet.EndpointParked || serving) {
				t.Fatalf("%+v takes traffic: %v (%s)", e, takes, fmt.Sprint(f.current.takers()))
			}
		}
	}
	out := reported(f.turn(want), webKey)
	parked := slices.ContainsFunc(want[0].Endpoints, func(e fleet.Endpoint) bool { return e.State == fleet.EndpointParked })
	if out.Generation != want[0].Generation && (serving || !parked) {
		t.Fatalf("reported %+v, want generation %d", out, want[0].Generation)
	}
}
