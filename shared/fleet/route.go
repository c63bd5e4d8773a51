package fleet

import "slices"

// Protocols of a route.
const (
	ProtocolHTTP = "http" // HTTP/1: each request goes where there is room; with TLS, HTTP/2 too
	ProtocolTCP  = "tcp"  // bytes: each connection does
	ProtocolGRPC = "grpc" // HTTP/2, in clear text where no certificate is: each call does, and a stream stays where it began
)

// Algorithms by which a balancer chooses an endpoint; empty: in turn.
const (
	AlgorithmLeastConn = "leastconn" // the one with the fewest open connections for its weight
	AlgorithmSource    = "source"    // by the client's address, the same one while it is there
)

// Route is one container port, the ports that balancers listen on for it, and
// how they treat what comes in. Who adds a field adds a feature to Features.
type Route struct {
	Target   int    `json:"target"`
	Listen   []int  `json:"listen"` // sorted
	Protocol string `json:"protocol"`
	// Hosts and Paths say which requests are for it, so that routes may share a
	// listening port; http and grpc only. Hosts are names in lower case like
	// "shop.example.com", or "*.example.com" for every name below one; empty: any.
	// Paths begin with '/' and mean themselves and what is below them, so "/api" is
	// for /api and /api/x and not for /apis; empty: any. Both are sorted. An exact
	// name comes before a wildcard, the longer wildcard before the shorter, that
	// before any; then the longer path comes first.
	Hosts []string `json:"hosts,omitempty"`
	Paths []string `json:"paths,omitempty"`
	// Named are the ports of Listen that are there for the service's own name, and
	// for no other route: Hosts and Paths don't hold on them. Only where there are any.
	Named []int `json:"named,omitempty"`
	// Certificates are, by port of Listen, the names of certificates that the
	// balancer's host has: clients speak TLS there, and the name that they ask for
	// decides which of them is shown, the first where none fits. A port without
	// any is in clear text.
	Certificates map[int][]string `json:"certificates,omitempty"`
	Algorithm    string           `json:"algorithm,omitempty"`
	// Sticky keeps a client at its endpoint by a cookie, while that endpoint is
	// ready; http only.
	Sticky   bool      `json:"sticky,omitempty"`
	Timeouts *Timeouts `json:"timeouts,omitempty"` // nil: the balancer's own
	// SendProxy tells endpoints the client's address by the PROXY protocol,
	// version 1, before anything else; tcp only. The balancer's check does, too.
	SendProxy bool `json:"sendProxy,omitempty"`
	// AcceptProxy are the ports of Listen whose clients come through another
	// balancer that speaks the PROXY protocol, version 1 or 2. Who doesn't speak it doesn't get in; who does is believed.
	AcceptProxy []int `json:"acceptProxy,omitempty"` // sorted
	// Snippets are lines in a balancer's own language, by driver ("haproxy",
	// "nginx"): they are added to the section of this route and nowhere else.
	Snippets map[string]string `json:"snippets,omitempty"`
}

// Timeouts of a route. Zero: the balancer's own.
type Timeouts struct {
	Connect Duration `json:"connect,omitempty"` // to an endpoint
	Request Duration `json:"request,omitempty"` // without a byte from an endpoint that has a request; http only
	Idle    Duration `json:"idle,omitempty"`    // a client's connection without a request is kept so long; http only
	Tunnel  Duration `json:"tunnel,omitempty"`  // without a byte on a TCP connection, a WebSocket or in a gRPC call
}

// Routed says whether the port is one where host names and paths decide.
func (r *Route) Routed(port int) bool {
	return (len(r.Hosts) > 0 || len(r.Paths) > 0) && !slices.Contains(r.Named, port)
}

// Features are what a balancer has to know for the route, sorted.
func (r *Route) Features() (features []string) {
	add := func(asked bool, feature string) {
		if asked {
			features = append(features, feature)
		}
	}
	add(r.Algorithm != "", BalancerAlgorithms)
	add(r.Protocol == ProtocolGRPC, BalancerGRPC)
	add(r.SendProxy || len(r.AcceptProxy) > 0, BalancerProxy)
	add(len(r.Hosts)+len(r.Paths)+len(r.Named) > 0, BalancerRouting)
	add(len(r.Snippets) > 0, BalancerSnippets)
	add(r.Sticky, BalancerSticky)
	add(r.Timeouts != nil, BalancerTimeouts)
	add(len(r.Certificates) > 0, BalancerTLS)
	return features
}
