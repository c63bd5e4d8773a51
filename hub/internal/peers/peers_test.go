package peers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/shared/fleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fake struct {
	names   map[string]string
	members map[string][]string
	gid     string
	asked   int
}

func (f *fake) name(uid string) (string, error) {
	f.asked++
	if name, known := f.names[uid]; known {
		return name, nil
	}
	return "", errors.New("unknown")
}
func (f *fake) groups(uid string) ([]string, error) { return f.members[uid], nil }
func (f *fake) group(string) (string, error) {
	if f.gid == "" {
		return "", errors.New("no such group")
	}
	return f.gid, nil
}

// place is a path that is short enough for a socket, in a folder open to all.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "peers")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "run", "hub.sock")
}

func TestWhatIsThereAlready(t *testing.T) {
	path := place(t)
	first, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	go func() { // a listener that somebody looks after
		for {
			conn, err := first.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	if _, err := Listen(path); fleet.CodeOf(err) != fleet.CodeConflict || !strings.Contains(err.Error(), "another hub answers at "+path) {
		t.Errorf("a live hub's socket: %v", err)
	}
	first.(*peers).SetUnlinkOnClose(false) // as a hub that is killed leaves it
	first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
	second, err := Listen(path)
	if err != nil {
		t.Fatalf("a dead hub's socket: %v", err)
	}
	second.Close()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it stays behind: %v", err)
	}
	if err := os.WriteFile(path, []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); fleet.CodeOf(err) != fleet.CodeConflict || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("somebody's file: %v", err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "dear" {
		t.Errorf("somebody's file is gone: %v", err)
	}
	if _, err := Listen(filepath.Join(path, "below", "hub.sock")); err == nil {
		t.Error("a folder that can't be made is no error")
	}
}

func TestUsersAreRememberedForAWhile(t *testing.T) {
	now := time.Unix(0, 0)
	m := &fake{names: map[string]string{"7": "ann"}}
	u := newUsers(m)
	u.now = func() time.Time { return now }
	for range 3 {
		if u.name("7") != "ann" || u.member("7", "1") {
			t.Error("wrong about ann")
		}
	}
	if m.asked != 1 {
		t.Errorf("asked %d times", m.asked)
	}
	now = now.Add(believed)
	if u.name("7"); m.asked != 2 {
		t.Errorf("asked %d times after a while", m.asked)
	}
	for i := range 3 * remember {
		u.name(fmt.Sprint(1000 + i))
	}
	if len(u.known) > remember {
		t.Errorf("%d are remembered", len(u.known))
	}
}
