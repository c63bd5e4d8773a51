package compose

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/shared/fleet"
)

// ports is what a service's ports and expose say.
type ports struct {
	fixed   []fixed // mode: host
	ingress []ingress
	exposed []int // container ports that are named without being published; sorted
}

// fixed is one port of the instance's own host.
type fixed struct {
	fleet.Publish
	path string
}

// ingress is one published port in the default mode: a listener on the balancers.
type ingress struct {
	listen, target int
	path           string
}

func mapPorts(p *problems, servicePath string, s types.ServiceConfig) ports {
	var out ports
	for i, port := range s.Ports {
		at := index(join(servicePath, "ports"), i)
		if port.Target < 1 || port.Target > 65535 {
			p.invalid(join(at, "target"), "must be a number from 1 to 65535, not %d", port.Target)
			continue
		}
		published, ok := mapPublished(p, at, port.Published)
		if !ok {
			continue
		}
		protocol := port.Protocol
		if protocol == "" {
			protocol = "tcp"
		}
		if protocol != "tcp" && protocol != "udp" {
			p.invalid(join(at, "protocol"), "%q is not supported", protocol).WithHint("use tcp or udp")
			continue
		}
		switch port.Mode {
		case "", "ingress":
			out.addIngress(p, at, port, published, protocol)
		case "host":
			out.addFixed(p, at, port, published, protocol)
		default:
			p.invalid(join(at, "mode"), "%q is not supported", port.Mode).WithHint("use ingress or host")
		}
	}
	for i, value := range s.Expose {
		out.addExposed(p, index(join(servicePath, "expose"), i), value)
	}
	slices.Sort(out.exposed)
	out.exposed = slices.Compact(out.exposed)
	return out
}

func (o *ports) addIngress(p *problems, at string, port types.ServicePortConfig, published int, protocol string) {
	switch {
	case protocol == "udp":
		p.invalid(at, "balancers don't forward udp").WithHint("add mode: host, which opens the port on the instance's own host")
	case port.HostIP != "":
		p.invalid(join(at, "host_ip"), "has no meaning on balancers").WithHint("leave it out, or add mode: host")
	case published == 0:
		o.exposed = append(o.exposed, int(port.Target))
	default:
		o.ingress = append(o.ingress, ingress{listen: published, target: int(port.Target), path: at})
	}
}

func (o *ports) addFixed(p *problems, at string, port types.ServicePortConfig, published int, protocol string) {
	publish := fleet.Publish{Target: int(port.Target), Protocol: protocol, HostPort: published}
	if port.HostIP != "" {
		ip, err := netip.ParseAddr(port.HostIP)
		switch {
		case err != nil:
			p.invalid(join(at, "host_ip"), "%q is not an IP address", port.HostIP)
		case published == 0:
			p.invalid(join(at, "host_ip"), "needs a published port")
		default:
			publish.HostIP = ip.String()
		}
	}
	if protocol == "udp" && published == 0 {
		p.invalid(join(at, "published"), "missing: a udp port needs a fixed port of the host")
	}
	for _, other := range o.fixed {
		switch {
		case other.Target == publish.Target && other.Protocol == protocol:
			p.invalid(at, "publishes %d/%s, as %s does", publish.Target, protocol, other.path).WithHint("publish a container port once per host")
			return
		case other.Target == publish.Target && other.HostPort != published:
			p.invalid(at, "publishes %d on another host port than %s does", publish.Target, other.path).WithHint("use the same host port for tcp and udp")
			return
		case other.HostPort == published && published != 0 && other.Protocol == protocol:
			p.invalid(at, "takes host port %d, as %s does", published, other.path)
			return
		}
	}
	o.fixed = append(o.fixed, fixed{Publish: publish, path: at})
}

func (o *ports) addExposed(p *problems, at, value string) {
	number, protocol, found := strings.Cut(value, "/")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > 65535 || found && protocol != "tcp" && protocol != "udp" {
		p.invalid(at, "%q is not a port", value).WithHint("write it like 8080")
		return
	}
	if protocol != "udp" {
		o.exposed = append(o.exposed, n)
	}
}

// mapPublished reads a published port: nothing, "0" or a number.
func mapPublished(p *problems, at, text string) (int, bool) {
	if text == "" {
		return 0, true
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 65535 {
		p.invalid(join(at, "published"), "must be one number from 1 to 65535, not %q", text)
		return 0, false
	}
	return n, true
}

// publish is every container port that must be reachable on its host: the
// fixed ones, and by a port of the agent's choice what balancers and the
// probe need.
func publish(o ports, balancing *fleet.Balancing, probe *fleet.Probe) []fleet.Publish {
	var out []fleet.Publish
	for _, f := range o.fixed {
		out = append(out, f.Publish)
	}
	need := func(target int) {
		if !slices.ContainsFunc(out, func(f fleet.Publish) bool { return f.Target == target && f.Protocol == "tcp" }) {
			out = append(out, fleet.Publish{Target: target, Protocol: "tcp"})
		}
	}
	if balancing != nil {
		for _, route := range balancing.Routes {
			need(route.Target)
		}
	}
	if probe != nil {
		need(probe.Port)
	}
	slices.SortFunc(out, func(a, b fleet.Publish) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Protocol, b.Protocol))
	})
	return out
}

// warnElsewhere tells of ports that balancers should send to, and reach on no
// host but one that advertises just that address.
func (o *ports) warnElsewhere(p *problems, balancing *fleet.Balancing) {
	if balancing == nil {
		return
	}
	for _, f := range o.fixed {
		ip, err := netip.ParseAddr(f.HostIP)
		offered := slices.ContainsFunc(balancing.Routes, func(r fleet.Route) bool { return r.Target == f.Target })
		if err == nil && !ip.IsUnspecified() && offered && f.Protocol == "tcp" {
			p.warn(join(f.path, "host_ip"), "balancers send to container port %d, and reach it on no host but one that advertises %s", f.Target, f.HostIP)
		}
	}
}
