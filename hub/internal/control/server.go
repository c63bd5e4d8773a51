package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// Paths and headers of the protocol: HTTP over the socket.
const (
	backupPath = "/backup"
	sizeHeader = "Muster-Size"
)

// stalledAfter is how long a reader may take nothing before it is cut off: while
// a backup is read, the store can't free what changes meanwhile.
const stalledAfter = 30 * time.Second

// Backup writes a backup, and tells its size before the first byte.
type Backup func(w io.Writer, size func(int64)) error

// Listen makes the socket. Only who has locked the hub's store may call it: what
// is there is of a hub that has ended.
func Listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("take away the old control socket: %w", err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("close the control socket to others: %w", err), listener.Close())
	}
	return owners{listener}, nil
}

// Serve answers until ctx is done.
func Serve(ctx context.Context, listener net.Listener, backup Backup, logger *slog.Logger) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+backupPath, func(w http.ResponseWriter, _ *http.Request) { answer(w, backup, logger) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the control socket: %w", err)
	}
	return nil
}

// answer sends a backup. One that fails half way is cut off, so that nobody
// takes it for whole.
func answer(w http.ResponseWriter, backup Backup, logger *slog.Logger) {
	began := time.Now()
	size := func(n int64) { w.Header().Set(sizeHeader, strconv.FormatInt(n, 10)) }
	if err := backup(patient{w, http.NewResponseController(w)}, size); err != nil {
		logger.Error("backup failed", "error", err)
		panic(http.ErrAbortHandler)
	}
	logger.Info("backup sent", "bytes", w.Header().Get(sizeHeader), "took", time.Since(began).Round(time.Millisecond))
}

// patient waits for a slow reader, but not for one that has stopped to read.
type patient struct {
	to      io.Writer
	control *http.ResponseController
}

func (p patient) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(stalledAfter)); err != nil {
		return 0, err
	}
	return p.to.Write(b)
}
