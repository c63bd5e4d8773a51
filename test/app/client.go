package main

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"time"
)

// client answers with what the service is told of who asks: the address of the
// connection, what X-Forwarded-For and X-Forwarded-Proto say, and the host name.
func client(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{
		"remote": r.RemoteAddr, "forwarded": strings.Join(r.Header["X-Forwarded-For"], ", "), "proto": r.Header.Get("X-Forwarded-Proto"), "host": r.Host,
	})
}

// proxied takes the client's address from the PROXY protocol, version 1, where a
// connection begins with it.
type proxied struct{ net.Listener }

// Accept returns the next connection.
func (l proxied) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &proxiedConn{Conn: conn, reader: bufio.NewReader(conn)}, nil
}

type proxiedConn struct {
	net.Conn
	reader *bufio.Reader
	from   net.Addr
	looked bool
}

// RemoteAddr is the client's: it waits for the first bytes, which the server asks for
// before it reads any.
func (c *proxiedConn) RemoteAddr() net.Addr {
	c.look()
	if c.from != nil {
		return c.from
	}
	return c.Conn.RemoteAddr()
}

func (c *proxiedConn) Read(p []byte) (int, error) {
	c.look()
	return c.reader.Read(p)
}

const begins = "PROXY "

func (c *proxiedConn) look() {
	if c.looked {
		return
	}
	c.looked = true
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	defer func() { _ = c.SetReadDeadline(time.Time{}) }()
	if first, err := c.reader.Peek(len(begins)); err != nil || string(first) != begins {
		return
	}
	line, err := c.reader.ReadString('\n')
	words := strings.Fields(line)
	if err != nil || len(words) != 6 {
		return
	}
	if from, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(words[2], words[4])); err == nil {
		c.from = from
	}
}
