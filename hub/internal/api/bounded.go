package api

import (
	"net"
	"net/netip"
	"sync"
)

// Bounds of the connections of those who may be anybody.
const (
	mostConnections = 4096 // of all
	mostOfAddress   = 512  // of one address
	// roomShare is the part of the room that is left which one address may take: so
	// there is always some left for others.
	roomShare = 4
)

// Bounded is a listener that closes connections which are too many, so that no crowd
// takes all the files that the hub may open: without them it takes no agent in either.
func Bounded(inner net.Listener) net.Listener {
	return newBounded(inner, mostConnections, mostOfAddress)
}

func newBounded(inner net.Listener, all, each int) *bounded {
	return &bounded{Listener: inner, all: all, each: each, by: map[netip.Prefix]int{}}
}

type bounded struct {
	net.Listener
	all, each int

	mu   sync.Mutex // guards the rest
	open int
	by   map[netip.Prefix]int
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := network(conn.RemoteAddr())
		if b.enter(from) {
			return &boundedConn{Conn: conn, left: sync.OnceFunc(func() { b.leave(from) })}, nil
		}
		_ = conn.Close()
	}
}

func (b *bounded) enter(from netip.Prefix) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	room := b.all - b.open
	if room <= 0 || b.by[from] >= min(b.each, max(1, room/roomShare)) {
		return false
	}
	b.open++
	b.by[from]++
	return true
}

func (b *bounded) leave(from netip.Prefix) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open--
	if b.by[from]--; b.by[from] <= 0 {
		delete(b.by, from)
	}
}

type boundedConn struct {
	net.Conn
	left func()
}

func (c *boundedConn) Close() error {
	c.left()
	return c.Conn.Close()
}

// network is whom an address counts for: with IPv6, one has a whole network of them.
func network(address net.Addr) netip.Prefix {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	prefix, _ := ip.Prefix(bits) // the number of bits fits
	return prefix
}
