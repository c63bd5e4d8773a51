package simtest

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// firstPort begins every host's range of ports.
const firstPort = 20000

// host is a machine with a container engine, a disk, an agent and perhaps a
// balancer.
type host struct {
	sim      *Sim
	id       string
	address  string
	labels   map[string]string
	cpus     int           // 0: 4
	old      bool          // its agent lacks what newer ones know
	older    bool          // nor does it know what is new of balancers
	skew     time.Duration // of its clock
	boot     int
	starts   int // of its agent
	off      bool
	cut      bool // from the hub
	isolated bool // from everybody
	outage   outage
	disk     []byte                       // the agent's cache
	damage   bool                         // the next desired state comes damaged
	full     bool                         // the disk refuses
	slow     time.Duration                // how much longer the disk takes
	memory   map[string]map[string]string // what its tmpfs has of secrets: instance, file, value
	engine   *engine
	agent    *agent
	haproxy  *haproxy // nil: it has no balancer
}

// AddHost adds a machine and starts its agent.
func (s *Sim) AddHost(id string, balancer bool) { s.addHost(&host{id: id}, balancer) }

func (s *Sim) addHost(h *host, balancer bool) {
	id := h.id
	h.sim, h.boot, h.memory = s, 1, map[string]map[string]string{}
	h.address = fmt.Sprintf("10.0.%d.%d", len(s.names)/250, len(s.names)%250+1)
	h.engine = newEngine(h)
	if balancer {
		h.haproxy = &haproxy{sim: s, host: h}
	}
	s.hosts[id] = h
	s.names = append(s.names, id)
	h.note()
	s.StartAgent(id)
}

// now is the time by the host's own clock.
func (h *host) now() time.Time { return h.sim.now.Add(h.skew) }

func (h *host) hearsHub() bool { return !h.off && !h.cut && !h.isolated }

func (h *host) facts() fleet.HostFacts {
	f := fleet.HostFacts{
		Hostname: h.id, OS: "linux", Distribution: "debian 12", Architecture: "amd64", CPUs: cmp.Or(h.cpus, 4), Memory: int64(cmp.Or(h.cpus, 4)) << 31,
		Addresses: []string{h.address}, Advertise: h.address, MachineID: "machine-" + h.id,
		BootID: fmt.Sprintf("boot-%s-%d", h.id, h.boot), Labels: h.labels, AgentVersion: "sim",
		Features:       []string{fleet.FeatureHostPort, fleet.FeatureProbeHTTP},
		PortRangeFirst: firstPort, PortRangeLast: firstPort + h.sim.options.Ports - 1,
	}
	if !h.old {
		f.Features = append(f.Features, fleet.FeatureLeave, fleet.FeatureMountVolume, fleet.FeaturePrepare, fleet.FeatureResources, fleet.FeatureRestart, fleet.FeatureSecrets)
		f.SecretsKey = h.secretsKey()
	}
	if h.haproxy != nil {
		f.Balancers = []fleet.BalancerFacts{{Name: balancerName, Driver: balancerName, Version: "2.6", Address: h.address}}
		if !h.older {
			f.Balancers[0].Features = []string{fleet.BalancerGRPC, fleet.BalancerMetrics, fleet.BalancerParked, fleet.BalancerRouting, fleet.BalancerSticky}
		}
	}
	return f
}

// StartAgent starts a host's agent, if it isn't there.
func (s *Sim) StartAgent(id string) {
	h := s.hosts[id]
	if h.agent != nil || h.off || h.hasLeft() {
		return
	}
	h.starts++
	s.say(id, "its agent starts")
	h.agent = newAgent(h)
	h.agent.begin()
}

// CrashAgent kills a host's agent. Its containers and balancer go on.
func (s *Sim) CrashAgent(id string) {
	if a := s.hosts[id].agent; a != nil {
		s.say(id, "its agent is killed")
		a.die()
	}
}

// PowerOff takes a host's power away: nobody is told.
func (s *Sim) PowerOff(id string) {
	h := s.hosts[id]
	if h.off {
		return
	}
	s.say(id, "loses its power")
	h.off = true
	if h.agent != nil {
		x := h.agent.link.session
		h.agent.die()
		if x != nil {
			x.up.stuck, x.down.stuck = nil, nil
		}
	}
	h.engine.powerOff()
	if h.haproxy != nil {
		h.haproxy.end()
	}
	h.note()
}

