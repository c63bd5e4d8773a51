package lbconf

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

var serverName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// OnRoute says whether an endpoint is on a route: whether it has a host port
// for the route's target. Versions of a service may publish different ports,
// so an endpoint need not be on every route of its pool, nor on any.
func OnRoute(endpoint fleet.Endpoint, route fleet.Route) bool {
	return endpoint.Ports[route.Target] != 0
}

// Sound returns a pool without the endpoints that could not be rendered, and
// why they are left out; nil: it has them all. The pool itself is not changed.
func Sound(pool fleet.Pool) (sound fleet.Pool, problem error) {
	seen := map[string]bool{}
	var endpoints []fleet.Endpoint
	var first error
	for _, endpoint := range pool.Endpoints {
		err := validateEndpoint(pool.Service, endpoint)
		if err == nil && seen[endpoint.Instance] {
			err = fleet.Invalid(endpointPath(pool.Service, endpoint), "it is there twice")
		}
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		seen[endpoint.Instance] = true
		endpoints = append(endpoints, endpoint)
	}
	out := len(pool.Endpoints) - len(endpoints)
	if out == 0 {
		return pool, nil
	}
	pool.Endpoints = endpoints
	if out > 1 {
		return pool, fmt.Errorf("%d endpoints are wrong, one of them: %w", out, first)
	}
	return pool, first
}

func validateEndpoint(service fleet.ServiceKey, endpoint fleet.Endpoint) error {
	if !serverName.MatchString(endpoint.Instance) {
		return fleet.Invalid(service.String(), "%q is not an instance's id", endpoint.Instance)
	}
	path := endpointPath(service, endpoint)
	address, err := netip.ParseAddr(endpoint.Address)
	if err != nil || address.Zone() != "" {
		return fleet.Invalid(path, "%q is not an IP address", endpoint.Address).
			WithHint("let the host's agent advertise an address, not a name")
	}
	if endpoint.Weight < 1 || endpoint.Weight > fleet.MaxWeight {
		return fleet.Invalid(path, "the weight %d is not within 1 and %d", endpoint.Weight, fleet.MaxWeight)
	}
	switch endpoint.State {
	case fleet.EndpointPreparing, fleet.EndpointReady, fleet.EndpointDraining, fleet.EndpointParked:
	default:
		return fleet.Invalid(path, "%q is not a state", endpoint.State)
	}
	for _, target := range slices.Sorted(maps.Keys(endpoint.Ports)) {
		if port := endpoint.Ports[target]; port != 0 && !isPort(port) {
			return fleet.Invalid(path, "%d is not a port", port)
		}
	}
	return nil
}

func endpointPath(service fleet.ServiceKey, endpoint fleet.Endpoint) string {
	return service.String() + ", endpoint " + endpoint.Instance
}
