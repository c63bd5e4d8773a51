package sequence

import (
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// fake is a HAProxy in virtual time: it does what actions say and nothing
// else, and it refuses what HAProxy refuses.
type fake struct {
	t       failer
	now     time.Time
	up      bool
	next    int
	current *fakeWorker
	old     []*fakeWorker
	healthy map[string]bool // by instance
	memory  Memory
	log     []string
	reloads int
	deaf    bool // commands to the worker fail
	broken  bool // no new worker starts
	global  lbconf.Global
}

type fakeWorker struct {
	id        Worker
	structure string
	servers   map[ServerKey]*Server
	listeners map[int]int // targets
	sessions  map[fleet.ServiceKey]int
	mute      bool
}

// failer is the part of *testing.T and *rapid.T that is used here.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newFake(t failer) *fake {
	return &fake{t: t, now: time.Unix(1e9, 0), healthy: map[string]bool{}}
}

func (f *fake) structure(pools []fleet.Pool) string {
	return lbconf.Structure(lbconf.Input{Global: f.global, Pools: pools})
}

// restart is a new agent, perhaps with other settings.
func (f *fake) restart() {
	f.memory = Memory{Filed: f.memory.Filed, Structure: f.structure(f.memory.Filed)}
}

func (f *fake) spawn() {
	f.next++
	w := &fakeWorker{id: Worker{PID: f.next, Started: uint64(f.next)}, structure: f.memory.Structure,
		servers: map[ServerKey]*Server{}, listeners: map[int]int{}, sessions: map[fleet.ServiceKey]int{}}
	for _, pool := range f.memory.Filed {
		if pool.Removed {
			continue
		}
		for _, r := range pool.Routes {
			for _, port := range r.Listen {
				w.listeners[port] = r.Target
			}
			for _, e := range pool.Endpoints {
				if !lbconf.OnRoute(e, r) {
					continue
				}
				key := ServerKey{pool.Service, r.Target, e.Instance}
				s := &Server{ServerKey: key, Address: lbconf.ServerAddress(e, r.Target), State: StateReady, Weight: e.Weight, Check: fleet.CheckUnknown}
				switch e.State {
				case fleet.EndpointDraining, fleet.EndpointParked:
					s.State, s.Weight = StateDrain, 0
					if r.Sticky {
						s.State = StateMaint
					}
				case fleet.EndpointPreparing:
					s.State = StateMaint
				}
				w.servers[key] = s
			}
		}
	}
	f.current, f.up = w, true
}

func (f *fake) crash() { f.up, f.current, f.old = false, nil, nil }

// observe lets time pass and reads everything.
func (f *fake) observe() Observed {
	if !f.up {
		return Observed{}
	}
	seen := Observed{Up: true, Structure: f.current.structure, Current: f.current.id}
	for _, s := range f.current.servers {
		seen.Servers = append(seen.Servers, *s)
	}
	for _, w := range f.old {
		o := OldWorker{Worker: w.id, Readable: !w.mute}
		if !w.mute {
			o.Sessions, o.Servers = w.sessions, map[ServerKey]int{}
			for key, s := range w.servers {
				o.Servers[key] = s.Connections
			}
		}
		seen.Old = append(seen.Old, o)
	}
	return seen
}

func (f *fake) turn(want []fleet.Pool) Turn {
	f.t.Helper()
	turn := Next(want, f.observe(), f.memory, f.now)
	f.memory = turn.Memory
	for _, action := range turn.Actions {
		f.log = append(f.log, action.String())
		f.do(action)
	}
	return turn
}

