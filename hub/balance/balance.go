// Package balance gathers the addresses of a service's instances into pools
// for balancers, and answers when an instance that leaves may be stopped: the
// drain barrier. It is pure.
package balance

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// Member is one instance that has, or had, an address to offer.
type Member struct {
	ID      string
	Version int
	Address string
	Ports   map[int]int
	// Balancing is how its version was offered; nil: not at all.
	Balancing *fleet.Balancing
	// Ready is latched: set by a report, cleared only by another.
	Ready bool
	// Dead: its agent reports that no container of it runs.
	Dead bool
	// Leaving: it drains or stops.
	Leaving bool
	// Weight of its share of the traffic, up to fleet.MaxWeight; 0: the default.
	Weight int
	// Parked: it is to have no traffic. Reserve: unless nobody else is ready.
	Parked  bool
	Reserve bool
}

// Input is one service and the balancers of one host.
type Input struct {
	Service   fleet.ServiceKey
	Balancing *fleet.Balancing // nil: not offered on this host (any more)
	// NamePorts are container ports that balancers listen on besides, so that
	// the service is reached by name as on one machine.
	NamePorts []int
	Balancers []string // names on this host, sorted
	Members   []Member // sorted by ID
	Previous  *fleet.Pool
	// Unparked: these balancers don't know what parked is.
	Unparked bool
	// Sent are members that these balancers have, whatever Previous says: an older
	// one may have come back.
	Sent map[string]bool
}

// Pool is the pool as it should be published, without its generation. held
// names the endpoints that keep their traffic although they are reported
// unready, because without them less than half of the pool would be left and
// nobody ordered that: the balancer's own check decides about those.
func Pool(in Input) (pool fleet.Pool, held []string) {
	if in.Balancing == nil || len(in.Balancers) == 0 {
		return removed(in), nil
	}
	pool = fleet.Pool{
		Service:      in.Service,
		Balancers:    in.Balancers,
		Routes:       routes(in.Balancing.Routes, in.NamePorts),
		DrainTimeout: fleet.Duration(in.Balancing.DrainTimeout.Or(fleet.DefaultDrainTimeout)),
	}
	previous := states(in.Previous)
	parked := parked(in.Members)
	var inside []Member
	for _, m := range in.Members {
		_, known := previous[m.ID]
		if m.Address == "" || m.Leaving && !known && !in.Sent[m.ID] {
			continue
		}
		pool.Endpoints = append(pool.Endpoints, fleet.Endpoint{
			Instance: m.ID, Version: m.Version, Address: m.Address, Ports: ports(m, in.Balancing.Routes),
			Weight: cmp.Or(m.Weight, fleet.DefaultWeight), State: state(m, parked[m.ID]),
		})
		inside = append(inside, m)
	}
	pool.Check = check(in.Balancing.Check, inside)
	held = hold(&pool, in.Members, previous, parked)
	if in.Unparked {
		unpark(&pool, in.Members, previous)
	}
	return pool, held
}

// unpark leaves what is parked the least of the traffic: to take all from it, as
// older balancers could, would take it before others serve. What never had any
// gets none.
func unpark(pool *fleet.Pool, members []Member, previous map[string]string) {
	had := map[string]bool{}
	for _, m := range members {
		had[m.ID] = m.Reserve || previous[m.ID] == fleet.EndpointReady
	}
	for i := range pool.Endpoints {
		switch e := &pool.Endpoints[i]; {
		case e.State != fleet.EndpointParked:
		case had[e.Instance]:
			e.State, e.Weight = fleet.EndpointReady, 1
		default:
			e.State = fleet.EndpointPreparing
		}
	}
}

func removed(in Input) fleet.Pool {
	pool := fleet.Pool{Service: in.Service, Removed: true, Balancers: in.Balancers}
	if in.Previous != nil {
		pool.Balancers = in.Previous.Balancers
	}
	return pool
}

// ports are a member's host ports by the targets of the routes. A version that
// served a listener on another port than today's is on that listener's route
// all the same, so that two versions serve it side by side; unless one of them
// calls HTTP what the other calls gRPC: no client speaks both.
func ports(m Member, routes []fleet.Route) map[int]int {
	out := m.Ports
	if m.Balancing == nil {
		return out
	}
	for _, route := range routes {
		if m.Ports[route.Target] != 0 {
			continue
		}
		for _, was := range m.Balancing.Routes {
			served := func(port int) bool { return lbconf.Serves(port, &was, &route) }
			if m.Ports[was.Target] != 0 && alike(was.Protocol, route.Protocol) && slices.ContainsFunc(route.Listen, served) {
				out = maps.Clone(out)
				out[route.Target] = m.Ports[was.Target]
				break
			}
		}
	}
	return out
}

