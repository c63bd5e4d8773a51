package sequence

import (
	"maps"
	"slices"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// file is what the file is to hold: nothing gets more traffic by it than it
// has now, nor more than it should.
func (t *turn) file(reload bool) []fleet.Pool {
	look := t.onRoute
	if reload {
		look = t.onAnyRoute
	}
	var pools []fleet.Pool
	for _, g := range t.goals {
		filed, found := find(t.memory.Filed, g.pool.Service)
		if !g.accepted && !found {
			continue
		}
		pool := fill(g, filed.Generation, func(endpoint fleet.Endpoint) fleet.Endpoint {
			return held(g.pool, endpoint, reload, look)
		})
		if reload && !pool.Removed {
			t.entrust(&pool, g.pool, filed)
		}
		pools = append(pools, pool)
	}
	return pools
}

func fill(g goal, filedGeneration uint64, held func(fleet.Endpoint) fleet.Endpoint) fleet.Pool {
	pool := g.pool
	if !g.accepted {
		pool.Generation = filedGeneration
	}
	pool.Endpoints = nil
	if pool.Removed {
		return pool
	}
	for _, endpoint := range g.pool.Endpoints {
		pool.Endpoints = append(pool.Endpoints, held(endpoint))
	}
	return pool
}

// held is an endpoint as the file holds it. One that has traffic on some of
// its routes is on those only: it enters the others in the running worker.
func held(pool fleet.Pool, endpoint fleet.Endpoint, reload bool, look finder) fleet.Endpoint {
	// A new worker trusts every server until its first check.
	failing := func(check string) bool { return reload && check == fleet.CheckFailing }
	serving := unrouted(pool, endpoint)
	for _, route := range pool.Routes {
		server, found := look(ServerKey{pool.Service, route.Target, endpoint.Instance}, lbconf.ServerAddress(endpoint, route.Target))
		if found && server.State == StateReady && !failing(server.Check) {
			serving.Ports[route.Target] = endpoint.Ports[route.Target]
		}
	}
	if endpoint.State == fleet.EndpointReady && onAny(pool, serving) {
		return serving
	}
	state, check, present := inForce(pool, endpoint, look)
	if !present || state == fleet.EndpointReady && failing(check) {
		state = fleet.EndpointDraining
	}
	if endpoint.State == fleet.EndpointParked && state == fleet.EndpointReady { // it goes on until others serve
		endpoint.State = state
		return endpoint
	}
	endpoint.State = lesser(endpoint.State, state)
	return endpoint
}

// entrust leaves no listener without anybody that has somebody now: when none
// of the addresses that it is to lead to has proven itself, those of the
// instances that serve are trusted until their first check.
func (t *turn) entrust(pool *fleet.Pool, goal, filed fleet.Pool) {
	for _, route := range pool.Routes {
		has := func(e fleet.Endpoint) bool { return e.State == fleet.EndpointReady && lbconf.OnRoute(e, route) }
		if slices.ContainsFunc(pool.Endpoints, has) || !listens(filed, route.Listen) {
			continue
		}
		for i, wanted := range goal.Endpoints {
			if !has(wanted) || !t.serves(endpointKey{pool.Service, wanted.Instance}) {
				continue
			}
			if pool.Endpoints[i].State != fleet.EndpointReady {
				pool.Endpoints[i] = unrouted(*pool, wanted)
			}
			pool.Endpoints[i].Ports[route.Target] = wanted.Ports[route.Target]
		}
	}
}

// unrouted is an endpoint without the ports that a pool's routes lead to.
func unrouted(pool fleet.Pool, endpoint fleet.Endpoint) fleet.Endpoint {
	ports := map[int]int{}
	maps.Copy(ports, endpoint.Ports)
	for _, route := range pool.Routes {
		delete(ports, route.Target)
	}
	endpoint.Ports = ports
	return endpoint
}

func onAny(pool fleet.Pool, endpoint fleet.Endpoint) bool {
	return slices.ContainsFunc(pool.Routes, func(r fleet.Route) bool { return lbconf.OnRoute(endpoint, r) })
}

func listens(pool fleet.Pool, ports []int) bool {
	return slices.ContainsFunc(pool.Routes, func(r fleet.Route) bool {
		return slices.ContainsFunc(r.Listen, func(port int) bool { return slices.Contains(ports, port) })
	})
}
