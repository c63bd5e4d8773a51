package balancer

import (
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/musterhq/muster/shared/fleet"
)

// taken says which program's port keeps a balancer from listening for a pool at
// these addresses (none: every IPv4 one); nil: none does.
func taken(pool fleet.Pool, addresses []netip.Addr) error {
	if pool.Removed {
		return nil
	}
	if len(addresses) == 0 {
		addresses = []netip.Addr{netip.IPv4Unspecified()}
	}
	for _, route := range pool.Routes {
		for _, port := range route.Listen {
			for _, address := range addresses {
				listener, err := net.Listen("tcp", net.JoinHostPort(address.String(), strconv.Itoa(port)))
				if err != nil {
					return fleet.Conflict("", "the balancer can't listen on port %d: %v", port, err).
						WithHint("stop the program that holds the port, or give the service another one")
				}
				listener.Close()
			}
		}
	}
	return nil
}

// NewPorts returns the pools with those listeners only that a balancer does not
// have yet.
func NewPorts(pools []fleet.Pool, listening map[int]bool) []fleet.Pool {
	var out []fleet.Pool
	for _, pool := range pools {
		var routes []fleet.Route
		for _, route := range pool.Routes {
			route.Listen = slices.DeleteFunc(slices.Clone(route.Listen), func(port int) bool { return listening[port] })
			routes = append(routes, route)
		}
		pool.Routes = routes
		out = append(out, pool)
	}
	return out
}
