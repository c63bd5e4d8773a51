package hub

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

func draftOf(t *testing.T, path string) *draft {
	t.Helper()
	d, err := newDraft(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// What a killed backup left has all the fleet's secrets in it.
func TestDraftsOfKilledBackupsAreTakenAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub[1].db")
	killed := draftOf(t, path)
	killed.Close()
	other := filepath.Join(filepath.Dir(path), ".hub[1].db.swp")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	going := draftOf(t, path)
	draftOf(t, path)
	for name, want := range map[string]bool{killed.Name(): false, other: true, going.Name(): true} {
		if _, err := os.Stat(name); want != (err == nil) {
			t.Errorf("%s: %v; it is to be left: %v", name, err, want)
		}
	}
}

// Also where the disk can't look and rename in one step.
func TestADraftReplacesNothingUnasked(t *testing.T) {
	for name, place := range map[string]func(*draft) error{
		"in one step":  func(d *draft) error { return d.place(false) },
		"in two steps": (*draft).placeIfFree,
	} {
		path := filepath.Join(t.TempDir(), "backup.db")
		d := draftOf(t, path)
		if err := place(d); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		only(t, path)
		if err := place(draftOf(t, path)); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s, over another backup: %v", name, err)
		}
	}
}

// The place of a backup isn't blamed for what is wrong with the source.
func TestWhoIsBlamedForABackupThatFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "backup.db")
	source := &fs.PathError{Op: "open", Path: "/data/control.sock", Err: fs.ErrPermission}
	if err := draftOf(t, path).finish(source); !errors.Is(err, source) || strings.Contains(err.Error(), path) {
		t.Errorf("by the source: %v", err)
	}
	d := draftOf(t, path)
	d.failed = &fs.PathError{Op: "write", Path: d.Name(), Err: fs.ErrPermission}
	if err := d.finish(errors.New("copy the backup")); fleet.CodeOf(err) != fleet.CodeUnavailable || !strings.Contains(err.Error(), path) {
		t.Errorf("by the place: %v", err)
	}
}
