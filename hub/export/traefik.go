package export

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

// dynamic is Traefik's dynamic configuration, as far as there is something to say: an
// element that is empty would be an error to it.
type dynamic struct {
	HTTP *layer `json:"http,omitempty"`
	TCP  *layer `json:"tcp,omitempty"`
}

type layer struct {
	Routers  map[string]router   `json:"routers,omitempty"`
	Services map[string]upstream `json:"services,omitempty"`
}

// upstream is a service of Traefik's: servers, or others by their weights. Its servers
// have weights of their own only in newer releases, and by TCP in none.
type upstream struct {
	LoadBalancer *loadBalancer `json:"loadBalancer,omitempty"`
	Weighted     *weighted     `json:"weighted,omitempty"`
}

type loadBalancer struct {
	Servers     []server     `json:"servers"`
	HealthCheck *healthCheck `json:"healthCheck,omitempty"`
	Proxy       *proxy       `json:"proxyProtocol,omitempty"`
}

type sticky struct {
	Cookie struct {
		Name     string `json:"name"`
		HTTPOnly bool   `json:"httpOnly"`
	} `json:"cookie"`
}

type proxy struct {
	Version int `json:"version"`
}

type server struct {
	URL     string `json:"url,omitempty"`     // http
	Address string `json:"address,omitempty"` // tcp
}

type healthCheck struct {
	Path     string `json:"path"`
	Interval string `json:"interval"`
	Timeout  string `json:"timeout"`
}

// weighted has a health check where its services have one: who has nobody that is well
// gets nothing then.
type weighted struct {
	Services    []share   `json:"services"`
	HealthCheck *struct{} `json:"healthCheck,omitempty"`
	Sticky      *sticky   `json:"sticky,omitempty"`
}

type share struct {
	Name   string `json:"name"`
	Weight int    `json:"weight"`
}

func traefik(services []fleet.ExportView) dynamic {
	var out dynamic
	for _, service := range offered(services) {
		for _, route := range service.Routes {
			into := &out.HTTP
			if route.Protocol == fleet.ProtocolTCP {
				into = &out.TCP
			}
			if *into == nil {
				*into = &layer{Services: map[string]upstream{}}
			}
			(*into).add(service, route)
		}
	}
	return out
}

// add has a service for the route, and where its endpoints differ in weight, or clients
// stay at them, others behind it.
func (l *layer) add(service fleet.ExportView, route fleet.Route) {
	called := name(service.Service, route.Target)
	for i, r := range routers(called, route) {
		if l.Routers == nil {
			l.Routers = map[string]router{}
		}
		l.Routers[fmt.Sprintf("%s.%d", called, i+1)] = r
	}
	endpoints := ready(service, route)
	parts := shares(called, route, endpoints)
	if len(parts) == 0 || len(parts) == 1 && !route.Sticky {
		l.Services[called] = upstream{LoadBalancer: balanced(service, route, endpoints)}
		return
	}
	all := &weighted{Sticky: stays(route)}
	if checksHTTP(service, route) {
		all.HealthCheck = &struct{}{}
	}
	for _, p := range parts {
		l.Services[p.name] = upstream{LoadBalancer: balanced(service, route, p.endpoints)}
		all.Services = append(all.Services, share{Name: p.name, Weight: p.weight * len(p.endpoints)})
	}
	l.Services[called] = upstream{Weighted: all}
}

// part are endpoints of one weight.
type part struct {
	name      string
	weight    int // of each
	endpoints []one
}

// shares are the parts of a service. Where clients stay, each endpoint is one by itself:
// the cookie has a part's name, which must not change with the weights.
func shares(called string, route fleet.Route, endpoints []one) (parts []part) {
	for _, e := range endpoints {
		name := fmt.Sprintf("%s.weight-%d", called, e.Weight)
		if route.Sticky {
			name = called + "." + e.Instance
		}
		i := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
		if i < 0 {
			i = len(parts)
			parts = append(parts, part{name: name, weight: e.Weight})
		}
		parts[i].endpoints = append(parts[i].endpoints, e)
	}
	return parts
}

func balanced(service fleet.ExportView, route fleet.Route, endpoints []one) *loadBalancer {
	out := &loadBalancer{Servers: []server{}}
	if route.SendProxy {
		out.Proxy = &proxy{Version: 1}
	}
	for _, e := range endpoints {
		switch route.Protocol {
		case fleet.ProtocolTCP:
			out.Servers = append(out.Servers, server{Address: e.address})
		case fleet.ProtocolGRPC:
			out.Servers = append(out.Servers, server{URL: "h2c://" + e.address})
		default:
			out.Servers = append(out.Servers, server{URL: "http://" + e.address})
		}
	}
	if checksHTTP(service, route) {
		out.HealthCheck = &healthCheck{
			Path:     cmp.Or(service.Check.Path, "/"),
			Interval: service.Check.Interval.Or(checkInterval).String(),
			Timeout:  service.Check.Timeout.Or(checkInterval).String(),
		}
	}
	return out
}

// stays is how a client is kept at its endpoint; nil: it isn't.
func stays(route fleet.Route) *sticky {
	if !route.Sticky {
		return nil
	}
	out := &sticky{}
	out.Cookie.Name, out.Cookie.HTTPOnly = cookie, true
	return out
}
