package turn

import (
	"fmt"

	"github.com/musterhq/muster/hub/balance"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// owners says who has which TCP port on which balancers. Everything that may
// want one is in this table: listeners that documents state, fixed host ports,
// name ports, and what else is bound on a balancer's host. It is filled in
// order of precedence; who comes later and meets an earlier claim doesn't get
// the port there.
type owners map[int][]claim

// claim is a hold on one port.
type claim struct {
	balancers []string // as services select them, the ones that join later included
	why       string   // says who has it, after "port 80 "
	// route may share the port with another by host names and paths; nil: none may.
	route *fleet.Route
}

// taken says who has the port on a balancer that the selection may name too;
// empty: nobody.
func (o owners) taken(port int, balancers []string) (why string) {
	return o.clash(port, balancers, nil)
}

// clash says who has the port so that a route can't have it beside them; empty: nobody.
func (o owners) clash(port int, balancers []string, route *fleet.Route) (why string) {
	for _, c := range o[port] {
		if !balance.MayMeet(c.balancers, balancers) {
			continue
		}
		if c.route == nil || route == nil {
			return c.why
		}
		if why := lbconf.Clash(port, c.route, route); why != "" {
			if c.route.Routed(port) || route.Routed(port) {
				return c.why + ", and " + why
			}
			return c.why
		}
	}
	return ""
}

func (o owners) take(port int, why string, balancers ...string) {
	o[port] = append(o[port], claim{balancers: balancers, why: why})
}

// listen enters ports that the service's balancers listen on for it alone.
func (o owners) listen(s *fleet.Service, ports ...int) {
	for _, port := range ports {
		o.take(port, has(s), s.Balancing.Balancers...)
	}
}

// state enters the listeners of a service's document.
func (o owners) state(s *fleet.Service) {
	if s.Balancing == nil {
		return
	}
	for i := range s.Balancing.Routes {
		route := &s.Balancing.Routes[i]
		for _, port := range route.Listen {
			o[port] = append(o[port], claim{s.Balancing.Balancers, has(s), route})
		}
	}
}

// refuse says that a service can't have a listener that its document states.
func (o owners) refuse(s *fleet.Service) error {
	if s.Balancing == nil {
		return nil
	}
	for i := range s.Balancing.Routes {
		route := &s.Balancing.Routes[i]
		for _, port := range route.Listen {
			why := o.clash(port, s.Balancing.Balancers, route)
			if why == "" {
				continue
			}
			e := fleet.Conflict("services."+s.Key.Name+".x-lb", "port %d %s", port, why)
			if route.Protocol != fleet.ProtocolTCP {
				return e.WithHint("choose another listen port, other balancers with x-lb.balancers, or hosts or paths of its own")
			}
			return e.WithHint("choose another listen port, or other balancers with x-lb.balancers")
		}
	}
	return nil
}

func has(s *fleet.Service) string { return fmt.Sprintf("on the balancers belongs to %s", s.Key) }

// fixed enters fixed ports on a balancer's host.
func (o owners) fixed(ports []fleet.Port, service fleet.ServiceKey, on fleet.BalancerKey) {
	for _, port := range ports {
		if port.Protocol == fleet.ProtocolTCP {
			o.take(port.Number, fmt.Sprintf("on %s, which has a balancer, is a fixed port of %s", on.Host, service), on.String())
		}
	}
}

// bound enters what is bound on the balancers' hosts now. A port that a
// balancer offers is its own, whatever its agent saw there.
func (t *tx) bound(o owners) {
	offered := owners{}
	for _, key := range t.services.keys(fleet.ServiceKey.Less) {
		s := t.services.get(key)
		offered.listen(&s.Asked, listens(s)...)
	}
	for _, key := range t.knownBalancers() {
		for _, in := range t.residents(key.Host) {
			o.fixed(t.fixedPorts(in), in.Service, key)
		}
		l := t.live.get(key.Host)
		if l == nil || l.Actual == nil {
			continue
		}
		for _, port := range l.Actual.Foreign.Ports {
			if offered.taken(port, []string{key.String()}) == "" {
				o.take(port, fmt.Sprintf("on %s, which has a balancer, is used by another process", key.Host), key.String())
			}
		}
	}
}

// mayBind enters the fixed ports of a service on every balancer's host where
// an instance of it may come to be.
func (t *tx) mayBind(o owners, s *fleet.Service) {
	ports := s.Spec.FixedPorts()
	if len(ports) == 0 {
		return
	}
	for _, key := range t.knownBalancers() {
		if h := t.hosts.get(key.Host); h != nil && suits(h, h.ID, s.Constraints) {
			o.fixed(ports, s.Key, key)
		}
	}
}
