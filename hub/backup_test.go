package hub

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/hub/internal/control"
	"github.com/musterhq/muster/hub/internal/store"
	"github.com/musterhq/muster/shared/fleet"
)

// The test binary runs itself again as a program that makes backups until it is
// killed, or on a disk that is full.
const roleVariable = "MUSTER_HUB_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "backups":
		backUpForEver(os.Args[1], os.Args[2])
	case "full-disk":
		backUpOnAFullDisk(os.Args[1], os.Args[2])
	default:
		goleak.VerifyTestMain(m)
	}
}

func child(role string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

func quiet(int64, int64) {}

// folder is a hub's: the path of its socket has to be short.
func folder(t *testing.T) Options {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "hub")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	o := DefaultOptions()
	o.StateDir, o.MQTTS, o.HTTPS, o.Logger = dir, "127.0.0.1:0", "127.0.0.1:0", slog.New(slog.DiscardHandler)
	return o
}

// withStore fills the store with some records.
func withStore(t *testing.T) Options {
	t.Helper()
	o := folder(t)
	s, err := store.Open(o.storePath(), o.storeOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	text := `{"v":1,"record":{"text":"` + strings.Repeat("x", 20_000) + `"}}`
	for revision := range uint64(20) {
		if err := s.Commit(revision+1, []store.Change{{Table: "documents", Key: fmt.Sprint(revision), Value: []byte(text)}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// running is a hub that runs until the test ends or stop is called.
func running(t *testing.T, o Options) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		ended <- nil
	}
	t.Cleanup(stop)
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", o.controlPath())
		if err == nil {
			conn.Close()
			return stop
		}
		select {
		case err := <-ended:
			ended <- nil
			t.Fatal(err)
		default:
		}
	}
}

func TestBackupOfAHubThatRunsAndOfOneThatDoesNot(t *testing.T) {
	o := withStore(t)
	file := filepath.Join(t.TempDir(), "backup.db")
	stop := running(t, o)
	first, err := o.BackupTo(t.Context(), file, false, quiet)
	if err != nil || first.Revision < 20 || first.Epoch == 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	if info, err := os.Stat(o.controlPath()); err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the socket: mode %v, error %v", info.Mode(), err)
	}
	if _, err := o.BackupTo(t.Context(), file, false, quiet); fleet.CodeOf(err) != fleet.CodeConflict {
		t.Errorf("over another backup: %v", err)
	}
	if _, err := o.Restore(t.Context(), bytes.NewReader(nil), true, "", quiet); fleet.CodeOf(err) != fleet.CodeConflict || !strings.Contains(err.Error(), "another hub") {
		t.Errorf("restored under a hub that runs: %v", err)
	}
	stop()
	second, err := o.BackupTo(t.Context(), file, true, quiet)
	if err != nil || second.Revision < first.Revision || second.Lineage != first.Lineage {
		t.Fatalf("%+v, %v", second, err)
	}
	only(t, file)

	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	again := folder(t)
	restored, err := again.Restore(t.Context(), bytes.NewReader(content), false, "", quiet)
	if err != nil || restored.Revision != second.Revision {
		t.Fatalf("%+v, %v", restored, err)
	}
	if err := Run(t.Context(), again); err == nil || !strings.Contains(err.Error(), "put the copy of the key back") {
		t.Fatalf("without its key: %v", err)
	}
	again.MasterKey = o.masterKey() // a copy is kept apart from backups
	running(t, again)
}

// A backup never takes the place of the store, nor of what isn't a file.
func TestPlacesThatNoBackupMayTake(t *testing.T) {
	o := withStore(t)
	dir := t.TempDir()
	link, pipe, symlink, other := filepath.Join(dir, "hard"), filepath.Join(dir, "pipe"), filepath.Join(dir, "soft"), filepath.Join(dir, "other")
	if err := errors.Join(os.Link(o.storePath(), link), syscall.Mkfifo(pipe, 0o600), os.WriteFile(other, nil, 0o600), os.Symlink(other, symlink)); err != nil {
		t.Fatal(err)
	}
	check := func(path, says string) {
		t.Helper()
		before, _ := os.Lstat(path)
		_, err := o.BackupTo(t.Context(), path, true, quiet)
		if fleet.CodeOf(err) != fleet.CodeConflict || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v; want %q", path, err, says)
		}
		if after, _ := os.Lstat(path); before != nil && !os.SameFile(before, after) {
			t.Errorf("%s was replaced", path)
		}
	}
	running(t, o)
	check(o.storePath(), "own store")
	check(o.StateDir+"/../"+filepath.Base(o.StateDir)+"/hub.db", "own store")
	check(link, "own store")
	check(pipe, "use -")
	check(symlink, "use -")
	check(o.controlPath(), "use -")
	check(dir, "a folder")
	if err := os.Remove(o.storePath()); err != nil {
		t.Fatal(err)
	}
	check(o.storePath(), "own store")
}

