package broker

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// entrance bounds what those may take of the hub who haven't proved who they are:
// there may be thousands who never will.
type entrance struct {
	perIP, all int
	each       rate.Limit
	pace       *rate.Limiter // of all
	crowded    *rate.Limiter // of those whose address has begun others lately; they have a half of it

	// answering bounds how many handshakes are worked on at the same time, as a gate
	// does for packets: thousands at once would leave those who are in without the
	// processors, until they give up and begin anew, too.
	answering chan struct{}

	mu      sync.Mutex // guards the rest
	inside  int
	pending map[netip.Prefix]int
	hands   map[netip.Prefix]*hands
}

// hands bounds the handshakes of one address: calm is for the first few.
type hands struct{ all, calm *rate.Limiter }

// calmBurst and calmRate are what a machine needs that has one host or a few.
const (
	calmBurst = 8
	calmRate  = rate.Limit(0.5)
)

// maxTurn is how long somebody waits for a handshake at most: less than agents do
// for their session. Who is turned away comes back after a pause that grows, so it
// is better to have many wait.
const maxTurn = 8 * time.Second

// maxAddresses are remembered; who is forgotten begins anew.
const maxAddresses = 1 << 14

func newEntrance(o *Options) *entrance {
	return &entrance{
		perIP: o.PendingPerIP, all: o.Pending, each: rate.Limit(o.HandshakesPerIP),
		pace:      rate.NewLimiter(rate.Limit(o.Handshakes), max(1, int(o.Handshakes/10))),
		crowded:   rate.NewLimiter(rate.Limit(o.Handshakes/2), max(1, int(o.Handshakes/20))),
		answering: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		pending:   map[netip.Prefix]int{}, hands: map[netip.Prefix]*hands{},
	}
}

// roomShare is the part of the room that is left which one address may take: so
// there is always some left for others, however many addresses take theirs.
const roomShare = 4

// enter lets a connection in that hasn't said who it is, or not.
func (e *entrance) enter(from netip.Prefix) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	room := e.all - e.inside
	if room <= 0 || e.pending[from] >= min(e.perIP, max(1, room/roomShare)) {
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

// turn waits for a connection's to prove who it is. Without an error, answered ends
// it.
func (e *entrance) turn(from netip.Prefix, closed <-chan struct{}) error {
	share := e.share(from)
	if !share.all.Allow() {
		return errors.New("its address has begun too many handshakes")
	}
	if !share.calm.Allow() { // before it counts in the pace of all
		if err := await(e.crowded, closed); err != nil {
			return err
		}
	}
	if err := await(e.pace, closed); err != nil {
		return err
	}
	timer := time.NewTimer(maxTurn)
	defer timer.Stop()
	select {
	case e.answering <- struct{}{}:
		return nil
	case <-timer.C:
		return errManyWait
	case <-closed:
		return net.ErrClosed
	}
}

var errManyWait = errors.New("too many wait for a handshake")

// answered is for who had its turn, and has been answered or not.
func (e *entrance) answered() { <-e.answering }

func await(l *rate.Limiter, closed <-chan struct{}) error {
	r := l.Reserve()
	wait := r.Delay()
	switch {
	case wait == 0:
		return nil
	case wait > maxTurn:
		r.Cancel()
		return errManyWait
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-closed:
		return net.ErrClosed
	}
}

func (e *entrance) share(from netip.Prefix) *hands {
	e.mu.Lock()
	defer e.mu.Unlock()
	if h := e.hands[from]; h != nil {
		return h
	}
	if len(e.hands) >= maxAddresses {
		clear(e.hands)
	}
	h := &hands{all: rate.NewLimiter(e.each, max(1, int(2*e.each))), calm: rate.NewLimiter(calmRate, calmBurst)}
	e.hands[from] = h
	return h
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
