package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/shared/fleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers at a socket until the test ends.
func serve(t *testing.T, backup Backup) (path string) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "control") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path = filepath.Join(dir, "sock")
	listener, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, listener, backup, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return path
}

func TestFetch(t *testing.T) {
	want := strings.Repeat("backup", 100_000)
	path := serve(t, func(w io.Writer, size func(int64)) error {
		size(600_000)
		_, err := io.WriteString(w, want)
		return err
	})
	var got bytes.Buffer
	told := int64(0)
	if err := Fetch(t.Context(), path, &got, func(n int64) { told = n }); err != nil || got.String() != want || told != 600_000 {
		t.Errorf("%d bytes of %d, error %v", got.Len(), told, err)
	}
}

// What fails half way isn't taken for whole.
func TestABackupThatFailsHalfWay(t *testing.T) {
	path := serve(t, func(w io.Writer, size func(int64)) error {
		size(1000)
		if _, err := w.Write(make([]byte, 500)); err != nil {
			return err
		}
		return errors.New("the disk broke")
	})
	if err := Fetch(t.Context(), path, io.Discard, func(int64) {}); err == nil {
		t.Error("half a backup was taken for one")
	}
}

func TestNobodyAtTheSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	if err := Fetch(t.Context(), path, io.Discard, func(int64) {}); !errors.Is(err, ErrNoHub) {
		t.Errorf("without a socket: %v", err)
	}
	if err := Fetch(t.Context(), "/tmp/"+strings.Repeat("long/", 40)+"sock", io.Discard, func(int64) {}); !errors.Is(err, ErrNoHub) {
		t.Errorf("at a path that no socket can have: %v", err)
	}
}

func TestASocketOfAnotherUser(t *testing.T) {
	denied := &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.EACCES)}
	if err := notReached("/data/control.sock", denied); fleet.CodeOf(err) != fleet.CodeUnavailable || !strings.Contains(err.Error(), "run as root or as the hub's user") {
		t.Errorf("error %v", err)
	}
}

func TestOnlyRootAndTheHubsUserMayAsk(t *testing.T) {
	for uid, want := range map[int]bool{0: true, os.Geteuid(): true, 65534: false, os.Geteuid() + 1: false} {
		if got := mayAsk(uid); got != want {
			t.Errorf("user %d: %v", uid, got)
		}
	}
}