// A restore that waits for a pipe ends when it is interrupted, and leaves nothing.
func TestARestoreThatWaitsIsInterrupted(t *testing.T) {
	o := folder(t)
	from, in := io.Pipe()
	defer in.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := o.Restore(ctx, from, false, "", quiet)
		ended <- err
	}()
	if _, err := in.Write([]byte("half a backup")); err != nil {
		t.Fatal(err)
	}
	interrupt()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if left, err := os.ReadDir(o.StateDir); err != nil || len(left) > 0 {
		t.Errorf("left are %v, error %v", left, err)
	}
}

func TestBackupWithoutAStore(t *testing.T) {
	o := folder(t)
	file := filepath.Join(t.TempDir(), "backup.db")
	if _, err := o.BackupTo(t.Context(), file, false, quiet); fleet.CodeOf(err) != fleet.CodeNotFound {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(o.storePath()); err == nil {
		t.Error("a store was made")
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a backup was made")
	}
}

func TestAHubThatNeedsItsStore(t *testing.T) {
	o := folder(t)
	o.RequireStore = true
	if err := Run(t.Context(), o); fleet.CodeOf(err) != fleet.CodeNotFound || !strings.Contains(err.Error(), "mounted") {
		t.Errorf("error %v", err)
	}
}

func TestANewStoreIsTold(t *testing.T) {
	var said bytes.Buffer
	o := folder(t)
	o.Logger = slog.New(slog.NewTextHandler(&said, nil))
	for _, want := range []int{1, 1} {
		stored, err := openStore(o)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := openVault(o, stored)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := load(stored, o, newIdentity(o, &parts{stored: stored}, sealed, listeners{}), o.people(stored)); err != nil {
			t.Fatal(err)
		}
		stored.Close()
		if got := strings.Count(said.String(), "the store is new"); got != want {
			t.Errorf("told %d times: %s", got, said.String())
		}
	}
}

// Whenever a backup is killed, there is none, or a whole one.
func TestKilledInABackup(t *testing.T) {
	o := withStore(t)
	running(t, o)
	file := filepath.Join(t.TempDir(), "backup.db")
	for round := range 8 {
		cmd := child("backups", o.StateDir, file)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for lines, n := bufio.NewScanner(out), 0; n <= 3+7*round && lines.Scan(); n++ {
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || state.Signal() != syscall.SIGKILL {
			t.Fatalf("it ended by itself: %v", cmd.ProcessState)
		}
		if _, err := o.VerifyBackup(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("round %d: %v", round, err)
		}
	}
}

// backUpForEver says how far it is with each piece, so that it is killed in the
// middle of one.
func backUpForEver(dir, file string) {
	o := DefaultOptions()
	o.StateDir = dir
	for {
		if _, err := o.BackupTo(context.Background(), file, true, func(done, all int64) { fmt.Println(done, all) }); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func backUpOnAFullDisk(dir, file string) {
	o := DefaultOptions()
	o.StateDir = dir
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		os.Exit(1)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 100_000, Max: limit.Max}); err != nil {
		os.Exit(1)
	}
	_, err := o.BackupTo(context.Background(), file, true, quiet)
	fmt.Println(fleet.CodeOf(err), err)
}

func TestABackupOnAFullDiskLeavesTheFormerOne(t *testing.T) {
	o := withStore(t)
	running(t, o)
	file := filepath.Join(t.TempDir(), "backup.db")
	if _, err := o.BackupTo(t.Context(), file, false, quiet); err != nil {
		t.Fatal(err)
	}
	out, err := child("full-disk", o.StateDir, file).Output()
	if err != nil || !strings.HasPrefix(string(out), fleet.CodeUnavailable) || !strings.Contains(string(out), "free space in") {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := o.VerifyBackup(file); err != nil {
		t.Error(err)
	}
	only(t, file)
	if _, err := o.BackupTo(t.Context(), file, true, quiet); err != nil {
		t.Errorf("the hub gives no other backup after that: %v", err)
	}
}

// only fails when anything but the file is left in its folder.
func only(t *testing.T, file string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 1 {
		t.Errorf("left are %v, error %v", entries, err)
	}
}

func TestAStaleSocketIsNoHub(t *testing.T) {
	o := withStore(t)
	listener, err := control.Listen(o.controlPath())
	if err != nil {
		t.Fatal(err)
	}
	if unix, ok := listener.(interface{ SetUnlinkOnClose(bool) }); ok {
		unix.SetUnlinkOnClose(false)
	}
	listener.Close()
	if _, err := os.Stat(o.controlPath()); err != nil {
		t.Fatal(err)
	}
	if _, err := o.BackupTo(t.Context(), filepath.Join(t.TempDir(), "backup.db"), false, quiet); err != nil {
		t.Error(err)
	}
	running(t, o)
}
