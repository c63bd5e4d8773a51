package link

import (
	"net"
	"time"
)

// deadlineConn gives each write its own deadline: the MQTT library writes
// its pings without one.
type deadlineConn struct {
	net.Conn
	timeout time.Duration
}

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
