package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"
)

// client does single requests, each once.
type client struct {
	target      *url.URL
	address     string // host:port of target
	body        []byte
	contentType string
}

func newClient(o Options) (*client, error) {
	target, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("read URL: %w", err)
	}
	address := target.Host
	if target.Port() == "" {
		address = net.JoinHostPort(target.Hostname(), "80")
	}
	return &client{target: target, address: address, body: o.Body, contentType: o.ContentType}, nil
}

// connection is one TCP connection with what was read ahead from it.
type connection struct {
	net.Conn
	reader *bufio.Reader
	rested time.Time // when it was last put back
}

// dial opens a connection.
func (c *client) dial(ctx context.Context) (*connection, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return nil, &stepError{"dial", err}
	}
	return &connection{Conn: conn, reader: bufio.NewReader(conn)}, nil
}

// answer is what came back for a request.
type answer struct {
	instance, version string
	reusable          bool // the connection may carry another request
}

// post writes one request to the connection and reads its answer to the end;
// whatever happens, not twice. If ctx ends, it stops waiting.
func (c *client) post(ctx context.Context, conn *connection, path string, keep bool) (answer, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	got, err := c.postOnce(conn, path, keep)
	if !stop() {
		got.reusable = false // its deadline has passed
	}
	return got, err
}

func (c *client) postOnce(conn *connection, path string, keep bool) (answer, error) {
	head := "POST " + path + " HTTP/1.1\r\nHost: " + c.target.Host +
		"\r\nUser-Agent: muster-load\r\nContent-Type: " + c.contentType +
		"\r\nContent-Length: " + strconv.Itoa(len(c.body)) + "\r\n"
	if !keep {
		head += "Connection: close\r\n"
	}
	if _, err := conn.Write(append([]byte(head+"\r\n"), c.body...)); err != nil {
		return answer{}, &stepError{"write", err}
	}
	resp, err := http.ReadResponse(conn.reader, &http.Request{Method: http.MethodPost})
	if err != nil {
		return answer{}, &stepError{"read", err}
	}
	defer resp.Body.Close()
	got := answer{instance: resp.Header.Get("X-Instance"), version: resp.Header.Get("X-Version")}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return got, &stepError{"read", err}
	}
	got.reusable = keep && !resp.Close && conn.reader.Buffered() == 0
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return got, statusError(resp.StatusCode)
	}
	return got, nil
}

// path is where a request goes: the URL's own, or where it lasts as long as asked.
func (c *client) path(slow time.Duration, slowPath string) string {
	if slow == 0 {
		return c.target.RequestURI()
	}
	where := url.URL{Path: slowPath, RawQuery: "ms=" + strconv.FormatInt(slow.Milliseconds(), 10)}
	return where.RequestURI()
}

// closedByServer tells without waiting whether the server has closed the
// connection, or has said something that no request asked for.
func (conn *connection) closedByServer() bool {
	raw, err := conn.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return true
	}
	closed := false
	err = raw.Control(func(fd uintptr) {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		closed = !errors.Is(err, syscall.EAGAIN)
	})
	return closed || err != nil
}

// statusError is an answer, read to its end, that isn't 2xx.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("status %d", int(e)) }

// stepError says at which step of a request what went wrong.
type stepError struct {
	step string
	err  error
}

func (e *stepError) Error() string { return e.step + ": " + e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// closedUnanswered says whether a connection was closed instead of an answer.
func closedUnanswered(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// errorKind is the error without addresses and ports, so that equal ones count
// together.
func errorKind(err error) string {
	step := ""
	var at *stepError
	if errors.As(err, &at) {
		step = at.step + ": "
	}
	var number syscall.Errno
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return step + "timeout"
	case errors.As(err, &number):
		return step + number.Error()
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return step + "connection closed"
	case at != nil:
		return step + at.err.Error()
	}
	return err.Error()
}
