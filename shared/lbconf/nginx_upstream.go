package lbconf

import (
	"bytes"
	"fmt"
	"regexp"

	"github.com/musterhq/muster/shared/fleet"
)

// writeNginxUpstreams writes the servers of a route. A route without any has
// none: nginx wouldn't have it.
func writeNginxUpstreams(out *bytes.Buffer, input NginxInput, pool *fleet.Pool, route *fleet.Route) {
	up := takers(*pool, *route, input.Down)
	if len(up) == 0 {
		return
	}
	name := NginxUpstream(pool.Service, route.Target)
	writeNginxUpstream(out, route, name, up, "")
	if !route.Sticky {
		return
	}
	variable := cookieName(pool.Service, route.Target)
	for _, own := range up {
		writeNginxUpstream(out, route, name+"."+nginxWord(own.Instance), up, own.Instance)
	}
	fmt.Fprintf(out, "\n    map $cookie_%s $%s {\n        default %s;\n", variable, variable, name)
	for _, own := range up {
		fmt.Fprintf(out, "        %q %s.%s;\n", own.Instance, name, nginxWord(own.Instance))
	}
	fmt.Fprintf(out, "    }\n    map \"$cookie_%s@$upstream_addr\" $%s_set {\n        default '';\n", variable, variable)
	for _, own := range up {
		address := nginxServer(own, route.Target)
		fmt.Fprintf(out, "        \"%s@%s\" '';\n", own.Instance, address)
		fmt.Fprintf(out, "        \"~[@ ]%s$\" \"%s=%s; Path=/; HttpOnly; SameSite=Lax\";\n", regexp.QuoteMeta(address), variable, own.Instance)
	}
	fmt.Fprintf(out, "    }\n")
}

// writeNginxUpstream writes one group of servers; with own, all but that one
// only serve when it can't.
func writeNginxUpstream(out *bytes.Buffer, route *fleet.Route, name string, up []fleet.Endpoint, own string) {
	fmt.Fprintf(out, "\n    upstream %s {\n        zone %s %dk;\n", name, name, 64+4*len(up))
	if own == "" {
		switch route.Algorithm {
		case fleet.AlgorithmLeastConn:
			fmt.Fprintf(out, "        least_conn;\n")
		case fleet.AlgorithmSource:
			fmt.Fprintf(out, "        hash $remote_addr consistent;\n")
		}
	}
	for _, endpoint := range up {
		suffix := ""
		if own != "" && endpoint.Instance != own {
			suffix = " backup"
		}
		fmt.Fprintf(out, "        server %s weight=%d max_fails=0%s; # %s\n", nginxServer(endpoint, route.Target), endpoint.Weight, suffix, endpoint.Instance)
	}
	if route.Protocol != fleet.ProtocolTCP {
		fmt.Fprintf(out, "        keepalive 64;\n")
		fmt.Fprintf(out, "        keepalive_timeout %s;\n", nginxTime(upstreamIdle))
		fmt.Fprintf(out, "        keepalive_requests 1000000000;\n")
	}
	fmt.Fprintf(out, "    }\n")
}
