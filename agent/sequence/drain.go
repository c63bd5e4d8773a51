package sequence

import (
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// track keeps the account of who has been without traffic since when, and in
// which workers.
func (t *turn) track() {
	keep := map[endpointKey]away{}
	for _, key := range t.leaving() {
		if t.takesTraffic(key) {
			continue
		}
		entry, known := t.memory.away[key]
		if !known {
			entry = away{since: t.now}
		}
		entry.safe = t.alive(entry.safe)
		keep[key] = entry
	}
	before := t.memory.away
	t.memory.away = keep
	for key := range keep {
		_, known := before[key]
		if known && t.gone(key) && t.drained(key) {
			delete(keep, key)
		}
	}
}

// leaving are the endpoints that are to have no traffic: those wanted so, those
// that no route leads to or that can't be had, and those that nobody wants but
// somebody still has.
func (t *turn) leaving() []endpointKey {
	var keys []endpointKey
	ready := map[endpointKey]bool{}
	add := func(key endpointKey) {
		if !ready[key] && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	for _, g := range t.goals {
		if g.pool.Removed {
			continue
		}
		for _, endpoint := range g.pool.Endpoints {
			key := endpointKey{g.pool.Service, endpoint.Instance}
			if endpoint.State == fleet.EndpointReady {
				ready[key] = true
			} else {
				add(key)
			}
		}
		for _, instance := range g.outside {
			add(endpointKey{g.pool.Service, instance})
		}
	}
	for _, server := range t.ours {
		add(endpointKey{server.Service, server.Instance})
	}
	for _, worker := range t.seen.Old {
		for server := range worker.Servers {
			add(endpointKey{server.Service, server.Instance})
		}
	}
	for key := range t.memory.away {
		add(key)
	}
	return keys
}

// gone says whether no worker that answers knows the endpoint and no pool names it.
func (t *turn) gone(key endpointKey) bool {
	of := func(s ServerKey) bool { return s.Service == key.service && s.Instance == key.instance }
	for server := range t.servers {
		if of(server) {
			return false
		}
	}
	for _, worker := range t.seen.Old {
		if worker.knows(key) {
			return false
		}
	}
	for _, g := range t.goals {
		if g.pool.Service == key.service && !g.pool.Removed && (slices.Contains(g.outside, key.instance) ||
			slices.ContainsFunc(g.pool.Endpoints, func(e fleet.Endpoint) bool { return e.Instance == key.instance })) {
			return false
		}
	}
	return true
}

// alive drops workers that have ended from a list and adds the current one.
func (t *turn) alive(workers []Worker) []Worker {
	kept := []Worker{t.seen.Current}
	for _, worker := range workers {
		if slices.ContainsFunc(t.seen.Old, func(o OldWorker) bool { return o.Worker == worker }) {
			kept = append(kept, worker)
		}
	}
	return kept
}

// drained says whether no connection is left and no worker can make one, or
// whether the longest wait for those that are left is over.
func (t *turn) drained(key endpointKey) bool {
	entry, tracked := t.memory.away[key]
	if !tracked || !t.seen.Up {
		return false
	}
	waited := t.now.Sub(entry.since)
	if waited < MinDrain {
		return false
	}
	late := waited >= t.drainTimeout(key.service)
	for _, worker := range t.seen.Old {
		safe := slices.Contains(entry.safe, worker.Worker)
		switch {
		case worker.Readable && !worker.knows(key):
		case safe && !worker.Readable && !late:
			return false
		case !safe && (!worker.Readable || worker.Sessions[key.service] > 0):
			return false // it may still pick this endpoint, however long we wait
		}
	}
	return late || t.connections(key) == 0
}

func (t *turn) drainTimeout(service fleet.ServiceKey) time.Duration {
	for _, g := range t.goals {
		if g.pool.Service == service {
			return g.pool.DrainTimeout.Or(fleet.DefaultDrainTimeout)
		}
	}
	return fleet.DefaultDrainTimeout
}

// connections counts what every worker that answers has open or queued.
func (t *turn) connections(key endpointKey) int {
	total := 0
	for _, server := range t.ours {
		if server.Service == key.service && server.Instance == key.instance {
			total += server.Connections
		}
	}
	for _, worker := range t.seen.Old {
		for server, open := range worker.Servers {
			if server.Service == key.service && server.Instance == key.instance {
				total += open
			}
		}
	}
	return total
}
