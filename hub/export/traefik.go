package export

import (
	"cmp"
	"fmt"

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
	Sticky      *sticky      `json:"sticky,omitempty"`
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

type weighted struct {
	Services []share `json:"services"`
	Sticky   *sticky `json:"sticky,omitempty"`
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

// add has a service for the route, and where its endpoints differ in weight, one for
// each weight behind it.
func (l *layer) add(service fleet.ExportView, route fleet.Route) {
	called := name(service.Service, route.Target)
	for i, r := range routers(called, route) {
		if l.Routers == nil {
			l.Routers = map[string]router{}
		}
		l.Routers[fmt.Sprintf("%s.%d", called, i+1)] = r
	}
	byWeight, weights := map[int][]one{}, []int{}
	for _, e := range ready(service, route) {
		if byWeight[e.Weight] == nil {
			weights = append(weights, e.Weight)
		}
		byWeight[e.Weight] = append(byWeight[e.Weight], e)
	}
	if len(weights) < 2 {
		l.Services[called] = upstream{LoadBalancer: balanced(service, route, ready(service, route))}
		return
	}
	all := &weighted{Sticky: stays(route)}
	for _, weight := range weights {
		part := fmt.Sprintf("%s.weight-%d", called, weight)
		l.Services[part] = upstream{LoadBalancer: balanced(service, route, byWeight[weight])}
		all.Services = append(all.Services, share{Name: part, Weight: weight * len(byWeight[weight])})
	}
	l.Services[called] = upstream{Weighted: all}
}

func balanced(service fleet.ExportView, route fleet.Route, endpoints []one) *loadBalancer {
	out := &loadBalancer{Servers: []server{}, Sticky: stays(route)}
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
