package lbconf

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// writePool writes a pool's backends, and the frontends that it has for itself.
func writePool(out *bytes.Buffer, global Global, pool fleet.Pool, shared []Listener) {
	if pool.Removed {
		return
	}
	for i := range pool.Routes {
		for _, port := range pool.Routes[i].Listen {
			if !slices.ContainsFunc(shared, func(l Listener) bool { return l.Port == port }) {
				writeFrontend(out, global, &pool, &pool.Routes[i], port)
			}
		}
		writeBackend(out, global, pool, pool.Routes[i])
	}
}

func writeBackend(out *bytes.Buffer, global Global, pool fleet.Pool, route fleet.Route) {
	fmt.Fprintf(out, "\nbackend %s\n", BackendName(pool.Service, route.Target))
	fmt.Fprintf(out, "    mode %s\n", mode(route))
	writeBalance(out, pool, route)
	if ChecksHTTP(pool, route) {
		path := pool.Check.Path
		if path == "" {
			path = "/"
		}
		fmt.Fprintf(out, "    option httpchk GET %s\n", path)
	}
	fmt.Fprintf(out, "    timeout check %s\n", millis(pool.Check.Timeout.Or(DefaultCheckTimeout)))
	writeServerTimes(out, global, route)
	for line := range strings.Lines(route.Snippets[DriverHAProxy]) {
		if line = strings.TrimSpace(line); line != "" {
			fmt.Fprintf(out, "    %s\n", line)
		}
	}
	for _, endpoint := range pool.Endpoints {
		if OnRoute(endpoint, route) {
			writeServer(out, pool, route, endpoint)
		}
	}
}

// writeBalance says how an endpoint is chosen. Servers come and go while HAProxy
// runs, so only what it calls dynamic will do.
func writeBalance(out *bytes.Buffer, pool fleet.Pool, route fleet.Route) {
	switch route.Algorithm {
	case fleet.AlgorithmLeastConn:
		fmt.Fprintf(out, "    balance leastconn\n")
	case fleet.AlgorithmSource:
		fmt.Fprintf(out, "    balance source\n")
		fmt.Fprintf(out, "    hash-type consistent\n")
	default:
		fmt.Fprintf(out, "    balance roundrobin\n")
	}
	if route.Sticky {
		fmt.Fprintf(out, "    dynamic-cookie-key %s\n", BackendName(pool.Service, route.Target))
		fmt.Fprintf(out, "    cookie %s insert indirect nocache httponly dynamic attr SameSite=Lax\n", cookieName(pool.Service, route.Target))
	}
}

func writeServerTimes(out *bytes.Buffer, global Global, route fleet.Route) {
	times := timesOf(global, route)
	if route.Timeouts != nil && route.Timeouts.Connect != 0 {
		fmt.Fprintf(out, "    timeout connect %s\n", millis(times.Connect.D()))
	}
	if route.Protocol == fleet.ProtocolHTTP {
		fmt.Fprintf(out, "    timeout server %s\n", millis(times.Request.D()))
		fmt.Fprintf(out, "    timeout tunnel %s\n", millis(times.Tunnel.D()))
	} else {
		fmt.Fprintf(out, "    timeout server %s\n", millis(times.Tunnel.D()))
	}
}

// timesOf are a route's timeouts, the balancer's where it has none.
func timesOf(global Global, route fleet.Route) fleet.Timeouts {
	var asked fleet.Timeouts
	if route.Timeouts != nil {
		asked = *route.Timeouts
	}
	return fleet.Timeouts{
		Connect: fleet.Duration(asked.Connect.Or(global.Connect)),
		Request: fleet.Duration(asked.Request.Or(global.Idle)),
		Idle:    fleet.Duration(asked.Idle.Or(global.KeepAlive)),
		Tunnel:  fleet.Duration(asked.Tunnel.Or(global.Tunnel)),
	}
}

// writeServer writes an endpoint. A sticky client comes back to whom HAProxy only
// drains, so there one that is to have no traffic is disabled.
func writeServer(out *bytes.Buffer, pool fleet.Pool, route fleet.Route, endpoint fleet.Endpoint) {
	weight, suffix := endpoint.Weight, ""
	switch endpoint.State {
	case fleet.EndpointDraining, fleet.EndpointParked:
		weight = 0
		if route.Sticky {
			suffix = " disabled"
		}
	case fleet.EndpointPreparing:
		suffix = " disabled"
	}
	fmt.Fprintf(out, "    server %s %s %s%s%s\n", endpoint.Instance,
		ServerAddress(endpoint, route.Target), serverKeywords(pool.Check, weight), speaks(route), suffix)
}

// ChecksHTTP says whether a route's endpoints are checked by a request: those
// of HTTP routes, or those of TCP when the pool has no HTTP route. A gRPC
// server answers no such request, so there a connection has to do.
func ChecksHTTP(pool fleet.Pool, route fleet.Route) bool {
	if route.Protocol == fleet.ProtocolGRPC {
		return false
	}
	if pool.Check.Type != fleet.ProbeHTTP || route.Protocol == fleet.ProtocolHTTP {
		return pool.Check.Type == fleet.ProbeHTTP
	}
	for _, other := range pool.Routes {
		if other.Protocol == fleet.ProtocolHTTP {
			return false
		}
	}
	return true
}
