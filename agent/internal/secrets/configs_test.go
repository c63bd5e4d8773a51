package secrets_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/secrets"
)

func TestConfigs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "configs")
	c := secrets.NewConfigs(dir, slog.New(slog.DiscardHandler))
	c.Keep(nil) // there is none yet
	uid, gid := os.Geteuid(), os.Getegid()
	files := []brain.ConfigFile{{File: "0", Content: []byte("a"), UID: uid, GID: gid, Mode: 0o440}, {File: "1", UID: uid, GID: gid, Mode: 0o400}}
	for range 2 {
		if err := c.Write("a-1", files); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Write("b-1", files[:1]); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "a-1", "0")
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o440 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("by hand"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Write("a-1", files); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "a" {
		t.Errorf("changed by hand it stays %q, %v", got, err)
	}
	c.Keep([]string{"b-1"})
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || entries[0].Name() != "b-1" {
		t.Errorf("kept are %v, %v", entries, err)
	}
	for _, wrong := range []string{"", "..", "a/b", ".hidden"} {
		if c.Write(wrong, files) == nil {
			t.Errorf("the folder %q is written to", wrong)
		}
		if c.Write("a-1", []brain.ConfigFile{{File: wrong}}) == nil {
			t.Errorf("the file %q is written", wrong)
		}
	}
}
