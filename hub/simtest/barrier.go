package simtest

import (
	"slices"
	"time"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// aloneFor is how long a balancer is out of everybody's reach before it counts
// as dead, whatever the hub is told.
const aloneFor = 30 * time.Second

// letGo looks at a balancer that leaves a barrier.
func (k *checker) letGo(instance string, balancer fleet.BalancerKey, how string) {
	if how == "drained" {
		return // checked when the container is stopped
	}
	k.excuse(instance, balancer.Host)
	if how != "unreachable" {
		return
	}
	if alone := k.sim.hosts[balancer.Host].unreachable(); alone < aloneFor {
		k.sim.violate("%s was let go by %s as unreachable, which it has been for %s only", instance, balancer, alone)
	}
}

func (k *checker) excuse(instance, host string) {
	if k.excused[instance] == nil {
		k.excused[instance] = map[string]bool{}
	}
	k.excused[instance][host] = true
}

// gaveUpBalancer: a person said that a host's balancer is gone for good, so
// nothing that it had waits for it.
func (k *checker) gaveUpBalancer(host string) {
	k.forgotten[host] = true
	for instance := range k.instances {
		k.excuse(instance, host)
	}
}

// stopping looks whether any balancer would still send to the instance, or
// has something open with it that it didn't wait for.
func (k *checker) stopping(instance string) {
	for _, s := range k.servers() {
		if s.Instance != instance || k.excused[instance][s.worker.haproxy.host.id] {
			continue
		}
		where := s.worker.haproxy.host.id
		if s.takes() {
			k.sim.violate("%s is stopped while the balancer on %s sends to it", instance, where)
		}
		if waited := k.sim.now.Sub(s.leftAt); s.open > 0 && waited < k.drainTimeout(s.Service) {
			k.sim.violate("%s is stopped while the balancer on %s has %d exchanges with it, after %s only", instance, where, s.open, waited)
		}
	}
}

func (k *checker) drainTimeout(service fleet.ServiceKey) time.Duration {
	if b := k.services[service].Asked.Balancing; b != nil {
		return b.DrainTimeout.Or(fleet.DefaultDrainTimeout)
	}
	return fleet.DefaultDrainTimeout
}

// servers are those of every worker anywhere.
func (k *checker) servers() (all []*server) {
	for _, id := range k.sim.names {
		h := k.sim.hosts[id].haproxy
		if h == nil || h.current == nil {
			continue
		}
		for _, w := range append(h.old[:len(h.old):len(h.old)], h.current) {
			all = append(all, w.servers...)
		}
	}
	return all
}

// parks looks at a server that is to take no more traffic because others are to have it:
// then one of them is known to answer.
func (k *checker) parks(s *server) {
	pool := k.pools[turn.PoolKey{Host: s.worker.haproxy.host.id, Service: s.Service}.String()]
	parked := func(e fleet.Endpoint) bool { return e.Instance == s.Instance && e.State == fleet.EndpointParked }
	relieved := func(o *server) bool {
		known := o.health != fleet.CheckFailing || k.sim.now.Sub(o.healthSince) < time.Second
		return o != s && o.Service == s.Service && o.state == sequence.StateReady && o.weight > 0 && known
	}
	if slices.ContainsFunc(pool.Endpoints, parked) && !slices.ContainsFunc(s.worker.servers, relieved) {
		k.sim.violate("the balancer on %s parks %s, and nobody has taken over", s.worker.haproxy.host.id, s.Instance)
	}
}
