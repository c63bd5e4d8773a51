package lbconf

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Defaults of a balancer's check.
const (
	DefaultCheckInterval = time.Second
	DefaultCheckTimeout  = time.Second
	DefaultCheckRise     = 1
	DefaultCheckFall     = 2
)

// FirstCheck is how soon a server is checked that was just added, whatever
// the interval of its checks: HAProxy lets it wait for a whole one otherwise.
const FirstCheck = 50 * time.Millisecond

// ServerAddress is where an endpoint serves a target, as HAProxy reads it:
// "ipv4@10.0.0.1:32768". The endpoint must be valid and on a route to it.
func ServerAddress(endpoint fleet.Endpoint, target int) string {
	address, err := netip.ParseAddr(endpoint.Address)
	if err != nil {
		return ""
	}
	return haproxyAddress(address, endpoint.Ports[target])
}

// AddServer is the runtime API's command for a server that the file has too.
// The runtime API knows no defaults: every keyword is there.
func AddServer(pool fleet.Pool, route fleet.Route, endpoint fleet.Endpoint) string {
	return fmt.Sprintf("add server %s/%s %s %s", BackendName(pool.Service, route.Target),
		endpoint.Instance, ServerAddress(endpoint, route.Target), serverKeywords(pool.Check, endpoint.Weight)) + speaks(route)
}

// SetReady is the runtime API's command that gives a server traffic. One that was
// added gets its cookie before, by which sticky clients come back to it: HAProxy makes
// those of a whole backend anew.
func SetReady(service fleet.ServiceKey, target int, instance string, sticky bool) string {
	backend := BackendName(service, target)
	command := fmt.Sprintf("set server %s/%s state ready", backend, instance)
	if sticky {
		return "enable dynamic-cookie backend " + backend + ";" + command
	}
	return command
}

// speaks are the last keywords of a route's servers: HTTP/2 isn't negotiated in
// clear text, both sides begin with it; and the PROXY protocol comes before all.
func speaks(route fleet.Route) string {
	switch {
	case route.Protocol == fleet.ProtocolGRPC:
		return " proto h2"
	case route.SendProxy:
		return " send-proxy check-send-proxy"
	}
	return ""
}

// mode is HAProxy's word for what it has to understand of a route.
func mode(route fleet.Route) string {
	if route.Protocol == fleet.ProtocolGRPC {
		return fleet.ProtocolHTTP
	}
	return route.Protocol
}

func serverKeywords(check fleet.Check, weight int) string {
	return fmt.Sprintf("check inter %s rise %d fall %d weight %d",
		millis(check.Interval.Or(DefaultCheckInterval)),
		or(check.Rise, DefaultCheckRise), or(check.Fall, DefaultCheckFall), weight)
}

func haproxyAddress(address netip.Addr, port int) string {
	address = address.Unmap()
	family := "ipv6@"
	if address.Is4() {
		family = "ipv4@"
	}
	return family + address.String() + ":" + strconv.Itoa(port)
}

// millis writes a time as HAProxy reads it; anything above zero is at least
// a millisecond.
func millis(d time.Duration) string {
	return fmt.Sprintf("%dms", max(d.Milliseconds(), 1))
}

func or(value, fallback int) int {
	if value == 0 {
		return fallback
	}
	return value
}
