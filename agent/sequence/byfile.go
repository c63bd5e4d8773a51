package sequence

import (
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// ByFile is what is to be known of a balancer without a runtime API: it learns
// nothing but by a reload, and checks no endpoint itself.
type ByFile struct {
	// Structure fingerprints what the balancer has to know of a file: two with the
	// same one need no reload.
	Structure func(pools []fleet.Pool, down []ServerKey) string
	Gather    time.Duration // a reload waits so long for what else is to change
	Apart     time.Duration // least time from one reload to the next
}

// NextByFile is Next for such a balancer. Everything that is due goes into one
// file: who loses its traffic, who gets some because its check has passed, and
// who gets none for now because its check fails. Of the actions there are Write,
// where the balancer need not know, Reload and Start.
func NextByFile(want []fleet.Pool, seen Observed, memory Memory, now time.Time, by ByFile) Turn {
	t := newTurn(want, seen, memory, now)
	if !seen.Up {
		t.start()
		t.actions[0].Down = t.stillDown(t.actions[0].Pools)
		return t.end()
	}
	t.track()
	if want == nil {
		return t.end()
	}
	wait := t.whole(by)
	turn := t.end()
	if turn.Wake > 0 {
		turn.Wake = max(turn.Wake, MotionWake) // the driver's checks wake it up
	}
	if wait > 0 {
		turn.Wake = min(turn.Wake, wait)
	}
	return turn
}

// Servers are those that a balancer has which was started from a file: with a
// server of a ready endpoint among those that are down for as long as its check
// hasn't passed.
func Servers(pools []fleet.Pool, down []ServerKey, check func(key ServerKey, address string) string) (servers []Server) {
	for _, pool := range pools {
		for _, route := range pool.Routes {
			for _, endpoint := range pool.Endpoints {
				if pool.Removed || !lbconf.OnRoute(endpoint, route) {
					continue
				}
				s := Server{
					ServerKey: ServerKey{pool.Service, route.Target, endpoint.Instance}, Address: lbconf.ServerAddress(endpoint, route.Target),
					State: StateDrain, Weight: endpoint.Weight, Check: fleet.CheckUnknown,
				}
				if endpoint.State != fleet.EndpointPreparing {
					s.Check = check(s.ServerKey, s.Address)
				}
				switch {
				case endpoint.State == fleet.EndpointPreparing:
					s.State = StateMaint
				case endpoint.State == fleet.EndpointReady && (s.Check == fleet.CheckFailing || !slices.Contains(down, s.ServerKey)):
					s.State = StateReady
				}
				servers = append(servers, s)
			}
		}
	}
	return servers
}

// whole brings the file to what is due, and the balancer to the file. It returns
// how long that waits for others; 0: it doesn't.
func (t *turn) whole(by ByFile) time.Duration {
	pools, down := t.due()
	next := by.Structure(pools, down)
	if next == t.seen.Structure {
		t.memory.due, t.memory.Unloaded, t.memory.Failed = time.Time{}, Rejection{}, ""
		if t.memory.Stale || !samePools(pools, t.memory.Filed) || !slices.Equal(down, t.memory.Down) {
			t.do(Action{Kind: Write, Pools: pools, Down: down})
		}
		return 0
	}
	at := t.memory.reloaded.Add(by.Apart)
	if t.memory.due.IsZero() {
		t.memory.due = t.now
	}
	if !t.urgent(down) {
		at = latest(at, t.memory.due.Add(by.Gather))
	}
	if next == t.memory.Failed {
		at = latest(at, t.memory.Unloaded.Retry)
	}
	if wait := at.Sub(t.now); wait > 0 {
		return wait
	}
	t.memory.due, t.memory.reloaded = time.Time{}, t.now
	t.do(Action{Kind: Reload, Pools: pools, Down: down, Reason: t.reason(down)})
	return 0
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// urgent says whether requests are lost until the next reload: somebody who has
// traffic fails its check.
func (t *turn) urgent(down []ServerKey) bool {
	return slices.ContainsFunc(down, func(key ServerKey) bool {
		server, found := t.servers[key]
		return found && server.Check == fleet.CheckFailing && !slices.Contains(t.memory.Down, key)
	})
}

func (t *turn) reason(down []ServerKey) string {
	switch changed := t.changed(); {
	case t.seen.Structure != t.memory.Structure:
		return "it was started from another file"
	case len(changed) > 0:
		return "new or changed listeners or checks of " + strings.Join(changed, ", ")
	case !slices.Equal(down, t.memory.Down):
		return "who passes the checks"
	}
	return "who takes traffic"
}

// due is the file as it should be now, and which servers of ready endpoints in
// it are to get nothing.
func (t *turn) due() (pools []fleet.Pool, down []ServerKey) {
	for _, g := range t.goals {
		filed, found := find(t.memory.Filed, g.pool.Service)
		if !g.accepted && !found {
			continue
		}
		relieved, out := t.relieves(g), []ServerKey(nil)
		pool := fill(g, filed.Generation, func(endpoint fleet.Endpoint) fleet.Endpoint {
			switch key := (endpointKey{g.pool.Service, endpoint.Instance}); {
			case endpoint.State == fleet.EndpointReady && !t.enters(g.pool, endpoint):
				endpoint.State = fleet.EndpointDraining
			case endpoint.State == fleet.EndpointReady:
				out = append(out, t.downOf(g.pool, endpoint)...)
			case endpoint.State == fleet.EndpointParked && !relieved && t.takesTraffic(key):
				endpoint.State = fleet.EndpointReady
			}
			return endpoint
		})
		pools, down = append(pools, pool), append(down, out...)
	}
	slices.SortFunc(down, func(a, b ServerKey) int { return lbconf.ServerName(a).Compare(lbconf.ServerName(b)) })
	return pools, down
}

// enters says whether an endpoint that is to be ready is so in the file: it has
// passed a check, or has had traffic at that address already.
func (t *turn) enters(pool fleet.Pool, endpoint fleet.Endpoint) bool {
	return slices.ContainsFunc(pool.Routes, func(route fleet.Route) bool {
		if !lbconf.OnRoute(endpoint, route) {
			return false
		}
		server, found := t.onAnyRoute(ServerKey{pool.Service, route.Target, endpoint.Instance}, lbconf.ServerAddress(endpoint, route.Target))
		return found && (server.State == StateReady || server.Check == fleet.CheckPassing) || !found && t.trusted(pool, route, endpoint)
	})
}

// downOf are the servers of an endpoint that enters which are to get nothing.
func (t *turn) downOf(pool fleet.Pool, endpoint fleet.Endpoint) (down []ServerKey) {
	for _, route := range pool.Routes {
		key := ServerKey{pool.Service, route.Target, endpoint.Instance}
		if !lbconf.OnRoute(endpoint, route) {
			continue
		}
		server, found := t.onAnyRoute(key, lbconf.ServerAddress(endpoint, route.Target))
		passes := found && (server.Check == fleet.CheckPassing || server.State == StateReady && server.Check != fleet.CheckFailing)
		if !passes && (found || !t.trusted(pool, route, endpoint)) {
			down = append(down, key)
		}
	}
	return down
}

// trusted leaves no listener without anybody that has somebody now: when none of
// the addresses that it is to lead to has proven itself, those of the instances
// that serve are trusted until their first check.
func (t *turn) trusted(pool fleet.Pool, route fleet.Route, endpoint fleet.Endpoint) bool {
	filed, _ := find(t.memory.Filed, pool.Service)
	if !listens(filed, route.Listen) || !t.serves(endpointKey{pool.Service, endpoint.Instance}) {
		return false
	}
	return !slices.ContainsFunc(pool.Endpoints, func(e fleet.Endpoint) bool {
		server, found := t.onAnyRoute(ServerKey{pool.Service, route.Target, e.Instance}, lbconf.ServerAddress(e, route.Target))
		return e.State == fleet.EndpointReady && lbconf.OnRoute(e, route) && found && server.Check != fleet.CheckFailing &&
			(server.State == StateReady || server.Check == fleet.CheckPassing)
	})
}

// relieves says whether those that a service is to send to serve with the next
// file, as far as they can.
func (t *turn) relieves(g goal) bool {
	serves := false
	for _, endpoint := range g.pool.Endpoints {
		if endpoint.State != fleet.EndpointReady {
			continue
		}
		state, check, _ := inForce(g.pool, endpoint, t.onRoute)
		if check == fleet.CheckFailing {
			continue
		}
		if state != fleet.EndpointReady && check != fleet.CheckPassing {
			return false
		}
		serves = true
	}
	return serves
}

// stillDown are the servers that a file has which were down already.
func (t *turn) stillDown(pools []fleet.Pool) []ServerKey {
	return slices.DeleteFunc(slices.Clone(t.memory.Down), func(key ServerKey) bool {
		pool, found := find(pools, key.Service)
		return !found || pool.Removed || !slices.ContainsFunc(pool.Endpoints, func(e fleet.Endpoint) bool {
			return e.Instance == key.Instance && e.State == fleet.EndpointReady
		})
	})
}