// alike reports whether one listener may serve both protocols: to one of TCP
// all are bytes.
func alike(a, b string) bool {
	return a == b || a == fleet.ProtocolTCP || b == fleet.ProtocolTCP
}

// check is what all endpoints of the pool can be asked: while a version that
// was checked in another way is there too, no more than a connection. Their
// agents' probes know better.
func check(asked fleet.Check, members []Member) fleet.Check {
	for _, m := range members {
		if was := m.Balancing; was != nil && (was.Check.Type != asked.Type || was.Check.Path != asked.Path) {
			asked.Type, asked.Path = fleet.ProbeTCP, ""
		}
	}
	return asked
}

// parked are the members that get no traffic though they may be ready. The reserve
// among them does, where nobody else is ready.
func parked(members []Member) map[string]bool {
	out, serves := map[string]bool{}, false
	for _, m := range members {
		serves = serves || !m.Parked && m.Ready && !m.Leaving
	}
	for _, m := range members {
		if m.Parked && (serves || !m.Reserve) {
			out[m.ID] = true
		}
	}
	return out
}

func state(m Member, parked bool) string {
	switch {
	case m.Leaving:
		return fleet.EndpointDraining
	case m.Ready && parked:
		return fleet.EndpointParked
	case m.Ready:
		return fleet.EndpointReady
	default:
		return fleet.EndpointPreparing
	}
}

// hold gives endpoints back their traffic where losing them was nobody's
// order and would leave less than half, or nothing.
func hold(pool *fleet.Pool, members []Member, previous map[string]string, parked map[string]bool) (held []string) {
	dead := map[string]bool{}
	for _, m := range members {
		dead[m.ID] = m.Dead
	}
	staying, ready := 0, 0
	for _, e := range pool.Endpoints {
		if e.State != fleet.EndpointDraining && previous[e.Instance] != "" && !parked[e.Instance] {
			staying++
		}
		if e.State == fleet.EndpointReady {
			ready++
		}
	}
	for i := range pool.Endpoints {
		e := &pool.Endpoints[i]
		lost := e.State == fleet.EndpointPreparing && previous[e.Instance] == fleet.EndpointReady && !parked[e.Instance]
		if lost && (ready == 0 || !dead[e.Instance] && 2*ready < staying) {
			e.State = fleet.EndpointReady
			held = append(held, e.Instance)
		}
	}
	return held
}

func states(pool *fleet.Pool) map[string]string {
	out := map[string]string{}
	if pool != nil {
		for _, e := range pool.Endpoints {
			out[e.Instance] = e.State
		}
	}
	return out
}

// routes adds the name ports to what was asked for.
func routes(asked []fleet.Route, namePorts []int) []fleet.Route {
	byName := map[int]bool{}
	for _, port := range namePorts {
		byName[port] = true
	}
	out := make([]fleet.Route, len(asked))
	for i, r := range asked {
		listen := append([]int(nil), r.Listen...)
		if byName[r.Target] {
			listen = append(listen, r.Target)
			sort.Ints(listen)
		}
		out[i] = r
		out[i].Listen = listen
		if byName[r.Target] && len(r.Hosts)+len(r.Paths) > 0 {
			out[i].Named = []int{r.Target}
		}
	}
	return out
}

// Selected reports whether a service wants to be on this balancer.
func Selected(b *fleet.Balancing, key fleet.BalancerKey) bool {
	if b == nil {
		return false
	}
	if len(b.Balancers) == 0 {
		return true
	}
	for _, name := range b.Balancers {
		if name == key.Name || name == key.String() {
			return true
		}
	}
	return false
}

// MayMeet reports whether a balancer, there or yet to join, may be in both
// selections: names, or host/name; empty: all.
func MayMeet(a, b []string) bool {
	if len(a) == 0 || len(b) == 0 {
		return true
	}
	for _, x := range a {
		for _, y := range b {
			if x == y || strings.HasSuffix(x, "/"+y) || strings.HasSuffix(y, "/"+x) {
				return true
			}
		}
	}
	return false
}

// Drained reports whether a balancer has acknowledged that the instance left
// it: it applied a generation that is not older than the one in which the
// instance began to drain, or of one that it refuses the removals, and no
// connection is left or can come.
func Drained(report *fleet.PoolActual, instance string, since uint64) bool {
	if report == nil || max(report.Generation, report.Removals) < since {
		return false
	}
	for _, e := range report.Endpoints {
		if e.Instance == instance {
			return e.Drained && e.State != fleet.EndpointReady
		}
	}
	return true
}
