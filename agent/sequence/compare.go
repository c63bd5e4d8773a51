package sequence

import (
	"maps"
	"slices"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// rank orders states by how much traffic they get.
func rank(state string) int {
	switch state {
	case fleet.EndpointReady:
		return 2
	case fleet.EndpointDraining, fleet.EndpointParked:
		return 1
	}
	return 0
}

// lesser returns the state that gets less traffic.
func lesser(a, b string) string {
	if rank(a) < rank(b) {
		return a
	}
	return b
}

func sameAddress(a, b fleet.Endpoint, routes []fleet.Route) bool {
	return !slices.ContainsFunc(routes, func(r fleet.Route) bool {
		return lbconf.ServerAddress(a, r.Target) != lbconf.ServerAddress(b, r.Target)
	})
}

func samePools(a, b []fleet.Pool) bool { return slices.EqualFunc(a, b, SamePool) }

// SamePool says whether two states of a pool make the same part of a file.
func SamePool(a, b fleet.Pool) bool {
	return a.Service == b.Service && a.Generation == b.Generation && a.Removed == b.Removed &&
		a.DrainTimeout == b.DrainTimeout && slices.Equal(a.Balancers, b.Balancers) &&
		lbconf.SameSection(a, b) && slices.EqualFunc(a.Endpoints, b.Endpoints, sameEndpoint)
}

func sameEndpoint(a, b fleet.Endpoint) bool {
	return a.Instance == b.Instance && a.Version == b.Version && a.Address == b.Address &&
		a.Weight == b.Weight && a.State == b.State && maps.Equal(a.Ports, b.Ports)
}
