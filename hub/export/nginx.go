package export

import (
	"bytes"
	"fmt"

	"github.com/musterhq/muster/shared/fleet"
)

// nobody is where an upstream without endpoints sends: nginx takes none without a
// server, and one that is down answers 502.
const nobody = "127.0.0.1:1 down"

// nginx writes an upstream for each port of a service, to be included in the context
// http, or stream for what is TCP.
func nginx(services []fleet.ExportView) []byte {
	return blocks("Upstreams of Muster's services, for proxy_pass.", services, writeUpstream)
}

func writeUpstream(out *bytes.Buffer, service fleet.ExportView, route fleet.Route) {
	fmt.Fprintf(out, "upstream %s {\n%s", name(service.Service, route.Target), algorithm(route))
	endpoints := ready(service, route)
	for _, e := range endpoints {
		fmt.Fprintf(out, "    server %s weight=%d; # %s\n", e.address, e.Weight, e.Instance)
	}
	if len(endpoints) == 0 {
		fmt.Fprintf(out, "    server %s; # no endpoint is ready\n", nobody)
	}
	out.WriteString("}\n")
}

// algorithm is how nginx chooses among the servers; it has no cookie for who should stay.
func algorithm(route fleet.Route) string {
	switch {
	case route.Algorithm == fleet.AlgorithmLeastConn:
		return "    least_conn;\n"
	case route.Algorithm == fleet.AlgorithmSource, route.Sticky:
		return "    hash $remote_addr consistent;\n"
	}
	return ""
}
