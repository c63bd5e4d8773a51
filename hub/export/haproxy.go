package export

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// What a route or check leaves open, as the fleet's own balancers have them.
const (
	checkInterval = time.Second
	checkRise     = 1
	checkFall     = 2

	// cookie keeps a client at its endpoint, where a route asks for that.
	cookie = "muster"
)

// haproxy writes a backend for each port of a service. What gets no new traffic has
// weight 0, what gets none yet is disabled; frontends are the reader's.
func haproxy(services []fleet.ExportView) []byte {
	return blocks("Backends of Muster's services; frontends choose them by use_backend.", services, writeBackend)
}

// blocks are those of each port of services, as write writes them, below a title.
func blocks(title string, services []fleet.ExportView, write func(*bytes.Buffer, fleet.ExportView, fleet.Route)) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# %s\n", title)
	for _, service := range offered(services) {
		for _, route := range service.Routes {
			out.WriteString("\n")
			if requests := asked(route); requests != "" {
				fmt.Fprintf(&out, "# for %s\n", requests)
			}
			write(&out, service, route)
		}
	}
	return out.Bytes()
}

func writeBackend(out *bytes.Buffer, service fleet.ExportView, route fleet.Route) {
	mode, balance, server := route.Protocol, "roundrobin", ""
	if route.Algorithm != "" {
		balance = route.Algorithm
	}
	if route.Protocol == fleet.ProtocolGRPC {
		mode, server = fleet.ProtocolHTTP, " proto h2"
	}
	if route.SendProxy {
		server += " send-proxy check-send-proxy"
	}
	fmt.Fprintf(out, "backend %s\n", name(service.Service, route.Target))
	fmt.Fprintf(out, "    mode %s\n    balance %s\n", mode, balance)
	if route.Sticky {
		fmt.Fprintf(out, "    cookie %s insert indirect nocache httponly\n", cookie)
	}
	if checksHTTP(service, route) {
		fmt.Fprintf(out, "    option httpchk GET %s\n", cmp.Or(service.Check.Path, "/"))
	}
	writeTimeouts(out, route.Timeouts)
	check := fmt.Sprintf("check inter %s rise %d fall %d", millis(service.Check.Interval.Or(checkInterval)),
		cmp.Or(service.Check.Rise, checkRise), cmp.Or(service.Check.Fall, checkFall))
	for _, e := range on(service, route) {
		weight, suffix := e.Weight, server
		if route.Sticky {
			suffix += " cookie " + e.Instance
		}
		switch e.State {
		case fleet.EndpointDraining, fleet.EndpointParked:
			weight = 0
		case fleet.EndpointPreparing:
			suffix += " disabled"
		}
		fmt.Fprintf(out, "    server %s %s %s weight %d%s\n", e.Instance, e.address, check, weight, suffix)
	}
}

func writeTimeouts(out *bytes.Buffer, timeouts *fleet.Timeouts) {
	if timeouts == nil {
		return
	}
	for _, t := range []struct {
		name string
		fleet.Duration
	}{{"connect", timeouts.Connect}, {"server", timeouts.Request}, {"tunnel", timeouts.Tunnel}} {
		if t.Duration > 0 {
			fmt.Fprintf(out, "    timeout %s %s\n", t.name, millis(time.Duration(t.Duration)))
		}
	}
}

// millis writes a time as HAProxy reads it.
func millis(d time.Duration) string { return fmt.Sprintf("%dms", max(d.Milliseconds(), 1)) }

// asked says, for a comment, for which requests a route is; empty: for all.
func asked(route fleet.Route) string {
	var parts []string
	for _, part := range slices.Concat(route.Hosts, route.Paths) {
		if plain(part) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " ")
}
