package broker

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/time/rate"
)

// entrance bounds what those may take of the hub who haven't proved who they are:
// there may be thousands who never will.
type entrance struct {
	perIP, all int
	each       rate.Limit
	pace       *rate.Limiter

	mu      sync.Mutex // guards the rest
	inside  int
	pending map[netip.Prefix]int
	hands   map[netip.Prefix]*rate.Limiter
}

// maxAddresses are remembered; who is forgotten begins anew.
const maxAddresses = 1 << 14

func newEntrance(o *Options) *entrance {
	return &entrance{
		perIP: o.PendingPerIP, all: o.Pending, each: rate.Limit(o.HandshakesPerIP),
		pace:    rate.NewLimiter(rate.Limit(o.Handshakes), max(1, int(o.Handshakes/10))),
		pending: map[netip.Prefix]int{}, hands: map[netip.Prefix]*rate.Limiter{},
	}
}

// enter lets a connection in that hasn't said who it is, or not.
func (e *entrance) enter(from netip.Prefix) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.inside >= e.all || e.pending[from] >= e.perIP {
		return false
	}
	e.inside++
	e.pending[from]++
	return true
}

// leave is for who has said who it is, or has gone.
func (e *entrance) leave(from netip.Prefix) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.inside--
	if e.pending[from]--; e.pending[from] <= 0 {
		delete(e.pending, from)
	}
}

// handshake waits for the turn of a connection; false: its address has had its
// share, or the wait was too long.
func (e *entrance) handshake(ctx context.Context, from netip.Prefix) bool {
	return e.share(from).Allow() && e.pace.Wait(ctx) == nil
}

func (e *entrance) share(from netip.Prefix) *rate.Limiter {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l := e.hands[from]; l != nil {
		return l
	}
	if len(e.hands) >= maxAddresses {
		clear(e.hands)
	}
	l := rate.NewLimiter(e.each, max(1, int(2*e.each)))
	e.hands[from] = l
	return l
}

// origin is whom an address counts for: with IPv6, one has a whole network of
// them.
func origin(address net.Addr) netip.Prefix {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap()
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	prefix, _ := ip.Prefix(bits) // the number of bits fits
	return prefix
}
