package sequence

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// TestWhateverHappensItIsSafeAndSettles lets pools, checks, connections,
// reloads by hand, crashes and restarts of the agent happen in any order.
func TestWhateverHappensItIsSafeAndSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFake(t)
		states := []string{fleet.EndpointReady, fleet.EndpointDraining, fleet.EndpointPreparing}
		names := []string{"a", "b", "c"}
		generation, sticky := uint64(0), rapid.Bool().Draw(t, "sticky")
		var want pools
		actions := map[string]func(*rapid.T){
			"want": func(t *rapid.T) {
				generation++
				next := routed(generation, rapid.SampledFrom([][]int{{80}, {80, 91}, {91}}).Draw(t, "routes"))
				if len(next.Routes) == 1 && rapid.Bool().Draw(t, "moved") {
					next.Routes[0].Listen = []int{8080} // also that of the other target
				}
				for i := range next.Routes {
					next.Routes[i].Protocol, next.Routes[i].Sticky = fleet.ProtocolHTTP, sticky
				}
				next.DrainTimeout = rapid.SampledFrom([]fleet.Duration{0, fleet.Duration(time.Minute)}).Draw(t, "drain")
				next.Check.Path = rapid.SampledFrom([]string{"/x", "/y"}).Draw(t, "path")
				for _, name := range names {
					if state := rapid.SampledFrom(append(states, "")).Draw(t, name); state != "" {
						e := on(name, state, rapid.SampledFrom([][]int{{80}, {80, 91}, {91}, {}}).Draw(t, "ports")...)
						e.Weight = rapid.IntRange(0, 256).Draw(t, "weight") // 0 is wrong
						for target := range e.Ports {
							e.Ports[target] += rapid.IntRange(0, 1).Draw(t, "port")
						}
						next.Endpoints = append(next.Endpoints, e)
					}
				}
				want = pools{next}
			},
			"health": func(t *rapid.T) { f.healthy[rapid.SampledFrom(names).Draw(t, "who")] = rapid.Bool().Draw(t, "well") },
			"deaf":   func(t *rapid.T) { f.deaf = rapid.Bool().Draw(t, "deaf") },
			"crash":  func(*rapid.T) { f.crash() },
			"restart": func(t *rapid.T) {
				f.global.MaxConn = rapid.IntRange(0, 1).Draw(t, "settings")
				f.restart()
			},
			"reload": func(t *rapid.T) {
				if f.up && len(f.old) < 3 {
					f.current.sessions[webKey] = rapid.IntRange(0, 2).Draw(t, "sessions")
					f.old = append(f.old, f.current)
					f.spawn()
				}
			},
			"end": func(*rapid.T) {
				if len(f.old) > 0 {
					f.old = f.old[1:]
				}
			},
			"traffic": func(t *rapid.T) {
				if !f.up {
					return
				}
				for _, s := range f.current.servers {
					if s.State == StateReady || s.State == StateDrain && sticky { // who has its cookie
						s.Connections = rapid.IntRange(0, 2).Draw(t, "connections")
					} else if s.Connections > 0 {
						s.Connections--
					}
				}
			},
			"pass": func(t *rapid.T) { f.pass(time.Duration(rapid.IntRange(1, 5000).Draw(t, "ms")) * time.Millisecond) },
			"": func(t *rapid.T) { // after each of them
				before, served := f.observe(), f.served(want)
				turn := f.turn(want)
				checkPromises(t, before, turn, want)
				for port := range served {
					if now := f.served(want); f.up && !f.deaf && !now[port] {
						t.Fatalf("port %d has nobody any more: %v", port, turn.Actions)
					}
				}
			},
		}
		t.Repeat(actions)
		f.old, f.deaf = nil, false
		for _, name := range names {
			f.healthy[name] = true
		}
		for range 100 {
			if f.up {
				for _, s := range f.current.servers {
					s.Connections = 0
				}
			}
			f.turn(want)
			f.pass(time.Second)
		}
		if turn := f.turn(want); len(turn.Actions) != 0 {
			t.Fatalf("it never rests: %v", turn.Actions)
		}
		checkSettled(t, f, want)
	})
}

