package load

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Bounds on what one run may ask for.
const (
	maxTotal       = 10_000_000
	maxRate        = 20_000
	maxConnections = 10_000 // idle connections, WebSockets and callers, each
)

// Options say what load to make. Start from DefaultOptions; zero means none,
// not a default.
type Options struct {
	URL   string  // where requests go: http://host:port[/path]
	Rate  float64 // requests a second
	Total int     // how many of them; Stop ends a run earlier

	KeepAliveShare float64 // of requests that use a kept connection, 0 to 1
	SlowShare      float64 // of requests that go to SlowPath, 0 to 1
	SlowPath       string  // on URL's host; is sent ?ms=<between SlowMin and SlowMax>
	SlowMin        time.Duration
	SlowMax        time.Duration

	Body        []byte
	ContentType string

	// IdleConns connections are opened beside the load. Each one rests for
	// IdleFor between two requests, so that at any moment some connection that
	// was open before a change has a request still to send.
	IdleConns int
	IdleFor   time.Duration

	// WebSockets are connections to WSPath on URL's host that send a message
	// every WSEvery and want it back. Each is renewed after WSLife; 0 keeps it for the run.
	WebSockets int
	WSPath     string
	WSEvery    time.Duration
	WSLife     time.Duration

	// Callers make gRPC calls of CallMethod (/package.Service/Method) at CallTarget
	// (host:port), one every CallEvery, each over one connection that it keeps.
	Callers    int
	CallTarget string
	CallMethod string
	CallBody   []byte // the encoded request; empty: one without fields
	CallEvery  time.Duration

	// Again sends a request once more, over a new connection, if a kept one was closed
	// before anything of the answer came: as most clients do, and Result.Again counts.
	Again bool

	Timeout     time.Duration // for one request, beyond its own slowness
	MaxInFlight int           // requests at a time; one more is a failure
	Seed        uint64        // of the choices which request is slow or kept
}

// DefaultOptions is the load that a rollout has to survive: 20,000 requests at
// 200 a second, half of them over kept connections, one in ten lasting one to
// three seconds, with connections that rest across reloads and one WebSocket.
func DefaultOptions(url string) Options {
	return Options{
		URL: url, Rate: 200, Total: 20_000,
		KeepAliveShare: 0.5,
		SlowShare:      0.1, SlowPath: "/slow", SlowMin: time.Second, SlowMax: 3 * time.Second,
		Body: []byte("ping\n"), ContentType: "text/plain",
		IdleConns: 20, IdleFor: 5 * time.Second,
		WebSockets: 1, WSPath: "/ws", WSEvery: 500 * time.Millisecond,
		Timeout: 10 * time.Second, MaxInFlight: 2000, Seed: 1,
	}
}

// Validate names the first option that makes no sense.
func (o Options) Validate() error {
	target, err := url.Parse(o.URL)
	switch {
	case err != nil:
		return fmt.Errorf("read URL: %w", err)
	case target.Scheme != "http" || target.Host == "":
		return fmt.Errorf("read URL: %q is not http://host:port", o.URL)
	case o.Rate <= 0 || o.Rate > maxRate:
		return fmt.Errorf("rate %v is not between 0 and %d a second", o.Rate, maxRate)
	case o.Total < 1 || o.Total > maxTotal:
		return fmt.Errorf("total %d is not between 1 and %d", o.Total, maxTotal)
	case o.KeepAliveShare < 0 || o.KeepAliveShare > 1 || o.SlowShare < 0 || o.SlowShare > 1:
		return errors.New("a share is not between 0 and 1")
	case o.SlowShare > 0 && (o.SlowMin <= 0 || o.SlowMax < o.SlowMin || o.SlowPath == ""):
		return errors.New("slow requests need SlowPath, and a SlowMin between 0 and SlowMax")
	case o.IdleConns < 0 || o.IdleConns > maxConnections || o.WebSockets < 0 || o.WebSockets > maxConnections:
		return fmt.Errorf("more than %d idle connections or WebSockets", maxConnections)
	case o.IdleConns > 0 && o.IdleFor <= 0:
		return errors.New("idle connections need IdleFor")
	case o.WebSockets > 0 && (o.WSEvery <= 0 || o.WSPath == ""):
		return errors.New("WebSockets need WSPath and WSEvery")
	case o.Callers < 0 || o.Callers > maxConnections:
		return fmt.Errorf("more than %d callers", maxConnections)
	case o.Callers > 0 && (o.CallTarget == "" || !strings.HasPrefix(o.CallMethod, "/") || o.CallEvery <= 0):
		return errors.New("callers need CallTarget, CallMethod and CallEvery")
	case o.Timeout <= 0:
		return errors.New("no timeout for a request")
	case o.MaxInFlight < 1:
		return errors.New("no request may be in flight")
	}
	return nil
}
