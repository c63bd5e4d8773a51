package turn

import (
	"maps"
	"slices"

	"github.com/musterhq/muster/hub/balance"
	"github.com/musterhq/muster/shared/fleet"
)

// exported is the balancer that stands for those that no agent drives.
const exported = "export"

// Exports reads the services that have addresses to offer, as a balancer would have them
// that no agent drives.
func (v View) Exports() []fleet.ExportView {
	out := []fleet.ExportView{}
	for _, key := range v.t.services.keys(fleet.ServiceKey.Less) {
		s := v.t.services.get(key)
		if s.Asked.Mode == fleet.ModeJob || s.Removing && len(v.t.members(key)) == 0 {
			continue
		}
		if view := v.export(key, s); len(view.Routes) > 0 {
			out = append(out, view)
		}
	}
	return out
}

func (v View) export(key fleet.ServiceKey, s *Service) fleet.ExportView {
	out := fleet.ExportView{Service: key, Offered: s.Asked.Balancing != nil, Endpoints: []fleet.EndpointView{}}
	members := v.t.balanceMembers(key, s)
	balancing := s.Asked.Balancing
	if balancing == nil {
		balancing = &fleet.Balancing{Routes: portsAlone(members), Check: fleet.Check{Type: fleet.ProbeTCP}}
	}
	pool, _ := balance.Pool(balance.Input{
		Service: key, Balancing: balancing, Balancers: []string{exported}, Members: members, Previous: v.lastPool(key),
	})
	out.Routes, out.Check = slices.Clone(balancing.Routes), pool.Check
	for _, e := range pool.Endpoints {
		out.Endpoints = append(out.Endpoints, fleet.EndpointView{Endpoint: e, Host: v.t.instances.get(e.Instance).Host})
	}
	return out
}

// lastPool is one that a balancer of the fleet's has: who holds a place there holds it
// here. Nil: there is none.
func (v View) lastPool(service fleet.ServiceKey) *fleet.Pool {
	for _, host := range v.t.balancerHosts() {
		if p := v.t.pools.get(PoolKey{Host: host, Service: service}); p != nil && !p.Pool.Removed {
			return &p.Pool
		}
	}
	return nil
}

// portsAlone are routes to the ports that instances have, of which nothing else is said.
func portsAlone(members []balance.Member) (routes []fleet.Route) {
	targets := map[int]bool{}
	for _, m := range members {
		for target := range m.Ports {
			targets[target] = true
		}
	}
	for _, target := range slices.Sorted(maps.Keys(targets)) {
		routes = append(routes, fleet.Route{Target: target, Listen: []int{}, Protocol: fleet.ProtocolTCP})
	}
	return routes
}
