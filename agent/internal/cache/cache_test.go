package cache_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/cache"
	"github.com/musterhq/muster/shared/fleet"
)

func open(t *testing.T, dir string) *cache.Cache {
	t.Helper()
	c, err := cache.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func save(c *cache.Cache, kept *brain.Cache) error {
	data, err := c.Encode(kept)
	if err == nil {
		err = c.Write(data)
	}
	return err
}

func filled() brain.Cache {
	return brain.Cache{
		Lineage: "L1", Desired: []byte("{\"v\": 1}\n"), PoolsComplete: true, Advertise: "10.0.0.1",
		Pools:      map[string][]byte{"shop/web": []byte("{}")},
		Quarantine: map[int]time.Time{20001: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)},
		Sequence:   1000, Numbering: "n1", LastEvent: 1,
		Events: []fleet.Event{{ID: "n1-1", Type: fleet.EventEngineDown, Source: "hosts/h1"}},
		Instances: map[string]*brain.Record{"a-1": {
			Service: fleet.ServiceKey{Project: "shop", Name: "web"}, Version: 1, Ports: map[int]int{8080: 20001},
			Snapshot: &brain.Snapshot{Name: "n", Networks: []string{"bridge"}},
		}},
	}
}

func TestWhatWasSavedIsLoaded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	c := open(t, dir)
	if got, err := c.Load(); err != nil || !cmp.Equal(got, brain.Cache{}) {
		t.Fatalf("without a file: %+v, %v", got, err)
	}
	want := filled()
	for range 2 {
		if err := save(c, &want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := c.Load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "state.json"): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Fatalf("left in the directory: %v, %v", entries, err)
	}
}

func TestDamagedFileIsSetAside(t *testing.T) {
	tests := map[string]func(data []byte) []byte{
		"empty":     func([]byte) []byte { return nil },
		"cut":       func(data []byte) []byte { return data[:len(data)/2] },
		"bit":       func(data []byte) []byte { return bytes.Replace(data, []byte("20001"), []byte("20003"), 1) },
		"no json":   func([]byte) []byte { return []byte("\x00\x00\x00") },
		"other":     func([]byte) []byte { return []byte(`{}`) },
		"wrong sum": func([]byte) []byte { return []byte(`{"version":1,"sum":"00","cache":{}}`) },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := open(t, dir)
			saved := filled()
			if err := save(c, &saved); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "state.json")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			damaged := damage(data)
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := c.Load()
			var damage *cache.DamagedError
			if !errors.As(err, &damage) || !cmp.Equal(got, brain.Cache{}) {
				t.Fatalf("loaded %+v, %v", got, err)
			}
			aside, err := os.ReadFile(damage.Aside)
			if err != nil || !bytes.Equal(aside, damaged) {
				t.Fatalf("set aside: %q, %v", aside, err)
			}
			if _, err := c.Load(); err != nil {
				t.Fatalf("the next time: %v", err)
			}
		})
	}
}

func TestFewDamagedFilesAreKept(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	for range 8 {
		if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte("?"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Load(); err == nil {
			t.Fatal("it was loaded")
		}
	}
	kept, err := filepath.Glob(filepath.Join(dir, "*.damaged-*"))
	if err != nil || len(kept) != 5 {
		t.Fatalf("kept %d, %v", len(kept), err)
	}
}

func TestFileOfANewerAgentIsLeft(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	path := filepath.Join(dir, "state.json")
	newer := []byte(`{"version":2,"sum":"x","content":{}}`)
	if err := os.WriteFile(path, newer, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Load(); fleet.CodeOf(err) != fleet.CodeConflict {
		t.Fatalf("loaded: %v", err)
	}
	if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, newer) {
		t.Fatalf("left %q, %v", data, err)
	}
}

func TestOneAgentAtATime(t *testing.T) {
	dir := t.TempDir()
	first, err := cache.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cache.Open(dir); fleet.CodeOf(err) != fleet.CodeConflict {
		t.Fatalf("second: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestFailedSaveKeepsTheFile(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	saved := filled()
	if err := save(c, &saved); err != nil {
		t.Fatal(err)
	}
	gone := dir + "-elsewhere"
	if err := os.Rename(dir, gone); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(gone) })
	if err := save(c, &brain.Cache{}); err == nil {
		t.Fatal("saved into nothing")
	}
	if err := os.Rename(gone, dir); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Load(); err != nil || got.Lineage != "L1" {
		t.Fatalf("%+v, %v", got, err)
	}
}
