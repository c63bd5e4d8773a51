package lbtest

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Client sends POSTs on one connection. It never tries again, unless it is Again:
// then it does so once, where the connection was closed before it answered.
type Client struct {
	Address string
	Again   bool
	host    string                  // "test" where it is empty
	secure  func(net.Conn) net.Conn // nil: in clear text
	conn    net.Conn
	reader  *bufio.Reader
}

// Post returns the answer's text; any status but 200 is an error.
func (c *Client) Post(path string) (string, error) {
	used := c.conn != nil
	response, err := c.once(path)
	if err != nil && used && c.Again {
		response, err = c.once(path)
	}
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if response.Close || err != nil {
		c.Close()
	}
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	return string(body), err
}

// once sends a request, and reads its answer up to the body.
func (c *Client) once(path string) (*http.Response, error) {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.Address, 5*time.Second)
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
		c.Close()
		return nil, err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		c.Close()
	}
	return response, err
}

// Close closes its connection; the next request opens another.
func (c *Client) Close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// Answer sends a few requests on one connection to a pool's first route, and wants the
// same answer to each.
func Answer(t testing.TB, pool *fleet.Pool, want string) {
	t.Helper()
	c := &Client{Address: Address(pool)}
	defer c.Close()
	for range 10 {
		if who, err := c.Post("/"); err != nil || who != want {
			t.Fatalf("answered by %q, %v; want %s", who, err, want)
		}
	}
}

// Ask sends one request for a host name and a path, and returns the answer's text.
func Ask(t testing.TB, address, host, path string, cookies ...*http.Cookie) (string, *http.Response) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host, request.Close = host, true
	for _, cookie := range cookies {
		request.AddCookie(cookie)
	}
	return do(t, http.DefaultClient, request)
}

// Get asks by a client of HTTP's, and returns the answer's text.
func Get(t testing.TB, client *http.Client, url string) (string, *http.Response) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, client, request)
}

func do(t testing.TB, client *http.Client, request *http.Request) (string, *http.Response) {
	t.Helper()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), response
}

// OpenSocket opens a WebSocket, which gives back what comes.
func OpenSocket(t testing.TB, address string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(Patience)); err != nil {
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
