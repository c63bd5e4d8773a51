package readings

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

const (
	maxProbeBody   = 4 << 10
	maxProbeHeader = 64 << 10
	maxReason      = 200
	// refusal is how long a connection is watched for being closed at once.
	refusal = 20 * time.Millisecond
)

// closedEarly is what net/http says when the server hangs up before it was
// asked; it exports no error for that.
const closedEarly = "server closed idle connection"

// direct makes a connection for each request, past any proxy.
var direct = &http.Transport{
	DialContext: new(net.Dialer).DialContext, DisableKeepAlives: true, MaxResponseHeaderBytes: maxProbeHeader,
}

// unable are errors that tell of this machine, and nothing of a target.
var unable = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL}

// looked says whether a probe that ended so tells anything of its target: an
// agent that has no file descriptor left must not take what serves for dead.
func looked(err error) bool {
	return !slices.ContainsFunc(unable, func(known error) bool { return errors.Is(err, known) })
}

// check probes a target once.
func check(ctx context.Context, target *brain.ProbeTarget) error {
	switch target.Type {
	case fleet.ProbeHTTP:
		return checkHTTP(ctx, target)
	case fleet.ProbeTCP:
		return checkTCP(ctx, target.Address)
	default:
		return fmt.Errorf("unknown kind of probe %q", target.Type)
	}
}

// checkHTTP wants a 2xx or 3xx. Each probe has a connection of its own, as a
// new client would.
func checkHTTP(ctx context.Context, target *brain.ProbeTarget) error {
	path := target.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target.Address+path, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "muster-probe")
	response, err := direct.RoundTrip(request) // follows no redirects
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // the status has been read
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxProbeBody))
	if response.StatusCode < 200 || response.StatusCode > 399 {
		return fmt.Errorf("HTTP %d", response.StatusCode)
	}
	return nil
}

// checkTCP wants a connection that isn't closed at once: an engine's own proxy
// accepts for a service that doesn't listen yet, and then hangs up.
func checkTCP(ctx context.Context, address string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // nothing was written
	if err := conn.SetReadDeadline(time.Now().Add(refusal)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return errors.New("connection closed at once")
}

// reasonOf says in few words what went wrong.
func reasonOf(err error, timeout time.Duration) string {
	if err == nil {
		return ""
	}
	var dns *net.DNSError
	var timer net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timer) && timer.Timeout():
		return fmt.Sprintf("no answer within %v", timeout)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET):
		return "connection reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to the address"
	case errors.As(err, &dns):
		return "address not found"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.Contains(err.Error(), closedEarly):
		return "connection closed without an answer"
	}
	return fleet.Clip(err.Error(), maxReason)
}
