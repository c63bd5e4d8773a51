package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// pair returns both ends of one TCP connection.
func pair(t *testing.T) (*connection, net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c, err := newClient(Options{URL: "http://" + listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	near, err := c.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	far, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	return near, far
}

func TestPoolTellsWhatTheServerClosed(t *testing.T) {
	var p pool
	open, _ := pair(t)
	closed, far := pair(t)
	chatty, other := pair(t)
	p.put(open)
	p.put(closed)
	p.put(chatty)
	if open.closedByServer() || closed.closedByServer() || chatty.closedByServer() {
		t.Fatal("all are open")
	}
	_ = far.Close()
	fmt.Fprint(other, "HTTP/1.1 408 Request Timeout\r\n\r\n")
	until(t, "the close arrives", closed.closedByServer)
	until(t, "the words arrive", chatty.closedByServer)
	if got, reopened := p.get(); got != open || reopened != 2 {
		t.Fatalf("got %v, %d reopened", got, reopened)
	}
	if got, _ := p.get(); got != nil {
		t.Fatal("the pool is empty")
	}
	p.close()
	p.put(open)
	if _, err := open.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("put after close: %v", err)
	}
}

// runIdle runs a load with idle connections until enough has happened.
func runIdle(t *testing.T, url string, conns int, enough func(Result) bool) Result {
	t.Helper()
	o := fast(url, 1_000_000)
	o.Rate, o.KeepAliveShare, o.IdleConns, o.IdleFor = 20, 0, conns, 50*time.Millisecond
	return runUntil(t, o, enough)
}

func runUntil(t *testing.T, o Options, enough func(Result) bool) Result {
	t.Helper()
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan Result, 1)
	go func() { res, _ := g.Run(t.Context()); done <- res }()
	until(t, "enough has happened", func() bool { return enough(g.Snapshot()) })
	if err := g.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	return <-done
}

func TestIdleConnections(t *testing.T) {
	var seen [2]atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Connection") == "close" {
			seen[0].Add(1)
			return
		}
		seen[1].Add(1)
	})
	res := runIdle(t, url, 3, func(r Result) bool { return r.Idle.Sent > 9 && r.Sent-r.Idle.Sent > 9 })
	if int(seen[0].Load()) != res.Sent-res.Idle.Sent || int(seen[1].Load()) != res.Idle.Sent {
		t.Fatalf("seen %d and %d: %v", seen[0].Load(), seen[1].Load(), res)
	}
	if res.Idle.Reused != res.Idle.Sent-3 || res.Failed != 0 || res.Idle.Reopened != 0 {
		t.Fatalf("each is opened once: %v", res)
	}
}

// An idle connection whose next request isn't answered has failed.
func TestIdleConnectionsFail(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Connection") != "close" {
			w.WriteHeader(503)
		}
	})
	res := runIdle(t, url, 2, func(r Result) bool { return r.Idle.Failed > 3 })
	if res.Failed != res.Idle.Failed || res.Failures[0].Request != -1 {
		t.Fatal(res)
	}
}

func TestWebSockets(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*websocket.Conn) // after the third message; nil: echo on
		want func(WebSocketResult) bool
	}{
		{"stays open", nil, func(r WebSocketResult) bool { return r.Opened == 2 && r.Messages > 6 && r.Closed+r.Failed == 0 }},
		{"takes leave", func(conn *websocket.Conn) {
			bye := websocket.FormatCloseMessage(websocket.CloseGoingAway, "")
			_ = conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(time.Second))
			_, _, _ = conn.ReadMessage()
		}, func(r WebSocketResult) bool { return r.Opened > 2 && r.Closed > 0 && r.Failed == 0 }},
		{"breaks", func(*websocket.Conn) {}, func(r WebSocketResult) bool { return r.Failed > 0 && r.Closed == 0 }},
		{"changes a message", func(conn *websocket.Conn) {
			_ = conn.WriteMessage(websocket.TextMessage, []byte("nonsense"))
			_, _, _ = conn.ReadMessage()
		}, func(r WebSocketResult) bool { return r.ByError["a message came back changed"] > 0 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/ws" {
					return
				}
				conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
				if err != nil {
					return
				}
				defer conn.Close()
				for n := 1; ; n++ {
					kind, message, err := conn.ReadMessage()
					if err != nil {
						return
					}
					if n == 3 && c.end != nil {
						c.end(conn)
						return
					}
					_ = conn.WriteMessage(kind, message)
				}
			})
			o := fast(url, 1_000_000)
			o.Rate, o.WebSockets, o.WSPath, o.WSEvery = 1, 2, "/ws", time.Millisecond
			res := runUntil(t, o, func(r Result) bool { return c.want(r.WebSockets) })
			if !c.want(res.WebSockets) || (res.WebSockets.Failed > 0) != (res.Err() != nil) {
				t.Fatal(res)
			}
		})
	}
}

func TestErrorKind(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, c := range []struct {
		err  error
		want string
	}{
		{&stepError{"dial", refused}, "dial: connection refused"},
		{&stepError{"write", &net.OpError{Op: "write", Err: syscall.EPIPE}}, "write: broken pipe"},
		{&stepError{"read", io.EOF}, "read: connection closed"},
		{&stepError{"read", io.ErrUnexpectedEOF}, "read: connection closed"},
		{&stepError{"read", &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}}, "read: timeout"},
		{&stepError{"dial", context.DeadlineExceeded}, "dial: timeout"},
		{&stepError{"read", errors.New("malformed HTTP response")}, "read: malformed HTTP response"},
		{errors.New("status 502"), "status 502"},
	} {
		if got := errorKind(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		of   []time.Duration
		p    float64
		want time.Duration
	}{
		{nil, 0.5, 0}, {hundred[:1], 0.5, 1}, {hundred[:1], 1, 1}, {hundred[:2], 0.5, 1},
		{hundred, 0.5, 50}, {hundred, 0.99, 99}, {hundred, 1, 100}, {hundred, 0, 1},
	} {
		if got := percentile(c.of, c.p); got != c.want {
			t.Errorf("percentile %v of %d values: %d, want %d", c.p, len(c.of), got, c.want)
		}
	}
}

func TestOptions(t *testing.T) {
	if err := DefaultOptions("http://127.0.0.1:80").Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Options){
		"no URL":           func(o *Options) { o.URL = "" },
		"https":            func(o *Options) { o.URL = "https://a" },
		"no rate":          func(o *Options) { o.Rate = 0 },
		"no total":         func(o *Options) { o.Total = 0 },
		"endless":          func(o *Options) { o.Total = 1e9 },
		"share above one":  func(o *Options) { o.SlowShare = 1.1 },
		"slow without min": func(o *Options) { o.SlowMin = 0 },
		"slow backwards":   func(o *Options) { o.SlowMax = 1 },
		"idle for nothing": func(o *Options) { o.IdleFor = 0 },
		"ws without pause": func(o *Options) { o.WSEvery = 0 },
		"calls nobody":     func(o *Options) { o.Callers, o.CallMethod, o.CallEvery = 1, "/a.B/C", time.Second },
		"no timeout":       func(o *Options) { o.Timeout = 0 },
		"none in flight":   func(o *Options) { o.MaxInFlight = 0 },
	} {
		o := DefaultOptions("http://127.0.0.1:80")
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
