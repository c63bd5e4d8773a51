package simtest

import (
	"fmt"
	"net"
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
	skew     time.Duration // of its clock
	boot     int
	starts   int // of its agent
	off      bool
	cut      bool // from the hub
	isolated bool // from everybody
	outage   outage
	disk     []byte        // the agent's cache
	full     bool          // the disk refuses
	slow     time.Duration // how much longer the disk takes
	engine   *engine
	agent    *agent
	haproxy  *haproxy // nil: it has no balancer
}

// AddHost adds a machine and starts its agent.
func (s *Sim) AddHost(id string, balancer bool, labels map[string]string) {
	h := &host{
		sim: s, id: id, labels: labels, boot: 1,
		address: fmt.Sprintf("10.0.%d.%d", len(s.names)/250, len(s.names)%250+1),
	}
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
		Hostname: h.id, OS: "linux", Distribution: "debian 12", Architecture: "amd64", CPUs: 4, Memory: 8 << 30,
		Addresses: []string{h.address}, Advertise: h.address, MachineID: "machine-" + h.id,
		BootID: fmt.Sprintf("boot-%s-%d", h.id, h.boot), Labels: h.labels, AgentVersion: "sim",
		Features:       []string{fleet.FeatureHostPort, fleet.FeatureMountVolume, fleet.FeatureProbeHTTP},
		PortRangeFirst: firstPort, PortRangeLast: firstPort + h.sim.options.Ports - 1,
	}
	if h.haproxy != nil {
		f.Balancers = []fleet.BalancerFacts{{Name: balancerName, Driver: balancerName, Version: "2.6", Address: h.address}}
	}
	return f
}

// StartAgent starts a host's agent, if it isn't there.
func (s *Sim) StartAgent(id string) {
	h := s.hosts[id]
	if h.agent != nil || h.off {
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
}

// Isolate parts a host from everybody.
func (s *Sim) Isolate(id string) {
	s.say(id, "is cut off from everybody")
	s.hosts[id].isolated = true
	s.hosts[id].note()
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
	return from == to.id || !to.isolated && !s.hosts[from].isolated && !s.hosts[from].off
}

// outage is the last time in which nobody could reach a host's balancer. It
// goes on while until is zero.
type outage struct{ since, until time.Time }

// note keeps the outage current. It is called after whatever begins or ends one.
func (h *host) note() {
	reachable := !h.off && !h.isolated && h.haproxy != nil && h.haproxy.current != nil
	during := !h.outage.since.IsZero() && h.outage.until.IsZero()
	switch {
	case reachable && during:
		h.outage.until = h.sim.now
	case !reachable && !during:
		h.outage = outage{since: h.sim.now}
	}
}

// hindsight is how old the last look at a balancer may be.
const hindsight = 10 * time.Second

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
