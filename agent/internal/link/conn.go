package link

import (
	"errors"
	"net"
	"time"
)

var errGivenUp = errors.New("the connection was given up")

// deadlineConn gives each write its own deadline: the MQTT library writes
// its pings without one.
type deadlineConn struct {
	net.Conn
	timeout time.Duration
}

// Read names its own closing by an error of its own: the MQTT library takes
// the usual one for its own doing and would never end its goroutines.
func (c deadlineConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, net.ErrClosed) {
		err = errGivenUp
	}
	return n, err
}

// Write closes the connection when it fails: nothing sensible can follow
// half a packet.
func (c deadlineConn) Write(p []byte) (int, error) {
	_ = c.Conn.SetWriteDeadline(time.Now().Add(c.timeout))
	n, err := c.Conn.Write(p)
	if err != nil {
		_ = c.Close()
	}
	return n, err
}

// SetWriteDeadline leaves the deadline of Write alone.
func (c deadlineConn) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline is meant for reading; see Write.
func (c deadlineConn) SetDeadline(t time.Time) error { return c.Conn.SetReadDeadline(t) }
