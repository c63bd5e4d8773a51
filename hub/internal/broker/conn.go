package broker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// writeChunk is what a peer must take in within the write timeout. Larger
// packets are written piece by piece, so that a slow peer that makes
// progress is not cut off.
const writeChunk = 32 << 10

// conn is one peer's connection, from being accepted to its very end. It
// guards what the MQTT library doesn't: the time and size of the first
// packet, and the time that each write takes. Signs of life that say nothing
// new end here.
type conn struct {
	net.Conn     // with TLS, where there is
	raw          *raw
	writeTimeout time.Duration
	gates        gates
	door         Door
	settled      func()      // it has said who it is, or has gone
	expiry       *time.Timer // ends it with its certificate; nil: it has none
	// Used by the reading goroutine alone.
	first  firstPacket
	stream stream // of what the MQTT library gets
	bucket bucket
	slowed time.Time // last told so
	in     gate      // nil: none
	kept   int64     // messages queued because they were kept

	// who, client, server and echo are set before the session begins, when only
	// the connection's own goroutine knows it.
	who    identity
	client *mqtt.Client
	server *mqtt.Server
	echo   *echo
	// again takes in an agent's heartbeat if it says nothing new. Set, like
	// them, before the session begins; nil for everybody else.
	again func(heartbeat) bool

	keptSent atomic.Int64  // of those, what has left the queue
	room     chan struct{} // says so

	writing    sync.Mutex  // held while packets are written, so that they stay whole
	sending    bool        // is in the gate for that; guarded by writing
	superseded atomic.Bool // another connection of the same client takes over
	closeOnce  sync.Once
	closed     chan struct{} // closed with the connection
	done       chan struct{} // closed when nothing of the connection is left
}

func newConn(inner net.Conn, o *Options, g gates) *conn {
	c := &conn{
		writeTimeout: o.WriteTimeout,
		gates:        g,
		bucket:       newBucket(o.Rate, o.Burst),
		room:         make(chan struct{}, 1),
		closed:       make(chan struct{}),
		done:         make(chan struct{}),
	}
	c.raw = newRaw(inner, c)
	c.Conn = c.raw
	return c
}

// Read fails when the first packet is not a CONNECT of reasonable size.
func (c *conn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if bad := c.first.check(p[:n]); bad != nil {
			return 0, bad
		}
		taken := c.takeKnown(p[:n])
		if taken > 0 && taken == n && err == nil {
			continue
		}
		n = copy(p, p[taken:n])
		c.stream.pass(p[:n])
		return n, err
	}
}

// takeKnown takes in the heartbeats at the beginning of p that say nothing new
// and returns how many bytes they are. One behind another packet is left: that
// packet's turn comes first, and is the MQTT library's.
func (c *conn) takeKnown(p []byte) (taken int) {
	if c.again == nil || !c.stream.between() {
		return 0
	}
	for {
		beat, ok := parseHeartbeat(p[taken:], c.who.prefix)
		if !ok || !c.again(beat) {
			return taken
		}
		taken += beat.size
		c.stay()
	}
}

// stay gives the peer as long as the MQTT library does after a packet.
func (c *conn) stay() {
	alive := time.Duration(c.client.State.Keepalive) * time.Second
	_ = c.SetDeadline(time.Now().Add(alive * 3 / 2))
}

// Write closes the connection when the peer takes nothing in: after half a
// packet nothing sensible can follow.
func (c *conn) Write(p []byte) (written int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	defer c.endSending()
	for written < len(p) && err == nil {
		c.beginSending()
		chunk := p[written:min(len(p), written+writeChunk)]
		var n int
		n, err = c.Conn.Write(chunk)
		written += n
		if err == nil {
			err = c.send()
		}
	}
	if err != nil {
		_ = c.Close()
	}
	return written, err
}

// flush sends what TLS has to say by itself. The caller is in no gate.
func (c *conn) flush() error {
	c.raw.mu.Lock()
	nothing := len(c.raw.pending) == 0
	c.raw.mu.Unlock()
	if nothing {
		return nil
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.send()
}

// send gives the socket what is written. It needs writing, and leaves the gate before
// it waits for a peer that is slow to take it. For a peer that has gone, everything
// counts as sent: it may have said farewell before, which is still to be read, and then
// reading ends.
func (c *conn) send() error {
	p := c.raw.take()
	if len(p) == 0 {
		return nil
	}
	_ = c.raw.SetWriteDeadline(time.Now().Add(c.writeTimeout))
	n, err := c.raw.writeSome(p)
	if err == nil && n < len(p) {
		c.endSending()
		_, err = c.raw.Conn.Write(p[n:])
	}
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// beginSending waits for the connection's turn to write. It needs writing, like
// endSending.
func (c *conn) beginSending() {
	if c.sending {
		return
	}
	select {
	case c.gates.writing <- struct{}{}:
		c.sending = true
	case <-c.closed:
	}
}

func (c *conn) endSending() {
	if c.sending {
		c.sending = false
		<-c.gates.writing
	}
}

// certificate is the one that the peer has proved to have the key of; nil: none.
func (c *conn) certificate() *x509.Certificate {
	secure, ok := c.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	if chains := secure.ConnectionState().VerifiedChains; len(chains) > 0 {
		return chains[0][0]
	}
	return nil
}

// address is where the peer is, without its port.
func (c *conn) address() string {
	host, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		return c.RemoteAddr().String()
	}
	return host
}

// SetDeadline is how the MQTT library enforces keepalive. It is meant for
// reading; writing has its own deadline.
func (c *conn) SetDeadline(t time.Time) error { return c.Conn.SetReadDeadline(t) }

func (c *conn) Close() error {
	var err error
	c.closeOnce.Do(func() {
		close(c.closed)
		err = c.raw.Close() // a farewell by TLS would wait for a peer that takes nothing
	})
	return err
}

// supersede ends the session in favour of another one of the same client.
// Its Will is not published.
func (c *conn) supersede() {
	if c.superseded.Swap(true) {
		return
	}
	if c.client != nil && c.client.Properties.ProtocolVersion == 5 {
		_ = c.server.DisconnectClient(c.client, packets.ErrSessionTakenOver)
	}
	_ = c.Close()
}

// forget removes from the MQTT library what a session left behind that did
// not end in order.
func (c *conn) forget() {
	if c.client == nil {
		return
	}
	c.server.UnsubscribeClient(c.client)
	c.server.Clients.Delete(c.client.ID)
}