func (f *fake) do(a Action) {
	f.t.Helper()
	switch a.Kind {
	case Write, Reload, Start:
		if _, err := lbconf.HAProxy(lbconf.Input{Global: lbconf.Global{Name: "x", RuntimeSocket: "/x"}, Pools: a.Pools}); err != nil {
			f.t.Fatalf("%s: %v", a, err)
		}
		if f.broken && a.Kind == Reload {
			f.memory.Stale, f.memory.Unloaded = true, f.memory.Unloaded.Again("no", f.now)
			return
		}
		f.memory.Filed, f.memory.Structure, f.memory.Stale = a.Pools, f.structure(a.Pools), false
		if a.Kind == Reload {
			f.reloads++
			f.old = append(f.old, f.current)
		}
		if a.Kind != Write {
			f.spawn()
		}
		return
	}
	if f.deaf {
		return
	}
	if a.Kind == AddServer {
		if f.current.servers[a.Server] != nil {
			f.t.Fatalf("%s: it is there", a)
		}
		f.current.servers[a.Server] = &Server{ServerKey: a.Server, Address: lbconf.ServerAddress(a.Endpoint, a.Route.Target),
			State: StateMaint, Weight: a.Endpoint.Weight, Check: fleet.CheckUnknown}
		return
	}
	s := f.current.servers[a.Server]
	if s == nil {
		f.t.Fatalf("%s: no such server", a)
	}
	switch a.Kind {
	case SetState:
		if s.State == StateMaint || a.State == StateMaint {
			s.Check = fleet.CheckUnknown
		}
		s.State = a.State
	case SetWeight:
		s.Weight = a.Weight
	case SetAddress:
		s.Address = a.Address
	case DelServer:
		if s.State != StateMaint || s.Connections > 0 {
			f.t.Fatalf("%s: refused", a)
		}
		delete(f.current.servers, a.Server)
	}
}

// pass lets time pass: checks run.
func (f *fake) pass(d time.Duration) {
	f.now = f.now.Add(d)
	if !f.up {
		return
	}
	for _, s := range f.current.servers {
		switch {
		case s.State == StateMaint:
		case f.healthy[s.Instance]:
			s.Check = fleet.CheckPassing
		default:
			s.Check = fleet.CheckFailing
		}
	}
}

// settle takes turns until nothing is left to do at once.
func (f *fake) settle(want []fleet.Pool) Turn {
	f.t.Helper()
	for range 20 {
		if turn := f.turn(want); len(turn.Actions) == 0 {
			return turn
		}
	}
	f.t.Fatalf("no end of actions: %v", f.log[max(0, len(f.log)-10):])
	return Turn{}
}

// run settles, lets checks run and settles again.
func (f *fake) run(want []fleet.Pool) Turn {
	f.t.Helper()
	f.settle(want)
	f.pass(time.Second)
	return f.settle(want)
}

func (f *fake) server(key fleet.ServiceKey, instance string) *Server {
	f.t.Helper()
	s := f.current.servers[ServerKey{key, 80, instance}]
	if s == nil {
		f.t.Fatalf("no server %s", instance)
	}
	return s
}

var webKey = fleet.ServiceKey{Project: "shop", Name: "web"}

func pool(generation uint64, endpoints ...fleet.Endpoint) fleet.Pool {
	return fleet.Pool{Service: webKey, Generation: generation, Endpoints: endpoints,
		Routes: []fleet.Route{{Target: 80, Listen: []int{8080}, Protocol: fleet.ProtocolHTTP}}}
}

func endpoint(instance, state string) fleet.Endpoint {
	return fleet.Endpoint{Instance: instance, Version: 1, Address: "10.0.0.1", Ports: map[int]int{80: 1000 + int(instance[0])}, Weight: 128, State: state}
}

func ready(instance string) fleet.Endpoint     { return endpoint(instance, fleet.EndpointReady) }
func draining(instance string) fleet.Endpoint  { return endpoint(instance, fleet.EndpointDraining) }
func preparing(instance string) fleet.Endpoint { return endpoint(instance, fleet.EndpointPreparing) }

func reported(turn Turn, key fleet.ServiceKey) fleet.PoolActual {
	i := slices.IndexFunc(turn.Report, func(p fleet.PoolActual) bool { return p.Service == key })
	if i < 0 {
		return fleet.PoolActual{}
	}
	return turn.Report[i]
}

func reportedEndpoint(turn Turn, instance string) (fleet.EndpointActual, bool) {
	pool := reported(turn, webKey)
	i := slices.IndexFunc(pool.Endpoints, func(e fleet.EndpointActual) bool { return e.Instance == instance })
	if i < 0 {
		return fleet.EndpointActual{}, false
	}
	return pool.Endpoints[i], true
}
