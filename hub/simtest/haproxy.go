package simtest

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// balancerName is the name of every host's balancer, and of its driver.
const balancerName = "haproxy"

// hardStop is when an old worker ends whatever it still does.
const hardStop = time.Minute

// haproxy is a load balancer with its file. It outlives agents.
type haproxy struct {
	sim     *Sim
	host    *host
	pid     int
	current *worker // nil: it doesn't run
	old     []*worker
	file    []fleet.Pool
}

// worker is one process that carries traffic.
type worker struct {
	haproxy   *haproxy
	id        sequence.Worker
	structure string
	pools     []fleet.Pool // the listeners and checks that it was started with
	servers   []*server
	sessions  map[fleet.ServiceKey]int // clients' connections
	retired   bool                     // a newer one has taken its place
	ended     bool
	turn      int // whose turn it is, going round
}

// server is an endpoint on a route, as a worker has it.
type server struct {
	sequence.ServerKey
	worker  *worker
	address string
	state   string
	weight  int
	check   fleet.Check
	health  string // outcome of the check; "": none in this state yet
	falls   int
	// healthSince is when health last changed.
	healthSince time.Time
	checked     bool // checks are on
	gone        bool
	open        int       // exchanges
	leftAt      time.Time // when it ceased to take traffic
	counts      counts
}

// counts are of exchanges that ended.
type counts struct{ answered, failed uint64 }

func (h *haproxy) structureOf(pools []fleet.Pool) string {
	return lbconf.Structure(lbconf.Input{Pools: pools})
}

// launch starts a worker from the file.
func (h *haproxy) launch() {
	h.pid++
	w := &worker{
		haproxy: h, id: sequence.Worker{PID: h.pid, Started: uint64(h.sim.now.Sub(h.sim.start))},
		structure: h.structureOf(h.file), pools: h.file, sessions: map[fleet.ServiceKey]int{},
	}
	if former := h.current; former != nil {
		former.retired = true
		h.old = append(h.old, former)
		h.sim.after(hardStop, func() { h.bury(former) })
		former.leave()
	}
	h.current = w
	h.host.note()
	for _, pool := range h.file {
		if pool.Removed {
			continue
		}
		for _, route := range pool.Routes {
			for _, endpoint := range pool.Endpoints {
				if !lbconf.OnRoute(endpoint, route) {
					continue
				}
				s := w.add(sequence.ServerKey{Service: pool.Service, Target: route.Target, Instance: endpoint.Instance}, endpoint, pool.Check)
				s.checked, s.state = true, sequence.StateReady
				switch endpoint.State {
				case fleet.EndpointDraining, fleet.EndpointParked:
					s.weight, s.leftAt = 0, h.sim.now
					if route.Sticky { // clients would come back to it
						s.state = sequence.StateMaint
					}
				case fleet.EndpointPreparing:
					s.state, s.leftAt = sequence.StateMaint, h.sim.now
				default:
					h.sim.checker.granted(s)
				}
				s.watch()
			}
		}
	}
}

// end kills all its processes at once.
func (h *haproxy) end() {
	for _, w := range append(h.old, h.current) {
		if w != nil {
			w.ended = true
		}
	}
	h.old, h.current = nil, nil
	h.host.note()
}

func (h *haproxy) bury(w *worker) {
	w.ended = true
	h.old = slices.DeleteFunc(h.old, func(o *worker) bool { return o == w })
}

// leave ends a retired worker once it has no client.
func (w *worker) leave() {
	for _, n := range w.sessions {
		if n > 0 {
			return
		}
	}
	if w.retired && !w.ended {
		w.haproxy.bury(w)
	}
}

// listening says whether it listens anywhere.
func (h *haproxy) listening() bool {
	return h.current != nil && slices.ContainsFunc(h.current.pools, func(p fleet.Pool) bool { return !p.Removed && len(p.Routes) > 0 })
}

func (h *haproxy) listens(port int) bool {
	if h.current == nil {
		return false
	}
	for _, pool := range h.current.pools {
		for _, route := range pool.Routes {
			if !pool.Removed && slices.Contains(route.Listen, port) {
				return true
			}
		}
	}
	return false
}

func (w *worker) add(key sequence.ServerKey, endpoint fleet.Endpoint, check fleet.Check) *server {
	s := &server{
		ServerKey: key, worker: w, address: lbconf.ServerAddress(endpoint, key.Target), state: sequence.StateMaint,
		weight: endpoint.Weight, check: check, leftAt: w.haproxy.sim.now,
	}
	w.servers = append(w.servers, s)
	return s
}

