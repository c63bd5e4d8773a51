package compose

import (
	"cmp"
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

// maxRoutes bounds the container ports that one service offers.
const maxRoutes = 64

// routes puts together what ports and x-lb say about each container port.
type routes struct {
	p        *problems
	byTarget map[int]*fleet.Route
	stated   map[int]string            // container port: where its protocol was stated
	first    map[int]map[string]string // container port, and key: where it was stated
	listens  map[int][]claim           // by port
}

// mapBalancing makes a service's offer on the balancers: a TCP listener for
// every ingress port, refined or added to by x-lb. It returns the ports that
// the offer claims.
func mapBalancing(p *problems, servicePath string, value any, o ports) (*fleet.Balancing, []claim) {
	entries := parseLB(p, join(servicePath, keyLB), value)
	r := &routes{p: p, byTarget: map[int]*fleet.Route{}, stated: map[int]string{}, first: map[int]map[string]string{}, listens: map[int][]claim{}}
	for _, in := range o.ingress {
		r.add(in.path, in.listen, in.target)
	}
	for _, entry := range entries {
		r.refine(entry, o)
	}
	for _, entry := range entries {
		r.suits(entry, o)
	}
	if len(r.byTarget) == 0 {
		return nil, nil
	}
	if len(r.byTarget) > maxRoutes {
		p.invalid(servicePath, "%d container ports on the balancers; the limit is %d", len(r.byTarget), maxRoutes)
	}
	b := &fleet.Balancing{Check: fleet.Check{Type: fleet.ProbeTCP}}
	for _, route := range r.byTarget {
		slices.Sort(route.Listen)
		b.Routes = append(b.Routes, *route)
	}
	slices.SortFunc(b.Routes, func(x, y fleet.Route) int { return cmp.Compare(x.Target, y.Target) })
	mergeShared(p, entries, b)
	if b.Check.Type == fleet.ProbeHTTP && !slices.ContainsFunc(b.Routes, answersHTTP) {
		p.invalid(join(servicePath, keyLB), "the check asks for an HTTP page, and every container port speaks grpc").
			WithHint("leave the check out, so that the balancers only connect; x-probe may still ask for a page")
	}
	var claims []claim
	for _, port := range r.listens {
		for _, c := range port {
			c.service, c.balancers, c.route = servicePath, b.Balancers, r.byTarget[c.target]
			claims = append(claims, c)
		}
	}
	return b, claims
}

// answersHTTP reports whether a route's check can be a request for a page.
func answersHTTP(route fleet.Route) bool { return route.Protocol != fleet.ProtocolGRPC }

// add gives a container port one more listener.
func (r *routes) add(path string, listen, target int) {
	if slices.ContainsFunc(r.listens[listen], func(c claim) bool { return c.target == target }) {
		return
	}
	r.listens[listen] = append(r.listens[listen], claim{listen: listen, target: target, path: path})
	route := r.byTarget[target]
	if route == nil {
		route = &fleet.Route{Target: target, Protocol: fleet.ProtocolTCP}
		r.byTarget[target] = route
	}
	route.Listen = append(route.Listen, listen)
}

// refine applies one entry of x-lb.
func (r *routes) refine(entry lb, o ports) {
	target, ok := r.target(entry, o)
	if !ok {
		return
	}
	if entry.listen != 0 {
		r.add(entry.path, entry.listen, target)
	}
	route := r.byTarget[target]
	if route == nil {
		if entry.listen == 0 {
			r.p.invalid(join(entry.path, "listen"), "missing: no port of the balancers is named for container port %d", target).
				WithHint("add listen: with the port that clients use")
		}
		return
	}
	r.ask(entry, route)
	protocol := entry.protocol
	if protocol == "" && entry.listen != 0 {
		protocol = fleet.ProtocolHTTP
	}
	if protocol == "" {
		return
	}
	if first, twice := r.stated[target]; twice && route.Protocol != protocol {
		r.p.add(fleet.Conflict(join(entry.path, "protocol"), "container port %d speaks %s here and %s at %s", target, protocol, route.Protocol, first))
		return
	}
	route.Protocol, r.stated[target] = protocol, entry.path
}

// target finds the container port that an entry means.
func (r *routes) target(entry lb, o ports) (int, bool) {
	if entry.target != 0 {
		return entry.target, true
	}
	if known := r.listens[entry.listen]; len(known) == 1 {
		return known[0].target, true
	}
	named := slices.Clone(o.exposed)
	for _, in := range o.ingress {
		named = append(named, in.target)
	}
	slices.Sort(named)
	named = slices.Compact(named)
	switch {
	case len(named) == 1:
		return named[0], true
	case entry.listen != 0:
		return entry.listen, true
	}
	r.p.invalid(join(entry.path, "target"), "missing: it is not clear which container port is meant").
		WithHint("add target: with the port that the container listens on")
	return 0, false
}

// mergeShared takes what holds for a service as a whole from whichever
// entries state it; they must agree.
func mergeShared(p *problems, entries []lb, b *fleet.Balancing) {
	var check, drain, balancers string
	for _, e := range entries {
		if e.check != nil {
			if check != "" && b.Check != *e.check {
				p.add(fleet.Conflict(join(e.path, "check"), "differs from %s.check: a service has one check", check))
			}
			check, b.Check = e.path, *e.check
		}
		if e.drain != 0 {
			if drain != "" && b.DrainTimeout != e.drain {
				p.add(fleet.Conflict(join(e.path, "drain"), "differs from %s.drain: a service has one", drain))
			}
			drain, b.DrainTimeout = e.path, e.drain
		}
		if e.balancers != nil {
			if balancers != "" && !slices.Equal(b.Balancers, e.balancers) {
				p.add(fleet.Conflict(join(e.path, "balancers"), "differ from %s.balancers: a service is on one set", balancers))
			}
			balancers, b.Balancers = e.path, e.balancers
		}
	}
}
