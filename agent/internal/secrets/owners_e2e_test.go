//go:build e2e

package secrets

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/musterhq/muster/agent/brain"
)

func TestOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root gives files away: run this test as root")
	}
	dir := inMemory(t)
	s := open(t, t.TempDir(), dir)
	given := mine("db", sealed(t, s, "hunter2"))
	given.UID, given.GID, given.Mode = 1000, 1001, 0o440
	if err := s.Write("1-1", []brain.Secret{given}); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(dir, "1-1", "db"), &st); err != nil || st.Uid != 1000 || st.Gid != 1001 || st.Mode&0o7777 != 0o440 {
		t.Errorf("%+v, %v", st, err)
	}
}
