package sequence

import (
	"maps"
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

// A client of a sticky route comes back to the server that its cookie names; in a
// balancer with a runtime API also to one that is only drained: there, who has served and is to have no
// more traffic goes into maintenance.

// remember keeps which servers have taken traffic.
func (t *turn) remember() {
	for _, server := range t.ours {
		if server.State == StateReady {
			t.memory.served[server.ServerKey] = true
		}
	}
	maps.DeleteFunc(t.memory.served, func(key ServerKey, _ bool) bool {
		_, present := t.servers[key]
		return t.seen.Up && !present
	})
}

// sticks says whether a server that isn't wanted ready would have clients come back
// to it while it is only drained. One that is to be parked and hasn't served has no
// cookies out, and is checked in drain.
func (t *turn) sticks(key ServerKey, wanted string) bool {
	return t.sticky(key) && (wanted == fleet.EndpointDraining || wanted != fleet.EndpointReady && t.memory.served[key])
}

// sticky says whether a server's route is, as it is wanted or in the file.
func (t *turn) sticky(key ServerKey) bool {
	if !t.returns {
		return false
	}
	of := func(pool fleet.Pool) bool {
		return pool.Service == key.Service && slices.ContainsFunc(pool.Routes, func(r fleet.Route) bool { return r.Target == key.Target && r.Sticky })
	}
	return slices.ContainsFunc(t.goals, func(g goal) bool { return of(g.pool) }) || slices.ContainsFunc(t.memory.Filed, of)
}

// takes says whether a server in the current worker takes traffic.
func (t *turn) takes(server Server) bool {
	if server.State != StateDrain {
		return server.State == StateReady
	}
	endpoint, wanted := t.lookup(server.ServerKey)
	return wanted && t.sticks(server.ServerKey, endpoint.State) || !wanted && t.sticky(server.ServerKey)
}

// aside is the state of a server that is to take no traffic any more.
func (t *turn) aside(server Server) string {
	if t.sticky(server.ServerKey) {
		return StateMaint
	}
	return StateDrain
}
