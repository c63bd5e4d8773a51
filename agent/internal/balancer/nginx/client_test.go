package nginx

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// client sends POSTs on one connection. It never tries again, unless it is again:
// then it does so once, where the connection was closed before it answered.
type client struct {
	address string
	host    string                  // "test" where it is empty
	secure  func(net.Conn) net.Conn // nil: in clear text
	again   bool
	conn    net.Conn
	reader  *bufio.Reader
}

func (c *client) post(path string) (string, error) {
	used := c.conn != nil
	response, err := c.once(path)
	if err != nil && used && c.again {
		response, err = c.once(path)
	}
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if response.Close || err != nil {
		c.close()
	}
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	return string(body), err
}

// once sends a request, and reads its answer up to the body.
func (c *client) once(path string) (*http.Response, error) {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.address, 5*time.Second)
		if err != nil {
			return nil, err
		}
		if c.secure != nil {
			conn = c.secure(conn)
		}
		c.conn, c.reader = conn, bufio.NewReader(conn)
	}
	if err := c.conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(c.conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 2\r\n\r\nhi", path, cmp.Or(c.host, "test")); err != nil {
		c.close()
		return nil, err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		c.close()
	}
	return response, err
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// openSocket opens a WebSocket.
func openSocket(t *testing.T, address string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(conn, "GET /socket HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	if response, err := http.ReadResponse(reader, nil); err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%+v, %v", response, err)
	}
	return conn, reader
}

// load is a crowd of clients with a steady pace each. One in five sends slow
// requests, one in four keeps no connection.
type load struct {
	sent, failed atomic.Int64
	mu           sync.Mutex // guards errors
	errors       map[string]int
	stop         chan struct{}
	group        sync.WaitGroup
}

func startLoad(t *testing.T, address string, clients int, gap time.Duration) *load {
	return startLoadBy(t, client{address: address}, clients, gap)
}

// startLoadBy has clients like one.
func startLoadBy(t *testing.T, one client, clients int, gap time.Duration) *load {
	one.again = !keepsClients
	l := &load{stop: make(chan struct{}), errors: map[string]int{}}
	for i := range clients {
		l.group.Go(func() { l.work(one, i, gap) })
	}
	t.Cleanup(func() { l.end() })
	return l
}

func (l *load) work(c client, number int, gap time.Duration) {
	defer c.close()
	for n := 0; ; n++ {
		select {
		case <-l.stop:
			return
		case <-time.After(gap):
		}
		path := "/"
		if number%5 == 0 {
			path = "/slow"
		}
		if number%4 == 1 {
			c.close()
		}
		_, err := c.post(path)
		l.sent.Add(1)
		if err != nil {
			l.failed.Add(1)
			l.mu.Lock()
			l.errors[err.Error()]++
			l.mu.Unlock()
		}
	}
}

func (l *load) end() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.group.Wait()
}

// lostNothing ends the load and wants every request to have been answered.
func (l *load) lostNothing(t *testing.T) {
	t.Helper()
	l.end()
	t.Logf("%d of %d POSTs failed: %v", l.failed.Load(), l.sent.Load(), l.errors)
	if l.failed.Load() != 0 || l.sent.Load() == 0 {
		t.Error("requests were lost")
	}
}
