package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/musterhq/muster/shared/fleet"
)

func TestOneHubAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	s := open(t, path, options())
	_, err := Open(path, options())
	if fleet.CodeOf(err) != fleet.CodeConflict || !strings.Contains(err.Error(), "another hub (process ") {
		t.Fatalf("second hub: %v", err)
	}
	if !strings.Contains(err.Error(), "stop the other hub") {
		t.Errorf("a second hub has no way out: %v", err)
	}
	if _, err := Read(path, options()); fleet.CodeOf(err) != fleet.CodeConflict || !strings.Contains(err.Error(), "makes the socket anew") || !strings.Contains(err.Error(), "--state-dir") {
		t.Errorf("a backup without the hub's socket: %v", err)
	}
	if _, err := Restore(strings.NewReader(""), path, options(), Restoring{Force: true, Now: noon}); fleet.CodeOf(err) != fleet.CodeConflict || !strings.Contains(err.Error(), "stop it first") || !strings.Contains(err.Error(), "--state-dir") {
		t.Errorf("a restore under a hub: %v", err)
	}
	commit(t, s, 1, nil)
	s.Close()
	if got := open(t, path, options()).Meta().Revision; got != 1 {
		t.Errorf("revision %d", got)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	open(t, path, options()).Close()
	edit(t, path, func(tx *bbolt.Tx) error {
		meta, err := readMeta(tx)
		if err != nil {
			return err
		}
		meta.Schema = Schema + 1
		value, err := json.Marshal(meta)
		if err != nil {
			return err
		}
		return tx.Bucket([]byte(metaBucket)).Put(metaKey, value)
	})
	refused(t, path, fleet.CodeConflict, "newer hub")
}

func TestAnotherProgramsFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	edit(t, path, func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("pets"))
		return err
	})
	refused(t, path, fleet.CodeInternal, "not a store of Muster's")
}

// Only restoring makes a backup a store: its revisions go on beyond those that
// agents know.
func TestABackupIsNoStore(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hub.db"), options())
	commit(t, s, 1, []Change{set("hosts", "web1", "a")})
	path := filepath.Join(t.TempDir(), "hub.db")
	damage(t, path, backup(t, s))
	refused(t, path, fleet.CodeConflict, "is a backup")
}

func TestAFolderIsRefused(t *testing.T) {
	if _, err := Open(t.TempDir(), options()); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Error(err)
	}
}

// Cutting the file short, or overwriting any of its pages, is either noticed
// when it is opened, or has hit nothing that is in use.
func TestDamageIsRefusedAndLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	s := open(t, path, options())
	for revision := uint64(1); revision <= 40; revision++ {
		commit(t, s, revision, []Change{set("hosts", fmt.Sprint("web", revision), strings.Repeat("x", 700))},
			fleet.Event{ID: fmt.Sprint(revision), Data: fleet.EventData{Message: strings.Repeat("m", 700)}})
	}
	want := len(records(t, s))
	s.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	need := lengthOf(t, path)
	page := os.Getpagesize()

	for _, length := range []int{0, 1, 100, page, page + 100, 2 * page, 3 * page, int(need) / 2, int(need) - 1} {
		damage(t, path, whole[:length])
		refused(t, path, fleet.CodeInternal, "damaged")
		if _, err := Read(path, options()); fleet.CodeOf(err) != fleet.CodeInternal || !strings.Contains(err.Error(), "is damaged: it ") {
			t.Errorf("%d bytes, to be read only: %v", length, err)
		}
	}
	noticed := 0
	for at := 2 * page; at < int(need); at += page {
		for _, filler := range []byte{0, 0xff, 'x'} {
			broken := bytes.Clone(whole)
			copy(broken[at:at+page], bytes.Repeat([]byte{filler}, page))
			damage(t, path, broken)
			s, err := Open(path, options())
			if err != nil {
				noticed++
				if fleet.CodeOf(err) != fleet.CodeInternal {
					t.Errorf("page %d: %v", at/page, err)
				}
				continue
			}
			if got := len(records(t, s)); got != want {
				t.Errorf("page %d filled with %#x was not noticed, and %d of %d records are left", at/page, filler, got, want)
			}
			s.Close()
		}
	}
	if noticed == 0 {
		t.Error("no damage was noticed")
	}
	damage(t, path, whole)
	open(t, path, options())
}

// One broken header of the two is what a torn write leaves: the other one is
// used.
func TestATornHeaderIsSurvived(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	s := open(t, path, options())
	commit(t, s, 1, []Change{set("hosts", "web1", "a")})
	commit(t, s, 2, []Change{set("hosts", "web2", "b")})
	s.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, os.Getpagesize()} {
		torn := bytes.Clone(whole)
		copy(torn[at:], make([]byte, 200))
		damage(t, path, torn)
		s := open(t, path, options())
		if got := s.Meta().Revision; got != 1 && got != 2 {
			t.Errorf("revision %d", got)
		}
		s.Close()
	}
}

func edit(t *testing.T, path string, fn func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(fn); err != nil {
		t.Fatal(err)
	}
}

func damage(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, path, code, says string) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, options())
	if err == nil {
		s.Close()
		t.Fatalf("%s was opened with %d bytes", path, len(before))
	}
	if fleet.CodeOf(err) != code || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "(") {
		t.Errorf("refused with %v; want the code %s, %q and a hint", err, code, says)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the file was changed")
	}
}

func lengthOf(t *testing.T, path string) int64 {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	need, err := lengthNeeded(file)
	if err != nil {
		t.Fatal(err)
	}
	return need
}
