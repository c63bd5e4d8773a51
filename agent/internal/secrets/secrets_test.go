package secrets

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/nacl/box"
	"golang.org/x/sys/unix"

	"github.com/musterhq/muster/agent/brain"
)

// inMemory is a folder of the test's own on a tmpfs.
func inMemory(t testing.TB) string {
	t.Helper()
	if _, ok := kindOf("/dev/shm"); !ok {
		t.Fatal("/dev/shm is no tmpfs here: mount one, as every Linux has it")
	}
	dir, err := os.MkdirTemp("/dev/shm", "muster-secrets")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// onDisk is a folder of the test's own beside its code, which isn't in memory even
// where the machine's folder for temporary files is.
func onDisk(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(".", "on-disk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if dir, err = filepath.Abs(dir); err != nil {
		t.Fatal(err)
	}
	if kind, ok := kindOf(dir); ok {
		t.Fatalf("the code is on a %s: this test needs it on a disk", kind)
	}
	return dir
}

func open(t testing.TB, state, dir string) *Secrets {
	t.Helper()
	s, err := Open(Options{StateDir: state, Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// sealed is what a hub sends of a value.
func sealed(t testing.TB, s *Secrets, value string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(s.Key())
	if err != nil || len(raw) != keySize {
		t.Fatalf("%q is no key", s.Key())
	}
	out, err := box.SealAnonymous(nil, []byte(value), (*[keySize]byte)(raw), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(out)
}

func mine(file, text string) brain.Secret {
	return brain.Secret{Ref: "shop/" + file + "@1", Sealed: text, File: file, UID: os.Geteuid(), GID: os.Getegid(), Mode: 0o444}
}

func TestFilesAreWrittenAsTheyAreAskedFor(t *testing.T) {
	dir := filepath.Join(inMemory(t), "secrets")
	s := open(t, t.TempDir(), dir)
	if s.Problem() != "" {
		t.Fatal(s.Problem())
	}
	private := mine("key", sealed(t, s, "k\x00ey"))
	private.Mode = 0o400
	if err := s.Write("1-1", []brain.Secret{mine("db", sealed(t, s, "hunter2")), private}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "1-1", "db")
	check := func(path, want string, mode os.FileMode) {
		t.Helper()
		value, err := os.ReadFile(path)
		info, statErr := os.Stat(path)
		if err != nil || statErr != nil || string(value) != want || info.Mode() != mode {
			t.Errorf("%s is %q, %v, %v, %v", path, value, info, err, statErr)
		}
	}
	check(path, "hunter2", 0o444)
	check(filepath.Join(dir, "1-1", "key"), "k\x00ey", 0o400)
	for _, folder := range []string{dir, filepath.Dir(path)} {
		if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", folder, info, err)
		}
	}
	// What a container has stays the very file; what was spoilt is put right.
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write("1-1", []brain.Secret{mine("db", sealed(t, s, "hunter2"))}); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("it is another file: %v", err)
	}
	for _, spoil := range []func() error{
		func() error { return os.Chmod(path, 0o600) },
		func() error { return os.WriteFile(path, []byte("spoilt"), 0o600) },
		func() error { return os.Remove(path) },
		func() error { return os.RemoveAll(filepath.Dir(path)) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if err := s.Write("1-1", []brain.Secret{mine("db", sealed(t, s, "hunter2"))}); err != nil {
			t.Fatal(err)
		}
		check(path, "hunter2", 0o444)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left are %v, %v", entries, err)
	}
}

func TestOnlyWhatIsKeptStays(t *testing.T) {
	dir := inMemory(t)
	s := open(t, t.TempDir(), dir)
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for range 10 {
				if err := s.Write(fmt.Sprintf("1-%d", i), []brain.Secret{mine("db", sealed(t, s, "hunter2"))}); err != nil {
					t.Error(err)
				}
				s.Keep([]string{"1-0", "1-1", "1-2", "1-3", "1-4", "1-5", "1-6", "1-7"})
			}
		})
	}
	wait.Wait()
	s.Keep([]string{"1-3", "9-9"})
	entries, err := os.ReadDir(dir)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if err != nil || !slices.Equal(names, []string{lockFile, "1-3"}) {
		t.Errorf("left are %v, %v", names, err)
	}
}

func TestAFolderThatIsNotInMemory(t *testing.T) {
	dir := filepath.Join(onDisk(t), "secrets")
	s := open(t, t.TempDir(), dir)
	if os.Geteuid() == 0 && s.Problem() == "" { // it has mounted one
		defer func() {
			s.Close()
			if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		}()
		if kind, ok := kindOf(dir); !ok {
			t.Errorf("it is on %s", kind)
		}
		if err := s.Write("1-1", []brain.Secret{mine("db", sealed(t, s, "hunter2"))}); err != nil {
			t.Error(err)
		}
		return
	}
	if !strings.Contains(s.Problem(), "not in memory") || !strings.Contains(s.Problem(), "--secrets-dir") {
		t.Errorf("problem %q", s.Problem())
	}
	if err := s.Write("1-1", []brain.Secret{mine("db", sealed(t, s, "hunter2"))}); err == nil {
		t.Error("it is written to a disk")
	}
}

func TestMountsThatNobodyElseSees(t *testing.T) {
	const root, run = "27 1 254:0 / / rw,relatime %s- ext4 /dev/vda rw\n", "28 27 0:24 / /run rw,nosuid %s- tmpfs tmpfs rw\n"
	for _, c := range []struct {
		root, run string
		want      bool
	}{
		{"", "", false}, {"shared:1 ", "shared:5 ", false}, {"shared:1 ", "master:5 ", true}, {"master:1 ", "shared:5 ", false}, {"master:1 ", "shared:7 master:5 ", false},
	} {
		if got := ownMounts(fmt.Sprintf(root+run, c.root, c.run), "/run/muster-agent/secrets"); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if ownMounts(fmt.Sprintf(root+run, "", "master:5 "), "/running") {
		t.Error("another folder")
	}
}

// Where the memory is taken away from under a running agent, nothing gets on a disk.
func TestTheMountIsGone(t *testing.T) {
	s := open(t, t.TempDir(), inMemory(t))
	s.options.Dir = onDisk(t)
	if err := s.Write("1-1", []brain.Secret{mine("db", sealed(t, s, "hunter2"))}); err == nil || !strings.Contains(err.Error(), "not in memory") {
		t.Errorf("%v", err)
	}
	if entries, err := os.ReadDir(s.options.Dir); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
	keep := filepath.Join(s.options.Dir, "somebody's")
	if err := os.Mkdir(keep, 0o700); err != nil {
		t.Fatal(err)
	}
	s.Keep(nil)
	if _, err := os.Stat(keep); err != nil {
		t.Error(err)
	}
}

func TestTwoAgentsDoNotShareAFolder(t *testing.T) {
	dir := inMemory(t)
	first := open(t, t.TempDir(), dir)
	if second := open(t, t.TempDir(), dir); !strings.Contains(second.Problem(), "used by another agent") {
		t.Errorf("problem %q", second.Problem())
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if again := open(t, t.TempDir(), dir); again.Problem() != "" {
		t.Errorf("problem %q", again.Problem())
	}
}

func TestTheKeyStays(t *testing.T) {
	state, dir := t.TempDir(), inMemory(t)
	first := open(t, state, dir)
	path := filepath.Join(state, keyFile)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != keySize {
		t.Fatal(info, err)
	}
	text := sealed(t, first, "hunter2")
	first.Close()
	again := open(t, state, dir)
	if again.Key() != first.Key() {
		t.Error("another start, another key")
	}
	if value, err := again.open(text); err != nil || string(value) != "hunter2" {
		t.Errorf("%q, %v", value, err)
	}
	again.Close()
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(again.options); err == nil || !strings.Contains(err.Error(), "can be read by others") {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	other := open(t, state, dir)
	if other.Key() == first.Key() {
		t.Error("the damaged key is used")
	}
	if kept, err := os.ReadFile(path + ".damaged"); err != nil || string(kept) != "short" {
		t.Errorf("%q, %v", kept, err)
	}
	if _, err := other.open(text); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Error(err)
	}
}

func TestCredentials(t *testing.T) {
	s := open(t, t.TempDir(), inMemory(t))
	login, err := s.Credentials("docker.io", sealed(t, s, `{"username":"ann","password":"hunter2"}`))
	if err != nil || login.Username != "ann" || login.Password != "hunter2" {
		t.Errorf("%+v, %v", login, err)
	}
	for _, text := range []string{"", "!", sealed(t, s, "hunter2"), sealed(t, s, `{"username":"ann","password":"hunter2"`)} {
		if _, err := s.Credentials("docker.io", text); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "docker.io") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestNamesThatLeadElsewhere(t *testing.T) {
	dir := inMemory(t)
	s := open(t, t.TempDir(), dir)
	text := sealed(t, s, "hunter2")
	for _, c := range [][2]string{{"..", "db"}, {"", "db"}, {"a/b", "db"}, {".x", "db"}, {"1-1", "../db"}, {"1-1", ""}, {"1-1", ".db"}, {"1-1", "a/b"}} {
		if err := s.Write(c[0], []brain.Secret{mine(c[1], text)}); err == nil {
			t.Errorf("%q is written", c)
		}
	}
}

// FuzzSealed: whatever comes from a hub is opened, or refused without showing any of it.
func FuzzSealed(f *testing.F) {
	s := open(f, f.TempDir(), inMemory(f))
	f.Add([]byte(sealed(f, s, "hunter2")))
	f.Add([]byte(sealed(f, s, `{"username":"ann","password":"hunter2"}`)))
	f.Add([]byte("AAAA"))
	f.Fuzz(func(t *testing.T, text []byte) {
		value, err := s.open(string(text))
		if err != nil && value != nil {
			t.Errorf("%q and %v", value, err)
		}
		if _, err := s.Credentials("r", string(text)); err != nil && len(value) > 8 && bytes.Contains([]byte(err.Error()), value) {
			t.Error(err)
		}
	})
}
