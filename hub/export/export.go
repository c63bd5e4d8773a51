// Package export renders services for balancers and collectors that no agent drives:
// what HAProxy, nginx, Traefik and Prometheus read. It is pure.
package export

import (
	"bytes"
	"encoding/json"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// Formats.
const (
	HAProxy    = "haproxy"    // backends
	Nginx      = "nginx"      // upstreams
	Traefik    = "traefik"    // dynamic configuration, for its HTTP or file provider
	Prometheus = "prometheus" // targets, for HTTP service discovery
	JSON       = "json"       // all that is known
)

// Formats are all of them, in the order in which people are told.
func Formats() []string { return []string{HAProxy, Nginx, Traefik, Prometheus, JSON} }

// Rendered is one document.
type Rendered struct {
	Type string // the content's
	Body []byte
}

// Render writes the services, which are sorted by their keys, in a format. The same
// services give the same bytes.
func Render(format string, services []fleet.ExportView) (Rendered, error) {
	switch format {
	case HAProxy:
		return Rendered{"text/plain; charset=utf-8", haproxy(services)}, nil
	case Nginx:
		return Rendered{"text/plain; charset=utf-8", nginx(services)}, nil
	case Traefik:
		return asJSON(traefik(services))
	case Prometheus:
		return asJSON(prometheus(services))
	case JSON:
		return asJSON(struct {
			Items []fleet.ExportView `json:"items"`
		}{append([]fleet.ExportView{}, services...)})
	}
	return Rendered{}, fleet.Invalid("format", "%q is no format", format).WithHint("it is one of %s", strings.Join(Formats(), ", "))
}

func asJSON(value any) (Rendered, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return Rendered{}, err
	}
	return Rendered{"application/json", out.Bytes()}, nil
}

// name is what a service's port is called in every format: "shop.web.8080". A project
// has no dot, and a port is a number, so no two are called the same.
func name(service fleet.ServiceKey, target int) string {
	return service.Project + "." + service.Name + "." + strconv.Itoa(target)
}

// one is an endpoint on a route: where it serves it.
type one struct {
	fleet.EndpointView
	address string
}

// on are a service's endpoints that are on a route, by instance. What has no address
// that could be written is left out.
func on(service fleet.ExportView, route fleet.Route) (out []one) {
	for _, e := range service.Endpoints {
		if address := served(e, route.Target); address != "" {
			out = append(out, one{e, address})
		}
	}
	return out
}

// ready are those of them that are to have traffic.
func ready(service fleet.ExportView, route fleet.Route) (out []one) {
	for _, e := range on(service, route) {
		if e.State == fleet.EndpointReady {
			out = append(out, e)
		}
	}
	return out
}

// served is where an endpoint serves a container's port: "10.0.0.1:32768"; empty:
// nowhere.
func served(e fleet.EndpointView, target int) string {
	address, err := netip.ParseAddr(e.Address)
	port := e.Ports[target]
	if err != nil || address.Zone() != "" || port < 1 || port > math.MaxUint16 {
		return ""
	}
	return net.JoinHostPort(address.Unmap().String(), strconv.Itoa(port))
}

// offered are the services that somebody asked to have on balancers: of the others
// nobody knows what their ports speak.
func offered(services []fleet.ExportView) (out []fleet.ExportView) {
	for _, service := range services {
		if service.Offered {
			out = append(out, service)
		}
	}
	return out
}

// checksHTTP says whether a route's endpoints answer the service's check by a request.
func checksHTTP(service fleet.ExportView, route fleet.Route) bool {
	return service.Check.Type == fleet.ProbeHTTP && route.Protocol == fleet.ProtocolHTTP && plain(service.Check.Path)
}

// plain text can stand in any of the formats without ending what it stands in.
func plain(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("\"'`\\#;{}", r) })
}

// Choice says which services are wanted; the zero value: all.
type Choice struct {
	Services []fleet.ServiceKey
	Project  string
	Protocol string // of their routes: fleet.ProtocolTCP, or fleet.ProtocolHTTP, which has those of gRPC, too
}

// Choose leaves the chosen services, with the routes that were chosen.
func Choose(services []fleet.ExportView, c Choice) (out []fleet.ExportView) {
	for _, service := range services {
		if len(c.Services) > 0 && !slices.Contains(c.Services, service.Service) || c.Project != "" && c.Project != service.Service.Project {
			continue
		}
		service.Routes = slices.DeleteFunc(slices.Clone(service.Routes), func(route fleet.Route) bool {
			return c.Protocol != "" && (c.Protocol == fleet.ProtocolTCP) != (route.Protocol == fleet.ProtocolTCP)
		})
		if len(service.Routes) > 0 {
			out = append(out, service)
		}
	}
	return out
}
