package lbconf

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// nobody is the backend that answers what no service has.
const nobody = "muster:nobody"

// writeFrontend writes a listener that one route has for itself.
func writeFrontend(out *bytes.Buffer, global Global, pool *fleet.Pool, route *fleet.Route, port int) {
	l := Listener{
		Port: port, Certificates: route.Certificates[port], AcceptProxy: slices.Contains(route.AcceptProxy, port),
		Matches: []Match{{Pool: pool, Route: route}},
	}
	fmt.Fprintf(out, "\nfrontend %s\n", FrontendName(pool.Service, port))
	writeListener(out, global, l)
	fmt.Fprintf(out, "    default_backend %s\n", BackendName(pool.Service, route.Target))
}

// shared are the listeners where host names and paths decide. Pools that can't be
// together have none: such are refused.
func shared(pools []fleet.Pool) []Listener {
	listeners, err := Listeners(pools)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(listeners, func(l Listener) bool { return !l.Shared })
}

// writeShared writes them.
func writeShared(out *bytes.Buffer, global Global, shared []Listener) {
	lost := false
	for _, l := range shared {
		fmt.Fprintf(out, "\nfrontend %s\n", ListenerName(l.Port))
		writeListener(out, global, l)
		last := nobody
		for _, m := range l.Matches {
			backend := BackendName(m.Pool.Service, m.Route.Target)
			if m.Host == "" && m.Path == "" {
				last = backend
				continue
			}
			fmt.Fprintf(out, "    use_backend %s if %s\n", backend, condition(m))
		}
		fmt.Fprintf(out, "    default_backend %s\n", last)
		lost = lost || last == nobody
	}
	if lost {
		fmt.Fprintf(out, "\nbackend %s\n", nobody)
		fmt.Fprintf(out, "    mode http\n")
		fmt.Fprintf(out, "    http-request return status 404 content-type text/plain string \"no service has this host name and path\\n\"\n")
	}
}

// condition is that a request is a match's: a path means itself and what is below
// it, a host name is compared without its port, a dot at its
// end and in lower case.
func condition(m Match) string {
	host := ""
	switch suffix, wild := strings.CutPrefix(m.Host, "*"); {
	case wild:
		host = fmt.Sprintf("{ req.hdr(host),host_only,rtrim(.),lower -m end %s }", suffix)
	case m.Host != "":
		host = fmt.Sprintf("{ req.hdr(host),host_only,rtrim(.),lower -m str %s }", m.Host)
	}
	if m.Path == "" {
		return host
	}
	if host != "" {
		host += " "
	}
	return fmt.Sprintf("%[1]s{ path -m str %[2]s } or %[1]s{ path -m beg %[2]s/ }", host, m.Path)
}

// writeListener writes all of a frontend but where its requests go.
func writeListener(out *bytes.Buffer, global Global, l Listener) {
	route := l.Matches[0].Route
	fmt.Fprintf(out, "    mode %s\n", mode(*route))
	keywords := bindKeywords(global, l)
	if len(global.Bind) == 0 {
		fmt.Fprintf(out, "    bind ipv4@*:%d%s\n", l.Port, keywords)
	}
	for _, address := range global.Bind {
		fmt.Fprintf(out, "    bind %s%s\n", haproxyAddress(address, l.Port), keywords)
	}
	writeClientTimes(out, global, l)
	if route.Protocol != fleet.ProtocolTCP && len(l.Certificates) > 0 {
		fmt.Fprintf(out, "    http-request set-header X-Forwarded-Proto https\n")
	}
}

// bindKeywords are what is spoken on a listener before the first request.
func bindKeywords(global Global, l Listener) (keywords string) {
	only := func(protocol string) bool {
		return !slices.ContainsFunc(l.Matches, func(m Match) bool { return m.Route.Protocol != protocol })
	}
	if l.AcceptProxy {
		keywords = " accept-proxy"
	}
	if len(l.Certificates) == 0 {
		if only(fleet.ProtocolGRPC) {
			keywords += " proto h2" // it isn't negotiated in clear text
		}
		return keywords
	}
	keywords += " ssl"
	for _, name := range l.Certificates {
		keywords += " crt " + global.Certificates[name]
	}
	keywords += " ssl-min-ver TLSv1.2"
	switch {
	case only(fleet.ProtocolTCP):
	case only(fleet.ProtocolGRPC):
		keywords += " alpn h2"
	default:
		keywords += " alpn h2,http/1.1"
	}
	return keywords
}

// writeClientTimes writes the listener's side of the timeouts, the longest of each
// that any of its routes has. With gRPC a client keeps one connection for all its
// calls, and a stream may rest.
func writeClientTimes(out *bytes.Buffer, global Global, l Listener) {
	var http, called bool
	var exchange, idle, tunnel fleet.Duration
	for _, m := range l.Matches {
		times := timesOf(global, *m.Route)
		exchange, idle, tunnel = max(exchange, times.Request), max(idle, times.Idle), max(tunnel, times.Tunnel)
		http = http || m.Route.Protocol == fleet.ProtocolHTTP
		called = called || m.Route.Protocol != fleet.ProtocolHTTP
	}
	exchange = max(exchange, fleet.Duration(global.Idle))
	if called {
		exchange = tunnel
	}
	if http {
		fmt.Fprintf(out, "    option idle-close-on-response\n")
	}
	if l.Matches[0].Route.Protocol != fleet.ProtocolTCP {
		fmt.Fprintf(out, "    option forwardfor\n")
	}
	if http {
		fmt.Fprintf(out, "    timeout http-request %s\n", millis(global.KeepAlive))
		fmt.Fprintf(out, "    timeout http-keep-alive %s\n", millis(idle.D()))
	}
	fmt.Fprintf(out, "    timeout client %s\n", millis(exchange.D()))
}
