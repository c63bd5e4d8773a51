package lbconf

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// Listener is a port to listen on with all that is served there.
type Listener struct {
	Port int
	// Certificates are names of certificates; the first is shown where none fits the
	// name that a client asks for. None: clear text.
	Certificates []string
	AcceptProxy  bool // clients come through another balancer, by the PROXY protocol
	// Shared: host names and paths decide, and what fits none of them is answered
	// with 404. Else there is one match, of all that comes.
	Shared  bool
	Matches []Match // what comes first is asked first
}

// Match is a part of what comes to a listener, and the route that it is for.
type Match struct {
	Host  string // "a.example", "*.example", or any where it is empty
	Path  string // a prefix that ends where a segment does, or any where it is empty
	Pool  *fleet.Pool
	Route *fleet.Route
}

// Server is a listener as seen by one host name: its own matches, and those of
// wildcards and of any host that it leaves something to.
type Server struct {
	Host    string // "" is for every name that no other server has
	Matches []Match
}

// Listeners are what the pools listen on, sorted by port; removed pools don't. It
// refuses two routes that would have to share a port and can't.
func Listeners(pools []fleet.Pool) ([]Listener, error) {
	all := map[int]*Listener{}
	for i := range pools {
		if pools[i].Removed {
			continue
		}
		for j := range pools[i].Routes {
			for _, port := range pools[i].Routes[j].Listen {
				if err := enter(all, port, &pools[i], &pools[i].Routes[j]); err != nil {
					return nil, err
				}
			}
		}
	}
	var out []Listener
	for _, port := range slices.Sorted(maps.Keys(all)) {
		slices.SortStableFunc(all[port].Matches, Match.compare)
		out = append(out, *all[port])
	}
	return out, nil
}

// enter adds a route to its port's listener.
func enter(all map[int]*Listener, port int, pool *fleet.Pool, route *fleet.Route) error {
	l := all[port]
	if l == nil {
		l = &Listener{Port: port, AcceptProxy: slices.Contains(route.AcceptProxy, port)}
		all[port] = l
	} else if why := unshared(port, l.Matches[0].Route, route); why != "" {
		return fleet.Conflict(pool.Service.String(), "port %d belongs to %s already, and %s", port, l.Matches[0].Pool.Service, why).
			WithHint("give one of them another port")
	}
	l.Shared = l.Shared || route.Routed(port)
	for _, name := range route.Certificates[port] {
		if !slices.Contains(l.Certificates, name) {
			l.Certificates = append(l.Certificates, name)
		}
	}
	for _, pair := range Pairs(port, route) {
		for _, other := range l.Matches {
			if other.Host == pair.Host && other.Path == pair.Path {
				return fleet.Conflict(pool.Service.String(), "%s on port %d belongs to %s already", pair, port, other.Pool.Service).
					WithHint("give one of them another port, host name or path")
			}
		}
		l.Matches = append(l.Matches, Match{Host: pair.Host, Path: pair.Path, Pool: pool, Route: route})
	}
	return nil
}

// Clash says why two routes can't share a port, in words that follow "and"; empty:
// they can, by their host names and paths.
func Clash(port int, a, b *fleet.Route) string {
	if why := unshared(port, a, b); why != "" {
		return why
	}
	theirs := Pairs(port, b)
	for _, pair := range Pairs(port, a) {
		if slices.Contains(theirs, pair) {
			return "both are for " + pair.String()
		}
	}
	return ""
}

// unshared says why two routes can't share a port, whatever their host names and
// paths are.
func unshared(port int, a, b *fleet.Route) string {
	tls := len(a.Certificates[port]) > 0
	switch {
	case a.Protocol == fleet.ProtocolTCP || b.Protocol == fleet.ProtocolTCP:
		return "only http and grpc share a port"
	case slices.Contains(a.Named, port) || slices.Contains(b.Named, port):
		return "one of them has it for its name alone"
	case tls != (len(b.Certificates[port]) > 0):
		return "a port has TLS for all or for none"
	case a.Protocol != b.Protocol && !tls:
		return "http and grpc share a port with TLS only"
	case slices.Contains(a.AcceptProxy, port) != slices.Contains(b.AcceptProxy, port):
		return "a port has the PROXY protocol for all or for none"
	}
	return ""
}

// Pair is a host name and a path that belong to one route of a port; empty: any.
type Pair struct{ Host, Path string }

// String writes it like "shop.example.com/api".
func (p Pair) String() string {
	switch {
	case p.Host == "" && p.Path == "":
		return "any host and path"
	case p.Host == "":
		return "path " + p.Path
	}
	return p.Host + p.Path
}

// Pairs are a route's on a port, sorted.
func Pairs(port int, route *fleet.Route) (pairs []Pair) {
	hosts, paths := route.Hosts, route.Paths
	if !route.Routed(port) {
		hosts, paths = nil, nil
	}
	for _, host := range orAny(hosts) {
		for _, path := range orAny(paths) {
			pairs = append(pairs, Pair{host, path})
		}
	}
	return pairs
}

// Serves says whether all that comes to a route on a port was for another one, too.
func Serves(port int, was, route *fleet.Route) bool {
	return slices.Contains(was.Listen, port) && !slices.ContainsFunc(Pairs(port, route), func(p Pair) bool {
		return !slices.ContainsFunc(Pairs(port, was), func(w Pair) bool {
			return covers(w.Host, p.Host) && (w.Path == "" || w.Path == p.Path || strings.HasPrefix(p.Path, w.Path+"/"))
		})
	})
}

func orAny(list []string) []string {
	if len(list) == 0 {
		return []string{""}
	}
	return list
}

// compare puts first what is asked first: exact names, the longer wildcards, any
// host, and of each the longer paths.
func (m Match) compare(other Match) int {
	return cmp.Or(
		cmp.Compare(kind(m.Host), kind(other.Host)),
		wider(m.Host, other.Host),
		wider(m.Path, other.Path),
	)
}

func kind(host string) int {
	switch {
	case host == "":
		return 2
	case strings.HasPrefix(host, "*."):
		return 1
	}
	return 0
}

// wider puts the longer one first.
func wider(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b)) }

// Servers are the listener by host names, those asked first at the front. The last
// one is that of any host, and may have no match.
func (l Listener) Servers() []Server {
	var out []Server
	for _, m := range l.Matches {
		if m.Host != "" && (len(out) == 0 || out[len(out)-1].Host != m.Host) {
			out = append(out, Server{Host: m.Host})
		}
	}
	out = append(out, Server{})
	for i := range out {
		out[i].Matches = l.of(out[i].Host)
	}
	return out
}

// of are the matches that a host name's requests come to, the longest path first
// of each host that it is; a path that is there twice is the first one's.
func (l Listener) of(host string) (matches []Match) {
	seen := map[string]bool{}
	for _, m := range l.Matches {
		if covers(m.Host, host) && !seen[m.Path] && !seen[""] {
			seen[m.Path] = true
			matches = append(matches, m)
		}
	}
	return matches
}

// covers says whether a request for one of host's names is one for pattern's, too.
func covers(pattern, host string) bool {
	suffix, wild := strings.CutPrefix(pattern, "*")
	return pattern == "" || pattern == host || wild && host != "" && strings.HasSuffix(strings.TrimPrefix(host, "*"), suffix)
}
