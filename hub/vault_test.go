package hub

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/hub/internal/store"
)

// TestTheKeyBelongsToTheStore: a key is made where nothing is sealed yet, and a store
// that is sealed is opened with its own key only.
func TestTheKeyBelongsToTheStore(t *testing.T) {
	o := DefaultOptions()
	o.StateDir = t.TempDir()
	open := func() error {
		t.Helper()
		stored, err := store.Open(o.storePath(), o.storeOptions())
		if err != nil {
			t.Fatal(err)
		}
		defer stored.Close()
		_, err = openVault(o, stored)
		return err
	}
	for range 2 {
		if err := open(); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(o.StateDir, "master.key")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	kept := path + ".kept"
	if err := os.Rename(path, kept); err != nil {
		t.Fatal(err)
	}
	want := func(text string) {
		t.Helper()
		if err := open(); err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "put the copy of the key back") {
			t.Errorf("%v, want it to say %q", err, text)
		}
	}
	want("there is no " + path)
	if _, err := os.Stat(path); err == nil {
		t.Error("another key was made")
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("k", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	want(path + " is another key")
	o.MasterKey = kept
	if err := open(); err != nil {
		t.Error(err)
	}
}
