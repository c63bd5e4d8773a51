package lbconf

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Global is what all pools of one HAProxy share. Zero values mean the
// defaults, which DefaultGlobal documents.
type Global struct {
	Name          string        // the balancer's
	RuntimeSocket string        // absolute path of the admin socket
	Bind          []netip.Addr  // addresses to listen on; none: every IPv4 address
	MaxConn       int           // open connections in all; 0: what the limit of open files allows
	HardStop      time.Duration // an old worker ends after this; never below the longest drain
	Retries       int           // attempts after a failed connection; 0: none, and no redispatch
	Connect       time.Duration // to an endpoint
	KeepAlive     time.Duration // an idle client's connection is kept this long
	Idle          time.Duration // without a byte in either direction during an exchange
	Tunnel        time.Duration // without a byte on a TCP connection or WebSocket
}

// DefaultGlobal returns what a balancer in production uses.
func DefaultGlobal() Global {
	return Global{
		HardStop:  fleet.DefaultDrainTimeout,
		Retries:   3,
		Connect:   3 * time.Second,
		KeepAlive: 10 * time.Second,
		Idle:      5 * time.Minute,
		Tunnel:    time.Hour,
	}
}

// Input is everything that a file is made from.
type Input struct {
	Global Global
	Pools  []fleet.Pool // sorted by Service
}

// HAProxy renders a sealed haproxy.cfg for HAProxy 2.6 and later: a frontend
// for each port to listen on and a backend for each (service, target) with
// the endpoints that are on that route. A draining endpoint has weight 0 and a
// preparing one is disabled, so that a reload or restart by hand never revives
// it. A removed pool has no section, but stays among the pools of the seal.
func HAProxy(input Input) ([]byte, error) {
	if err := validateGlobal(input.Global); err != nil {
		return nil, err
	}
	if err := validate(input.Pools); err != nil {
		return nil, err
	}
	var body bytes.Buffer
	writeGlobal(&body, input)
	writeVars(&body, input)
	writeDefaults(&body, input.Global)
	for _, pool := range input.Pools {
		writePool(&body, input.Global, pool)
	}
	return seal(input.Pools, body.Bytes())
}

// maxTime is the longest that HAProxy can count.
const maxTime = math.MaxInt32 * time.Millisecond

func validateGlobal(global Global) error {
	if err := fleet.ValidateHost(global.Name); err != nil {
		return err
	}
	if !strings.HasPrefix(global.RuntimeSocket, "/") || strings.ContainsAny(global.RuntimeSocket, " \t\r\n\"'\\#$,") {
		return fleet.Invalid("runtimeSocket", "%q is not an absolute path without blanks, quotes and commas", global.RuntimeSocket)
	}
	if global.Retries < 0 || global.MaxConn < 0 {
		return fleet.Invalid("global", "retries and connections can't be negative")
	}
	if global.HardStop > maxTime {
		return fleet.Invalid("hardStop", "%s is longer than HAProxy can wait, which is %s", global.HardStop, maxTime)
	}
	return nil
}

func writeGlobal(out *bytes.Buffer, input Input) {
	global := input.Global
	hardStop := global.HardStop
	for _, pool := range input.Pools {
		if !pool.Removed {
			hardStop = max(hardStop, pool.DrainTimeout.Or(fleet.DefaultDrainTimeout))
		}
	}
	fmt.Fprintf(out, "global\n")
	fmt.Fprintf(out, "    description muster balancer %s\n", global.Name)
	fmt.Fprintf(out, "    stats socket %s mode 600 level admin\n", global.RuntimeSocket)
	fmt.Fprintf(out, "    max-spread-checks %s\n", millis(FirstCheck))
	fmt.Fprintf(out, "    hard-stop-after %s\n", millis(hardStop))
	if global.MaxConn > 0 {
		fmt.Fprintf(out, "    maxconn %d\n", global.MaxConn)
	}
}

// writeVars tells a worker what it was started with. It continues the global
// section.
func writeVars(out *bytes.Buffer, input Input) {
	fmt.Fprintf(out, "    set-var %s str(%s)\n", StructureVar, Structure(input))
	for _, pool := range input.Pools {
		fmt.Fprintf(out, "    set-var %s int(%d)\n", GenerationVar(pool.Service), pool.Generation)
	}
}

