package sequence

import (
	"maps"
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// inForce joins an endpoint's servers on all routes that it is on, each as look
// finds it: a state counts only as far as all of them have it, and a check only
// when all of them passed.
func inForce(pool fleet.Pool, endpoint fleet.Endpoint, look finder) (state, check string, present bool) {
	state, check, present = fleet.EndpointReady, fleet.CheckPassing, true
	for _, route := range pool.Routes {
		if !lbconf.OnRoute(endpoint, route) {
			continue
		}
		server, found := look(ServerKey{pool.Service, route.Target, endpoint.Instance}, lbconf.ServerAddress(endpoint, route.Target))
		if !found {
			state, check, present = lesser(state, fleet.EndpointPreparing), fleet.CheckUnknown, false
			continue
		}
		state = lesser(state, stateOf(server, route, endpoint))
		if check == fleet.CheckPassing || server.Check == fleet.CheckFailing {
			check = server.Check
		}
	}
	return state, check, present
}

// finder looks for the server of an endpoint on a route, at an address.
type finder func(ServerKey, string) (Server, bool)

// onRoute finds the server with that address on that route.
func (t *turn) onRoute(key ServerKey, address string) (Server, bool) {
	server, found := t.servers[key]
	return server, found && server.Address == address
}

// onAnyRoute finds the address of that instance wherever it is: a reload that
// brings other routes takes along what the address has proven.
func (t *turn) onAnyRoute(key ServerKey, address string) (Server, bool) {
	if server, found := t.onRoute(key, address); found {
		return server, true
	}
	i := slices.IndexFunc(t.ours, func(s Server) bool {
		return s.Service == key.Service && s.Instance == key.Instance && s.Address == address
	})
	if i < 0 {
		return Server{}, false
	}
	return t.ours[i], true
}

func stateOf(server Server, route fleet.Route, endpoint fleet.Endpoint) string {
	switch {
	case server.State == StateReady:
		return fleet.EndpointReady
	case server.State == StateDrain || route.Sticky && rank(endpoint.State) == rank(fleet.EndpointDraining): // see aside
		return fleet.EndpointDraining
	}
	return fleet.EndpointPreparing
}

// takesTraffic says whether any server of an endpoint in the current worker
// does, at whatever address.
func (t *turn) takesTraffic(key endpointKey) bool {
	return slices.ContainsFunc(t.ours, func(s Server) bool {
		return s.Service == key.service && s.Instance == key.instance && t.takes(s)
	})
}

// serves says whether an endpoint takes traffic and passes its check.
func (t *turn) serves(key endpointKey) bool {
	return slices.ContainsFunc(t.ours, func(s Server) bool {
		return s.Service == key.service && s.Instance == key.instance && s.State == StateReady && s.Check != fleet.CheckFailing
	})
}

// carriedOut says whether a goal is in force and in the file. What stands in for a
// pool that was never taken is nothing.
func (t *turn) carriedOut(g goal) bool {
	filed, found := find(t.memory.Filed, g.pool.Service)
	if never := !g.accepted && g.pool.Removed && !found; !never && (!found || filed.Generation != g.pool.Generation || !lbconf.SameSection(filed, g.pool)) {
		return false
	}
	if !t.seen.Up || t.seen.Structure != t.memory.Structure {
		return false
	}
	for _, endpoint := range g.pool.Endpoints {
		_, _, present := inForce(g.pool, endpoint, t.onRoute)
		if !g.pool.Removed && !present {
			return false
		}
		if endpoint.State != fleet.EndpointReady && t.takesTraffic(endpointKey{g.pool.Service, endpoint.Instance}) {
			return false
		}
	}
	for _, server := range t.ours {
		if _, wanted := t.lookup(server.ServerKey); !wanted && server.Service == g.pool.Service && t.takes(server) {
			return false
		}
	}
	return true
}

func (t *turn) report() []fleet.PoolActual {
	var pools []fleet.PoolActual
	reported := map[fleet.ServiceKey]bool{}
	for _, g := range t.goals {
		key := g.pool.Service
		switch done := t.carriedOut(g); {
		case done && g.accepted:
			t.memory.acked[key] = g.pool.Generation
			delete(t.memory.removals, key)
		case done:
			t.memory.removals[key] = g.wanted
		}
		reported[key] = true
		pools = append(pools, fleet.PoolActual{
			Service:    key,
			Generation: t.memory.acked[key],
			Removals:   t.memory.removals[key],
			Problem:    g.problem,
			Endpoints:  t.endpoints(g),
		})
	}
	unreported := func(key fleet.ServiceKey, _ uint64) bool { return !reported[key] }
	maps.DeleteFunc(t.memory.acked, unreported)
	maps.DeleteFunc(t.memory.removals, unreported)
	return pools
}

func (t *turn) endpoints(g goal) []fleet.EndpointActual {
	var all []fleet.EndpointActual
	listed := map[string]bool{}
	if !g.pool.Removed {
		for _, endpoint := range g.pool.Endpoints {
			listed[endpoint.Instance] = true
			all = append(all, t.endpoint(g, endpoint))
		}
	}
	for key := range t.memory.away { // those that have left but may still be busy
		if key.service != g.pool.Service || listed[key.instance] {
			continue
		}
		listed[key.instance] = true
		drained := t.drained(key)
		t.motion = t.motion || !drained
		all = append(all, fleet.EndpointActual{
			Instance:    key.instance,
			State:       fleet.EndpointPreparing,
			Check:       fleet.CheckUnknown,
			Connections: t.connections(key),
			Drained:     drained,
		})
	}
	slices.SortFunc(all, func(a, b fleet.EndpointActual) int { return strings.Compare(a.Instance, b.Instance) })
	return all
}

func (t *turn) endpoint(g goal, endpoint fleet.Endpoint) fleet.EndpointActual {
	key := endpointKey{g.pool.Service, endpoint.Instance}
	out := fleet.EndpointActual{Instance: endpoint.Instance, State: endpoint.State, Check: fleet.CheckUnknown}
	if out.State == fleet.EndpointParked { // no state of a balancer's, and a hub of before knows none
		out.State = fleet.EndpointDraining
	}
	if t.seen.Up {
		out.State, out.Check, _ = inForce(g.pool, endpoint, t.onRoute)
		if endpoint.State != fleet.EndpointReady && t.takesTraffic(key) {
			out.State = fleet.EndpointReady
		}
		out.Connections = t.connections(key)
		out.Drained = t.drained(key)
	}
	switch endpoint.State {
	case fleet.EndpointReady: // one that fails its check is looked at now and then
		t.motion = t.motion || out.Check == fleet.CheckUnknown
		t.waits = t.waits || out.State != fleet.EndpointReady && out.Check != fleet.CheckFailing
	default:
		t.motion = t.motion || !out.Drained
	}
	return out
}
