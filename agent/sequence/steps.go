package sequence

import (
	"slices"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// retire takes traffic away from what must not have it. It comes before
// everything that adds.
func (t *turn) retire() {
	for _, server := range t.ours {
		endpoint, wanted := t.lookup(server.ServerKey)
		switch {
		case !wanted && t.moves(server):
		case !wanted:
			t.state(server, StateMaint)
		case endpoint.State == fleet.EndpointPreparing:
			t.state(server, StateMaint)
		case lbconf.ServerAddress(endpoint, server.Target) != server.Address:
			t.state(server, StateMaint)
		case endpoint.State == fleet.EndpointDraining && t.takes(server):
			t.state(server, t.aside(server))
		case endpoint.State == fleet.EndpointParked && t.takes(server) && (server.State == StateDrain || t.relieved(server.Service)):
			t.state(server, t.aside(server))
		}
	}
}

// relieved says whether those that a service is to send to serve, as far as they
// can: until then what is to be parked goes on.
func (t *turn) relieved(service fleet.ServiceKey) bool {
	serves := false
	for _, g := range t.goals {
		if g.pool.Service != service || g.pool.Removed {
			continue
		}
		for _, endpoint := range g.pool.Endpoints {
			if endpoint.State != fleet.EndpointReady {
				continue
			}
			state, check, _ := inForce(g.pool, endpoint, t.onRoute)
			if state != fleet.EndpointReady && check != fleet.CheckFailing {
				return false
			}
			serves = serves || state == fleet.EndpointReady && check != fleet.CheckFailing
		}
	}
	return serves
}

// moves says whether a reload takes a server's route away while its instance
// is to serve on others. Until then it goes on.
func (t *turn) moves(server Server) bool {
	return slices.ContainsFunc(t.goals, func(g goal) bool {
		return g.pool.Service == server.Service &&
			!slices.ContainsFunc(g.pool.Routes, func(r fleet.Route) bool { return r.Target == server.Target }) &&
			slices.ContainsFunc(g.pool.Endpoints, func(e fleet.Endpoint) bool {
				return e.Instance == server.Instance && e.State == fleet.EndpointReady
			})
	})
}

func (t *turn) state(server Server, state string) {
	if server.State != state {
		t.do(Action{Kind: SetState, Server: server.ServerKey, State: state})
	}
}

// admit adds what is missing and promotes what has passed its check.
func (t *turn) admit() {
	for _, g := range t.goals {
		if g.pool.Removed {
			continue
		}
		for _, endpoint := range g.pool.Endpoints {
			for _, route := range g.pool.Routes {
				if !lbconf.OnRoute(endpoint, route) {
					continue
				}
				key := ServerKey{g.pool.Service, route.Target, endpoint.Instance}
				server, present := t.servers[key]
				if !present {
					t.add(key, g.pool, route, endpoint)
					continue
				}
				if reenters(server, endpoint) {
					t.do(Action{Kind: DelServer, Server: key})
					t.add(key, g.pool, route, endpoint)
					continue
				}
				t.advance(server, g.pool, route, endpoint)
			}
		}
	}
}

func (t *turn) add(key ServerKey, pool fleet.Pool, route fleet.Route, endpoint fleet.Endpoint) {
	t.do(Action{Kind: AddServer, Server: key, Pool: pool, Route: route, Endpoint: endpoint})
	if endpoint.State != fleet.EndpointPreparing && !t.sticks(key, endpoint.State) {
		t.do(Action{Kind: SetState, Server: key, State: StateDrain})
	}
	t.do(Action{Kind: EnableHealth, Server: key})
}

// advance moves a server one step towards the traffic that it should have.
func (t *turn) advance(server Server, pool fleet.Pool, route fleet.Route, endpoint fleet.Endpoint) {
	key := server.ServerKey
	address := lbconf.ServerAddress(endpoint, server.Target)
	if server.Address != address {
		if server.State == StateMaint {
			t.do(Action{Kind: SetAddress, Server: key, Address: address})
		}
		return
	}
	if endpoint.State == fleet.EndpointPreparing || t.sticks(key, endpoint.State) {
		return
	}
	if server.State == StateMaint {
		t.memory.entered[key] = t.now
		t.do(Action{Kind: SetState, Server: key, State: StateDrain})
		return
	}
	if endpoint.State != fleet.EndpointReady {
		return
	}
	if server.State == StateDrain && !t.proven(server, pool.Check) {
		return
	}
	if server.Weight != endpoint.Weight {
		t.do(Action{Kind: SetWeight, Server: key, Weight: endpoint.Weight})
	}
	if server.State == StateDrain {
		t.do(Action{Kind: SetState, Server: key, State: StateReady, Route: route})
	}
}

// reenters says whether a server that leaves maintenance is better made anew:
// a new one is checked soon, one that was there only when its turn comes. It
// can't be while anything is connected to it; where HAProxy refuses all the
// same, the server that is there enters instead.
func reenters(server Server, endpoint fleet.Endpoint) bool {
	return server.State == StateMaint && endpoint.State == fleet.EndpointReady && server.Connections == 0 && server.Kept == 0
}

// proven says whether a server's check passed since it may be checked. With
// one failure enough to be down, HAProxy shows a result from before a
// maintenance like a new one: then the time of one check has to pass.
func (t *turn) proven(server Server, check fleet.Check) bool {
	if server.Check != fleet.CheckPassing {
		return false
	}
	entered, again := t.memory.entered[server.ServerKey]
	if !again || check.Fall != 1 {
		return true
	}
	wait := check.Interval.Or(lbconf.DefaultCheckInterval) + check.Timeout.Or(lbconf.DefaultCheckTimeout)
	return t.now.Sub(entered) > wait
}

// clean deletes servers that nobody wants any more, once they are idle.
func (t *turn) clean() {
	for _, server := range t.ours {
		if _, wanted := t.lookup(server.ServerKey); wanted {
			continue
		}
		t.motion = true
		if server.State == StateMaint && server.Connections == 0 {
			t.do(Action{Kind: DelServer, Server: server.ServerKey})
		}
	}
}

// lookup finds what is wanted of a server.
func (t *turn) lookup(key ServerKey) (fleet.Endpoint, bool) {
	for _, g := range t.goals {
		if g.pool.Service != key.Service || g.pool.Removed {
			continue
		}
		i := slices.IndexFunc(g.pool.Endpoints, func(e fleet.Endpoint) bool { return e.Instance == key.Instance })
		j := slices.IndexFunc(g.pool.Routes, func(r fleet.Route) bool { return r.Target == key.Target })
		if i >= 0 && j >= 0 && lbconf.OnRoute(g.pool.Endpoints[i], g.pool.Routes[j]) {
			return g.pool.Endpoints[i], true
		}
	}
	return fleet.Endpoint{}, false
}