func writeDefaults(out *bytes.Buffer, global Global) {
	fmt.Fprintf(out, "\ndefaults\n")
	fmt.Fprintf(out, "    retries %d\n", global.Retries)
	if global.Retries > 0 {
		fmt.Fprintf(out, "    option redispatch\n")
	}
	fmt.Fprintf(out, "    timeout connect %s\n", millis(global.Connect))
	fmt.Fprintf(out, "    timeout queue %s\n", millis(global.KeepAlive))
}

func writePool(out *bytes.Buffer, global Global, pool fleet.Pool) {
	if pool.Removed {
		return
	}
	for _, route := range pool.Routes {
		for _, port := range route.Listen {
			writeFrontend(out, global, pool, route, port)
		}
		writeBackend(out, global, pool, route)
	}
}

func writeFrontend(out *bytes.Buffer, global Global, pool fleet.Pool, route fleet.Route, port int) {
	fmt.Fprintf(out, "\nfrontend %s\n", FrontendName(pool.Service, port))
	fmt.Fprintf(out, "    mode %s\n", mode(route))
	if len(global.Bind) == 0 {
		fmt.Fprintf(out, "    bind ipv4@*:%d%s\n", port, speaks(route))
	}
	for _, address := range global.Bind {
		fmt.Fprintf(out, "    bind %s%s\n", haproxyAddress(address, port), speaks(route))
	}
	switch route.Protocol {
	case fleet.ProtocolHTTP:
		fmt.Fprintf(out, "    option idle-close-on-response\n")
		fmt.Fprintf(out, "    option forwardfor\n")
		fmt.Fprintf(out, "    timeout http-request %s\n", millis(global.KeepAlive))
		fmt.Fprintf(out, "    timeout http-keep-alive %s\n", millis(global.KeepAlive))
		fmt.Fprintf(out, "    timeout client %s\n", millis(global.Idle))
	case fleet.ProtocolGRPC:
		// A client keeps one connection for all its calls, and a stream may rest.
		fmt.Fprintf(out, "    option forwardfor\n")
		fmt.Fprintf(out, "    timeout client %s\n", millis(global.Tunnel))
	default:
		fmt.Fprintf(out, "    timeout client %s\n", millis(global.Tunnel))
	}
	fmt.Fprintf(out, "    default_backend %s\n", BackendName(pool.Service, route.Target))
}

func writeBackend(out *bytes.Buffer, global Global, pool fleet.Pool, route fleet.Route) {
	fmt.Fprintf(out, "\nbackend %s\n", BackendName(pool.Service, route.Target))
	fmt.Fprintf(out, "    mode %s\n", mode(route))
	fmt.Fprintf(out, "    balance roundrobin\n")
	if checksHTTP(pool, route) {
		path := pool.Check.Path
		if path == "" {
			path = "/"
		}
		fmt.Fprintf(out, "    option httpchk GET %s\n", path)
	}
	fmt.Fprintf(out, "    timeout check %s\n", millis(pool.Check.Timeout.Or(DefaultCheckTimeout)))
	if route.Protocol == fleet.ProtocolHTTP {
		fmt.Fprintf(out, "    timeout server %s\n", millis(global.Idle))
		fmt.Fprintf(out, "    timeout tunnel %s\n", millis(global.Tunnel))
	} else {
		fmt.Fprintf(out, "    timeout server %s\n", millis(global.Tunnel))
	}
	for _, endpoint := range pool.Endpoints {
		if OnRoute(endpoint, route) {
			writeServer(out, pool, route, endpoint)
		}
	}
}

func writeServer(out *bytes.Buffer, pool fleet.Pool, route fleet.Route, endpoint fleet.Endpoint) {
	weight, suffix := endpoint.Weight, ""
	switch endpoint.State {
	case fleet.EndpointDraining, fleet.EndpointParked:
		weight = 0
	case fleet.EndpointPreparing:
		suffix = " disabled"
	}
	fmt.Fprintf(out, "    server %s %s %s%s%s\n", endpoint.Instance,
		ServerAddress(endpoint, route.Target), serverKeywords(pool.Check, weight), speaks(route), suffix)
}

// checksHTTP says whether a route's endpoints are checked by a request: those
// of HTTP routes, or those of TCP when the pool has no HTTP route. A gRPC
// server answers no such request, so there a connection has to do.
func checksHTTP(pool fleet.Pool, route fleet.Route) bool {
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
