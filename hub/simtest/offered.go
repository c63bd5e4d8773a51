package simtest

import (
	"maps"
	"slices"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// pool looks at what the hub tells balancers. Whoever loses traffic without
// leaving doesn't take the last of it along.
func (k *checker) pool(row turn.Row) {
	read := read[turn.Published](k, row)
	if read == nil {
		delete(k.pools, row.Key)
		k.removals[row.Key] = true
		return
	}
	now, before := read.Pool, k.pools[row.Key]
	k.pools[row.Key] = now
	if now.Removed {
		k.removals[row.Key] = true
		return
	}
	k.shares(&now)
	isReady := func(e fleet.Endpoint) bool { return e.State == fleet.EndpointReady }
	if slices.ContainsFunc(now.Endpoints, isReady) {
		return
	}
	for _, e := range now.Endpoints {
		was := slices.IndexFunc(before.Endpoints, func(b fleet.Endpoint) bool { return b.Instance == e.Instance })
		if e.State == fleet.EndpointPreparing && was >= 0 && isReady(before.Endpoints[was]) {
			k.sim.violate("the pool %s loses its last endpoint %s, which nobody asked to leave", row.Key, e.Instance)
		}
	}
}

// published: a balancer is told what is committed, and nothing else.
func (k *checker) published(m turn.Publish) {
	host, leaf, _, ok := wire.HostTopic(m.Topic)
	if !ok || leaf != wire.LeafPools || len(m.Payload) == 0 {
		return
	}
	var told fleet.Pool
	if _, err := wire.Open(m.Payload, &told); err != nil {
		k.sim.violate("a pool is published that can't be read: %v", err)
	}
	key := turn.PoolKey{Host: host, Service: told.Service}.String()
	known := k.pools[key]
	if told.Generation < known.Generation || told.Removed && known.Generation == 0 && k.removals[key] {
		return // from before this turn, sent again
	}
	if told.Generation != known.Generation || !slices.EqualFunc(told.Endpoints, known.Endpoints, sameEndpoint) {
		k.sim.violate("the pool %s is published at generation %d, which isn't committed", key, told.Generation)
	}
}

func sameEndpoint(a, b fleet.Endpoint) bool {
	return a.Instance == b.Instance && a.Weight == b.Weight && a.State == b.State && a.Address == b.Address && maps.Equal(a.Ports, b.Ports)
}

// offered says whether a service is on a host's balancer by what was asked.
func (k *checker) offered(service fleet.ServiceKey, host string) bool {
	b := k.services[service].Asked.Balancing
	return b != nil && (len(b.Balancers) == 0 || slices.Contains(b.Balancers, balancerName) || slices.Contains(b.Balancers, host+"/"+balancerName))
}

// configured looks at a file before a balancer gets it: no service is dropped
// that the hub didn't remove, and nothing is reloaded that needn't be.
func (k *checker) configured(h *haproxy, a sequence.Action) {
	for _, old := range h.file {
		i := slices.IndexFunc(a.Pools, func(p fleet.Pool) bool { return p.Service == old.Service })
		dropped := !old.Removed && (i < 0 || a.Pools[i].Removed)
		if key := (turn.PoolKey{Host: h.host.id, Service: old.Service}).String(); dropped && !k.removals[key] {
			k.sim.violate("the balancer on %s drops %s, which nobody removed", h.host.id, old.Service)
		}
	}
	if a.Kind == sequence.Reload && h.current != nil && h.structureOf(a.Pools) == h.current.structure {
		k.sim.violate("the balancer on %s is reloaded (%s) to what it has", h.host.id, a.Reason)
	}
}
