package readings

import (
	"bufio"
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
	maxProbeAnswer = 64 << 10
	maxReason      = 200
	// refusal is how long a connection is watched for being closed at once.
	refusal = 20 * time.Millisecond
)

// dialer asks for no TCP keepalive: a probe is over before the first.
var dialer = net.Dialer{KeepAlive: -1}

// unable are errors that tell of this machine, and nothing of a target.
var unable = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL}

// looked says whether a probe that ended so tells anything of its target: an
// agent that has no file descriptor left must not take what serves for dead.
func looked(err error) bool {
	return !slices.ContainsFunc(unable, func(known error) bool { return errors.Is(err, known) })
}

// Probe tries a target once. Its error says in words why it fails.
func Probe(ctx context.Context, target *brain.ProbeTarget) error {
	if err := check(ctx, target); err != nil {
		return errors.New(reasonOf(err, target.Timeout))
	}
	return nil
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

// checkHTTP wants a 2xx or 3xx, and follows no redirects. Each probe has a
// connection of its own, as a new client would. It is written and read by the
// one goroutine: net/http's transport would take two more, and most of an idle
// agent's time.
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
	request.Close = true
	conn, err := dialer.DialContext(ctx, "tcp", target.Address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // the status has been read
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	if err := request.Write(conn); err != nil {
		return err
	}
	response, err := readResponse(io.LimitReader(conn, maxProbeAnswer), request) //nolint:bodyclose // it would be read to its end; the connection is closed
	if err != nil {
		return err
	}
	if response.StatusCode < 200 || response.StatusCode > 399 {
		return fmt.Errorf("HTTP %d", response.StatusCode)
	}
	return nil
}

// readResponse reads up to the body, past what only announces a response.
func readResponse(from io.Reader, request *http.Request) (*http.Response, error) {
	buffered := bufio.NewReader(from)
	for {
		response, err := http.ReadResponse(buffered, request)
		if err != nil || response.StatusCode >= 200 || response.StatusCode == http.StatusSwitchingProtocols {
			return response, err
		}
	}
}

// checkTCP wants a connection that isn't closed at once: an engine's own proxy
// accepts for a service that doesn't listen yet, and then hangs up.
func checkTCP(ctx context.Context, address string) error {
	conn, err := dialer.DialContext(ctx, "tcp", address)
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
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed without an answer"
	}
	return fleet.Clip(err.Error(), maxReason)
}