func (w *worker) find(key sequence.ServerKey) *server {
	for _, s := range w.servers {
		if s.ServerKey == key {
			return s
		}
	}
	return nil
}

// takes says whether the worker sends new requests to the server. A retired
// one only has the clients that are still there.
func (s *server) takes() bool {
	w := s.worker
	return s.state == sequence.StateReady && s.weight > 0 && s.health != fleet.CheckFailing && !s.gone &&
		!w.ended && (!w.retired || w.sessions[s.Service] > 0)
}

// shown is the state as the runtime API shows it.
func (s *server) shown() string {
	if s.state == sequence.StateReady && s.weight == 0 {
		return sequence.StateDrain
	}
	return s.state
}

// watch checks a server as long as it is there.
func (s *server) watch() {
	sim := s.worker.haproxy.sim
	sim.after(s.check.Interval.Or(lbconf.DefaultCheckInterval), func() {
		if s.gone || s.worker.ended {
			return
		}
		if s.checked && s.state != sequence.StateMaint {
			s.probe()
		}
		s.watch()
	})
}

func (s *server) probe() {
	health := s.health
	if ok, _ := s.dial(); ok {
		s.falls, health = 0, fleet.CheckPassing
	} else if s.falls++; health == "" || s.falls >= max(s.check.Fall, lbconf.DefaultCheckFall) {
		health = fleet.CheckFailing
	}
	if health != s.health {
		s.health, s.healthSince = health, s.worker.haproxy.sim.now
	}
}

// dial connects to the server's address and finds the container behind it.
func (s *server) dial() (ok bool, c *container) {
	address, port := split(s.address)
	from, to := s.worker.haproxy.host, s.worker.haproxy.sim.by(address)
	if to == nil || to.off || !from.reaches(to) {
		return false, nil
	}
	ok, _ = to.engine.answers(address + ":" + strconv.Itoa(port))
	return ok, to.engine.at(port)
}

// split takes apart what lbconf.ServerAddress made.
func split(text string) (address string, port int) {
	_, text, _ = strings.Cut(text, "@")
	parsed, err := netip.ParseAddrPort(text)
	if err != nil {
		return "", 0
	}
	return parsed.Addr().String(), int(parsed.Port())
}

var errRefused = errors.New("haproxy refuses")

// refused is a pool that can't be in the file.
type refused struct {
	pool fleet.Pool
	err  error
}

func (r refused) Error() string { return r.err.Error() }

// perform carries out one action of the sequence's.
func (h *haproxy) perform(a sequence.Action) error {
	if a.Kind == sequence.Start || a.Kind == sequence.Reload || a.Kind == sequence.Write {
		for _, pool := range a.Pools {
			if err := lbconf.ValidatePool(pool); err != nil && !pool.Removed {
				return refused{pool, err}
			}
		}
		if err := meet(a.Pools); err != nil {
			return err
		}
		h.sim.checker.configured(h, a)
		h.file = a.Pools
		if a.Kind != sequence.Write {
			h.launch()
		}
		return nil
	}
	w := h.current
	if w == nil {
		return errRefused
	}
	s := w.find(a.Server)
	if a.Kind == sequence.AddServer {
		if s != nil {
			return fmt.Errorf("%w: the server is there", errRefused)
		}
		w.add(a.Server, a.Endpoint, a.Pool.Check)
		return nil
	}
	if s == nil {
		return fmt.Errorf("%w: no such server", errRefused)
	}
	return s.perform(a)
}

func (s *server) perform(a sequence.Action) error {
	sim := s.worker.haproxy.sim
	switch a.Kind {
	case sequence.SetState:
		if s.state == sequence.StateMaint || a.State == sequence.StateMaint {
			s.health, s.falls = "", 0
		}
		if s.shown() == sequence.StateReady {
			s.leftAt = sim.now
		}
		if s.takes() && a.State == sequence.StateDrain {
			sim.checker.parks(s)
		}
		s.state = a.State
		if s.takes() {
			sim.checker.granted(s)
		}
	case sequence.SetWeight:
		s.weight = a.Weight
	case sequence.SetAddress:
		s.address, s.health = a.Address, ""
	case sequence.EnableHealth:
		s.checked = true
		s.watch()
	case sequence.DelServer:
		if s.state != sequence.StateMaint || s.open > 0 {
			return fmt.Errorf("%w: the server is in use", errRefused)
		}
		s.gone = true
		s.worker.servers = slices.DeleteFunc(s.worker.servers, func(o *server) bool { return o == s })
	}
	return nil
}