// PowerOn boots a host. Its agent starts with it.
func (s *Sim) PowerOn(id string) {
	h := s.hosts[id]
	if !h.off {
		return
	}
	h.off = false
	h.boot++
	s.say(id, "boots")
	h.note()
	s.StartAgent(id)
}

// Cut parts a host from the hub; balancers elsewhere still reach it.
func (s *Sim) Cut(id string) {
	s.say(id, "is cut off from the hub")
	s.hosts[id].cut = true
	s.hosts[id].note()
}

// Isolate parts a host from everybody.
func (s *Sim) Isolate(id string) {
	s.say(id, "is cut off from everybody")
	s.hosts[id].isolated = true
	s.hosts[id].note()
}

// Wall parts two hosts from each other; the hub reaches both.
func (s *Sim) Wall(a, b string) { s.wall(a, b, true) }

// Unwall lets them reach each other again.
func (s *Sim) Unwall(a, b string) { s.wall(a, b, false) }

func (s *Sim) wall(a, b string, stands bool) {
	if a == b || s.walls[[2]string{a, b}] == stands {
		return
	}
	s.walls[[2]string{a, b}], s.walls[[2]string{b, a}] = stands, stands
	s.say(a, "reaches %s: %t", b, !stands)
	s.hosts[a].note()
	s.hosts[b].note()
}

// reaches says whether packets get from one host to another.
func (h *host) reaches(to *host) bool {
	return h == to || !h.off && !to.off && !h.isolated && !to.isolated && !h.sim.walls[[2]string{h.id, to.id}]
}

// Heal joins a host to the network again.
func (s *Sim) Heal(id string) {
	h := s.hosts[id]
	if !h.cut && !h.isolated {
		return
	}
	s.say(id, "is back on the network")
	h.cut, h.isolated = false, false
	h.note()
	if h.agent != nil && h.agent.link.session != nil {
		h.agent.link.session.resume()
	}
	if x := s.hub.broker.sessions[id]; x != nil && (h.agent == nil || x != h.agent.link.session) {
		x.resume()
	}
}

// Reset breaks a host's connection; both ends notice at once.
func (s *Sim) Reset(id string) {
	h := s.hosts[id]
	if h.agent == nil || h.agent.link.session == nil || !h.agent.link.session.open {
		return
	}
	x := h.agent.link.session
	x.broker.end(x)
	x.link.lostBy(x, "the connection was reset")()
}

// by finds the host with an address.
func (s *Sim) by(address string) *host {
	for _, id := range s.names {
		if s.hosts[id].address == address {
			return s.hosts[id]
		}
	}
	return nil
}

// listens says whether one can connect to a balancer's listener from a host,
// or from the hub ("").
func (s *Sim) listens(from, address string) bool {
	name, text, _ := net.SplitHostPort(address)
	port, err := strconv.Atoi(text)
	to := s.by(name)
	switch {
	case err != nil || to == nil || to.off || to.haproxy == nil || !to.haproxy.listens(port):
		return false
	case from == "":
		return to.hearsHub()
	}
	return s.hosts[from].reaches(to)
}

// outage is the last time in which neither the hub nor every other host could
// reach a host's balancer. It goes on while until is zero, and through ends
// that nobody may have looked at.
type outage struct{ since, until time.Time }

// note keeps the outage current. It is called after whatever begins or ends one.
func (h *host) note() {
	reachable := !h.off && !h.isolated && h.haproxy != nil && h.haproxy.listening() && !(h.cut && h.walledOff())
	during := !h.outage.since.IsZero() && h.outage.until.IsZero()
	switch {
	case reachable && during:
		h.outage.until = h.sim.now
	case !reachable && !during && !h.outage.since.IsZero() && h.sim.now.Sub(h.outage.until) <= hindsight:
		h.outage.until = time.Time{}
	case !reachable && !during:
		h.outage = outage{since: h.sim.now}
	}
}

// walledOff: some other host can't reach this one.
func (h *host) walledOff() bool {
	return slices.ContainsFunc(h.sim.names, func(other string) bool { return h.sim.walls[[2]string{h.id, other}] })
}

// hindsight is how old the last look at a balancer may be.
const hindsight = 15 * time.Second

// unreachable says for how long nobody could reach a host's balancer, until
// now or until just before.
func (h *host) unreachable() time.Duration {
	switch o := h.outage; {
	case o.since.IsZero():
		return 0
	case o.until.IsZero():
		return h.sim.now.Sub(o.since)
	case h.sim.now.Sub(o.until) <= hindsight:
		return o.until.Sub(o.since)
	}
	return 0
}
