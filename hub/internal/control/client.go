package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"

	"github.com/musterhq/muster/shared/fleet"
)

// ErrNoHub means that no hub answers at the socket.
var ErrNoHub = errors.New("no hub runs")

// Fetch asks the hub at the socket for a backup and copies it to w. It fails
// when the backup ends before it is whole.
func Fetch(ctx context.Context, path string, w io.Writer, size func(int64)) error {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://hub"+backupPath, http.NoBody)
	if err != nil {
		return err
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return notReached(path, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the running hub for a backup: it answered %s; its log says why", res.Status)
	}
	if n, err := strconv.ParseInt(res.Header.Get(sizeHeader), 10, 64); err == nil {
		size(n)
	}
	if _, err := io.Copy(w, res.Body); err != nil {
		return fmt.Errorf("copy the backup: %w", err)
	}
	return nil
}

// notReached says why. A path that is too long for a socket (EINVAL) is one at
// which no hub can listen either.
func notReached(path string, err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EINVAL):
		return ErrNoHub
	case errors.Is(err, os.ErrPermission):
		return &fleet.Error{
			Code:    fleet.CodeUnavailable,
			Message: fmt.Sprintf("the hub's socket %s is not for this user: %v", path, err),
			Hint:    "run as root or as the hub's user",
		}
	}
	return fmt.Errorf("ask the running hub for a backup: %w", err)
}
