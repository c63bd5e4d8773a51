package simtest

import (
	"slices"
	"time"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
)

// Habits of clients.
const (
	clientsEach  = 3 // of each service on each balancer
	lookForWork  = 250 * time.Millisecond
	longestThink = 9 * time.Second // below the idle limit of a kept-alive connection
)

// clients send requests without retrying, over connections that they keep.
type clients struct {
	sim     *Sim
	counts  map[fleet.ServiceKey]*Traffic
	working []*client
}

// Traffic counts the requests of one service.
type Traffic struct {
	OK      int
	Failed  int // nobody answered, or the answer broke off
	Refused int // the balancer had no endpoint
}

type client struct {
	clients *clients
	haproxy *haproxy
	service fleet.ServiceKey
	worker  *worker // nil: not connected
}

// Open lets clients in.
func (s *Sim) Open() { s.clients.look() }

// look finds listeners without clients, now and then.
func (c *clients) look() {
	for _, id := range c.sim.names {
		h := c.sim.hosts[id].haproxy
		if h == nil || h.current == nil {
			continue
		}
		for _, pool := range h.current.pools {
			if pool.Removed {
				continue
			}
			for n := c.number(h, pool.Service); n < clientsEach; n++ {
				x := &client{clients: c, haproxy: h, service: pool.Service}
				c.working = append(c.working, x)
				c.sim.after(c.sim.chance("clients").between(0, lookForWork), x.request)
			}
		}
	}
	c.sim.after(lookForWork, c.look)
}

func (c *clients) number(h *haproxy, service fleet.ServiceKey) int {
	n := 0
	for _, x := range c.working {
		if x.haproxy == h && x.service == service {
			n++
		}
	}
	return n
}

func (c *clients) count(service fleet.ServiceKey) *Traffic {
	if c.counts[service] == nil {
		c.counts[service] = &Traffic{}
	}
	return c.counts[service]
}

// request sends one request, over a new connection where the old one is gone.
func (x *client) request() {
	if x.worker == nil || x.worker.ended {
		x.connect()
	}
	if x.worker == nil {
		x.clients.working = slices.DeleteFunc(x.clients.working, func(o *client) bool { return o == x })
		return // nobody listens; look finds the next listener
	}
	s := x.worker.pick(x.service)
	count := x.clients.count(x.service)
	if s == nil {
		count.Refused++
		x.asked()
		x.clients.sim.after(200*time.Millisecond, x.request)
		return
	}
	x.exchange(s, x.clients.lasts(), x.think)
}

func (c *clients) lasts() time.Duration {
	if c.sim.chance("clients").IntN(40) == 0 {
		return c.sim.chance("clients").between(time.Second, 6*time.Second)
	}
	return c.sim.chance("clients").between(5*time.Millisecond, 150*time.Millisecond)
}

func (x *client) connect() {
	x.worker = nil
	w := x.haproxy.current
	if w == nil || x.haproxy.host.off || !slices.ContainsFunc(w.pools, func(p fleet.Pool) bool { return p.Service == x.service && !p.Removed }) {
		return
	}
	x.worker = w
	w.sessions[x.service]++
}

// think waits until the next request. A retired worker asks its clients to
// leave with the answer.
func (x *client) think() {
	x.asked()
	sim := x.clients.sim
	wait := sim.chance("clients").between(100*time.Millisecond, time.Second)
	if sim.chance("clients").IntN(20) == 0 {
		wait = sim.chance("clients").between(time.Second, longestThink)
	}
	sim.after(wait, x.request)
}

// asked: a client leaves a retired worker with its answer.
func (x *client) asked() {
	if x.worker != nil && x.worker.retired {
		x.worker.sessions[x.service]--
		x.worker.leave()
		x.worker = nil
	}
}

// exchange sends one request to a server and waits for its end.
func (x *client) exchange(s *server, lasts time.Duration, then func()) {
	sim := x.clients.sim
	count := x.clients.count(x.service)
	ok, c := s.dial()
	sim.checker.routed(s, c)
	if !ok {
		count.Failed++
		s.counts.failed++
		s.counts.answered++
		sim.checker.served(s)
		sim.after(time.Millisecond, then)
		return
	}
	s.open++
	run := c.run
	sim.after(lasts, func() {
		s.open--
		alive, _ := s.dial()
		s.counts.answered++
		sim.checker.served(s)
		if c.image.fails || c.image.errs && s.counts.answered%4 == 0 {
			s.counts.failed++
		}
		if alive && c.run == run && !s.worker.ended {
			count.OK++
		} else {
			count.Failed++
		}
		then()
	})
}

// pick goes round the servers that take traffic.
func (w *worker) pick(service fleet.ServiceKey) *server {
	var ready []*server
	for _, s := range w.servers {
		if s.Service == service && s.takes() {
			ready = append(ready, s)
		}
	}
	if len(ready) == 0 {
		return nil
	}
	w.turn++
	all := 0
	for _, s := range ready {
		all += s.weight
	}
	at := w.turn * evenly % all
	for _, s := range ready {
		if at -= s.weight; at < 0 {
			return s
		}
	}
	return nil
}

// evenly spreads whose turn it is over all weights: it shares no factor with a sum
// of weights that is less.
const evenly = 1_000_003

// Connect opens one long connection to an instance through a balancer. It
// returns false when no balancer sends to it.
func (s *Sim) Connect(service fleet.ServiceKey, instance string, lasts time.Duration) bool {
	for _, id := range s.names {
		h := s.hosts[id].haproxy
		if h == nil || h.current == nil {
			continue
		}
		for _, server := range h.current.servers {
			if server.Service == service && server.Instance == instance && server.state == sequence.StateReady && server.takes() {
				x := &client{clients: s.clients, haproxy: h, service: service, worker: h.current}
				h.current.sessions[service]++
				x.exchange(server, lasts, func() {
					x.worker.sessions[service]--
					x.worker.leave()
				})
				return true
			}
		}
	}
	return false
}
