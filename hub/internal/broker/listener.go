package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mochi-mqtt/server/v2/listeners"
)

// Pauses between attempts to accept when it fails, as it does while no file
// descriptor is left.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// listener accepts connections for the MQTT library at one door, and owns their
// goroutines.
type listener struct {
	id       string
	door     Door
	crowd    *entrance
	inner    net.Listener
	options  *Options
	sessions *sessions
	log      *slog.Logger
	gates    gates
	closing  chan struct{}
	served   chan struct{} // closed when Serve has returned
	failed   chan<- error  // why Serve has returned by itself

	mu     sync.Mutex // guards conns and whether more are taken
	conns  map[*conn]struct{}
	closed bool
	wg     sync.WaitGroup // one for each of conns

	away atomic.Uint64 // connections turned away
}

func newListener(number int, door Door, o *Options, s *sessions, crowd *entrance, g gates, failed chan<- error) *listener {
	return &listener{
		id:       "door-" + strconv.Itoa(number),
		door:     door,
		crowd:    crowd,
		inner:    door.Listener,
		options:  o,
		sessions: s,
		log:      o.Logger,
		gates:    g,
		closing:  make(chan struct{}),
		served:   make(chan struct{}),
		failed:   failed,
		conns:    map[*conn]struct{}{},
	}
}

func (l *listener) Init(*slog.Logger) error { return nil }
func (l *listener) ID() string              { return l.id }
func (l *listener) Address() string         { return l.inner.Addr().String() }
func (l *listener) Protocol() string        { return l.inner.Addr().Network() }

// Serve accepts until the listener is closed.
func (l *listener) Serve(establish listeners.EstablishFn) {
	defer close(l.served)
	pause := minAcceptPause
	for {
		inner, err := l.inner.Accept()
		switch {
		case err == nil:
			pause = minAcceptPause
			l.start(inner, establish)
			continue
		case l.isClosing():
			return
		case errors.Is(err, net.ErrClosed):
			l.failed <- fmt.Errorf("accept connections: %w", err)
			return
		}
		l.log.Error("connection not accepted", "error", err, "retry_in", pause)
		select {
		case <-time.After(pause):
		case <-l.closing:
			return
		}
		pause = min(2*pause, maxAcceptPause)
	}
}

func (l *listener) isClosing() bool {
	select {
	case <-l.closing:
		return true
	default:
		return false
	}
}

func (l *listener) start(inner net.Conn, establish listeners.EstablishFn) {
	from := origin(inner.RemoteAddr())
	if !l.crowd.enter(from) {
		l.turnedAway(inner)
		return
	}
	c := newConn(inner, l.options, l.gates)
	c.door = l.door
	c.settled = sync.OnceFunc(func() { l.crowd.leave(from) })
	if l.door.TLS != nil {
		c.raw.proving = true
		c.raw.turn = func() (func(), error) { return l.turn(c, from) }
		c.Conn = tls.Server(c.raw, l.door.TLS)
	}
	if !l.track(c) {
		c.settled()
		l.turnedAway(inner)
		return
	}
	_ = c.SetDeadline(time.Now().Add(l.options.ConnectTimeout))
	go func() {
		defer l.finish(c)
		err := l.handshake(c)
		if err == nil {
			err = l.run(c, establish)
		}
		if err != nil {
			l.log.Debug("client disconnected", c.who.logKey(), c.who.id, "role", c.who.role.String(), "remote", inner.RemoteAddr().String(), "error", err)
		}
	}()
}

// run serves one connection. The MQTT library panics on some malformed
// packets; that must cost the sender its connection and nobody else anything.
func (l *listener) run(c *conn, establish listeners.EstablishFn) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			l.log.Error("mqtt packet not handled", c.who.logKey(), c.who.id, "remote", c.RemoteAddr().String(),
				"panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
			c.forget()
			err = errors.New("packet not handled")
		}
	}()
	return establish(l.id, c)
}

// turn waits for the turn of a connection. Its time, for the handshake and for its
// CONNECT, begins anew then.
func (l *listener) turn(c *conn, from netip.Prefix) (answered func(), err error) {
	if err := l.crowd.turn(from, c.closed); err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(l.options.ConnectTimeout))
	return l.crowd.answered, nil
}

// handshake has both sides of a connection prove who they are. A certificate of
// an agent's counts as long as it is valid, and so does its session.
func (l *listener) handshake(c *conn) error {
	secure, ok := c.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	err := secure.HandshakeContext(context.Background())
	c.raw.endTurn()
	c.raw.proving = false
	if err != nil {
		c.leave()
		return fmt.Errorf("handshake: %w", errors.Join(err, c.flush())) // it tells the peer what is wrong
	}
	if leaf := c.certificate(); leaf != nil {
		c.expiry = time.AfterFunc(time.Until(leaf.NotAfter), func() { _ = c.Close() })
	}
	return nil
}

// turnedAway says, now and then, that somebody isn't let in: who floods the door
// doesn't flood the log.
func (l *listener) turnedAway(inner net.Conn) {
	_ = inner.Close()
	if n := l.away.Add(1); n&(n-1) == 0 {
		l.log.Warn("connections turned away: too many haven't said who they are", "remote", inner.RemoteAddr().String(), "since_start", n)
	}
}

func (l *listener) track(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.conns) >= l.options.Agents+l.options.Readers+l.options.Pending {
		return false
	}
	l.conns[c] = struct{}{}
	l.wg.Add(1)
	return true
}

func (l *listener) finish(c *conn) {
	c.leave()
	if c.expiry != nil {
		c.expiry.Stop()
	}
	_ = c.Close()
	c.settled()
	l.sessions.release(c)
	close(c.done)
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
	l.wg.Done()
}

// Close ends the listener and all its connections and waits for their
// goroutines.
func (l *listener) Close(listeners.CloseFn) {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	conns := make([]*conn, 0, len(l.conns))
	for c := range l.conns {
		conns = append(conns, c)
	}
	l.mu.Unlock()
	if first {
		close(l.closing)
		_ = l.inner.Close()
	}
	for _, c := range conns {
		_ = c.Close()
	}
	<-l.served
	l.wg.Wait()
}