// served are the listeners that have somebody who passes and is to stay, at
// the address that the worker has.
func (f *fake) served(want pools) map[int]bool {
	ports := map[int]bool{}
	if !f.up {
		return ports
	}
	for _, p := range want {
		for _, r := range p.Routes {
			for _, port := range r.Listen {
				for _, e := range p.Endpoints {
					s := f.current.servers[ServerKey{p.Service, f.current.listeners[port], e.Instance}]
					if s != nil && s.State == StateReady && s.Check != fleet.CheckFailing && e.State == fleet.EndpointReady &&
						e.Weight > 0 && e.Ports[r.Target] > 0 && (s.Target != r.Target || s.Address == lbconf.ServerAddress(e, r.Target)) {
						ports[port] = true
					}
				}
			}
		}
	}
	return ports
}

// checkPromises holds a report against what was seen when it was made.
func checkPromises(t *rapid.T, seen Observed, turn Turn, want pools) {
	for _, p := range want {
		out := reported(turn, p.Service)
		for _, e := range out.Endpoints {
			if !e.Drained {
				continue
			}
			for _, s := range seen.Servers {
				if s.Instance == e.Instance && (s.State == StateReady || s.State == StateDrain && sticky(p) && wantedState(p, e.Instance) == fleet.EndpointDraining) {
					t.Fatalf("%s is drained, and takes traffic", e.Instance)
				}
			}
		}
		if out.Generation != p.Generation || !seen.Up {
			continue
		}
		for _, e := range p.Endpoints {
			present := len(expected(p, e)) == 0
			for _, s := range seen.Servers {
				present = present || s.Instance == e.Instance
				if s.Instance == e.Instance && e.State != fleet.EndpointReady && s.State == StateReady {
					t.Fatalf("generation %d is acknowledged, and %s takes traffic", p.Generation, e.Instance)
				}
			}
			if !present {
				t.Fatalf("generation %d is acknowledged without %s", p.Generation, e.Instance)
			}
		}
	}
	for _, a := range turn.Actions {
		if a.Kind == SetState && a.State == StateReady {
			for _, s := range seen.Servers {
				if s.ServerKey == a.Server && s.Check != fleet.CheckPassing {
					t.Fatalf("%s is promoted with its check %s", s.Instance, s.Check)
				}
			}
		}
	}
}

func checkSettled(t *rapid.T, f *fake, want pools) {
	if want == nil {
		return
	}
	expect := map[string]string{fleet.EndpointReady: StateReady, fleet.EndpointDraining: StateDrain, fleet.EndpointPreparing: StateMaint}
	if sticky(want[0]) {
		expect[fleet.EndpointDraining] = StateMaint
	}
	file, servers := want[0], 0
	file.Endpoints = nil
	for _, e := range want[0].Endpoints {
		targets := expected(want[0], e)
		for _, target := range targets {
			servers++
			s := f.current.servers[ServerKey{webKey, target, e.Instance}]
			if s == nil || s.State != expect[e.State] || s.Address != fmt.Sprintf("ipv4@10.0.0.1:%d", e.Ports[target]) || e.State == fleet.EndpointReady && s.Weight != e.Weight {
				t.Fatalf("%+v became %+v", e, s)
			}
		}
		if len(targets) > 0 {
			file.Endpoints = append(file.Endpoints, e)
		}
	}
	if len(f.current.servers) != servers {
		t.Fatalf("%d servers instead of %d", len(f.current.servers), servers)
	}
	if !samePools(f.memory.Filed, pools{file}) {
		t.Fatalf("the file has %+v", f.memory.Filed)
	}
	out := reported(f.turn(want), webKey)
	if out.Generation != file.Generation || len(out.Endpoints) != len(want[0].Endpoints) {
		t.Fatalf("%d endpoints at generation %d: reported %+v", len(want[0].Endpoints), file.Generation, out)
	}
	for _, e := range out.Endpoints {
		if i := slices.IndexFunc(file.Endpoints, func(in fleet.Endpoint) bool { return in.Instance == e.Instance }); i < 0 && !e.Drained {
			t.Fatalf("outside, and not drained: %+v", e)
		}
	}
}

func sticky(p fleet.Pool) bool {
	return slices.ContainsFunc(p.Routes, func(r fleet.Route) bool { return r.Sticky })
}

func wantedState(p fleet.Pool, instance string) string {
	for _, e := range p.Endpoints {
		if e.Instance == instance {
			return e.State
		}
	}
	return ""
}

// expected are the targets that a worker is to have an endpoint for.
func expected(p fleet.Pool, e fleet.Endpoint) (targets []int) {
	for _, r := range p.Routes {
		if e.Weight > 0 && e.Ports[r.Target] > 0 {
			targets = append(targets, r.Target)
		}
	}
	return targets
}
