package store

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/musterhq/muster/shared/fleet"
)

func options() Options {
	o := DefaultOptions("services", "hosts")
	o.LockTimeout = 50 * time.Millisecond
	return o
}

func open(t testing.TB, path string, o Options) *Store {
	t.Helper()
	s, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func commit(t testing.TB, s *Store, revision uint64, changes []Change, events ...fleet.Event) {
	t.Helper()
	if err := s.Commit(revision, changes, events); err != nil {
		t.Fatal(err)
	}
}

func records(t testing.TB, s *Store) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := s.Load(func(table, key string, value []byte) error {
		got[table+":"+key] = string(value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func set(table, key, value string) Change {
	return Change{Table: table, Key: key, Value: []byte(value)}
}

func TestNewStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "hub.db")
	s := open(t, path, options())
	meta := s.Meta()
	if meta.Schema != Schema || len(meta.Lineage) < 20 || meta.Revision != 0 || meta.Created.IsZero() {
		t.Errorf("meta = %+v", meta)
	}
	if other := open(t, filepath.Join(t.TempDir(), "hub.db"), options()); other.Meta().Lineage == meta.Lineage {
		t.Error("two stores have one lineage")
	}
	for name, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700 | fs.ModeDir} {
		if info, err := os.Stat(name); err != nil || info.Mode() != want {
			t.Errorf("%s: mode %v, error %v; want %v", name, info.Mode(), err, want)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, error %v", entries, err)
	}
}

// Two hubs that start at once both find no file: one of them is too late.
func TestAStoreIsNeverPutOverAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	first := open(t, path, options())
	commit(t, first, 1, nil)
	first.Close()
	if err := create(path, options(), newMeta()); err != nil {
		t.Fatal(err)
	}
	if got := open(t, path, options()).Meta(); got.Lineage != first.Meta().Lineage || got.Revision != 1 {
		t.Errorf("meta %+v; want that of %+v", got, first.Meta())
	}
}

func TestLooseFileIsClosedToOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	open(t, path, options()).Close()
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, path, options())
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestWhatWasCommittedIsThereAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	s := open(t, path, options())
	commit(t, s, 3, []Change{set("services", "shop/web", "1"), set("hosts", "web1", "a"), set("hosts", "web2", "b")})
	commit(t, s, 9, []Change{set("services", "shop/web", "2"), {Table: "hosts", Key: "web1"}, {Table: "hosts", Key: "never"}})
	lineage := s.Meta().Lineage
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, options())
	want := map[string]string{"services:shop/web": "2", "hosts:web2": "b"}
	if got := records(t, s); !maps.Equal(got, want) {
		t.Errorf("records %v, want %v", got, want)
	}
	if meta := s.Meta(); meta.Revision != 9 || meta.Lineage != lineage {
		t.Errorf("meta %+v", meta)
	}
}

func TestRefusedCommitsChangeNothing(t *testing.T) {
	o := options()
	o.MaxRecords, o.MaxBytes = 3, 100
	s := open(t, filepath.Join(t.TempDir(), "hub.db"), o)
	commit(t, s, 5, []Change{set("hosts", "web1", "a")})
	cases := map[string]struct {
		revision uint64
		changes  []Change
		events   []fleet.Event
	}{
		"revision again":   {5, []Change{set("hosts", "web1", "x")}, nil},
		"older revision":   {4, []Change{set("hosts", "web1", "x")}, nil},
		"unknown table":    {6, []Change{set("hosts", "web1", "x"), set("pets", "rex", "x")}, nil},
		"no key":           {6, []Change{set("hosts", "web1", "x"), set("hosts", "", "x")}, nil},
		"key too long":     {6, []Change{set("hosts", strings.Repeat("k", bbolt.MaxKeySize+1), "x")}, nil},
		"too many records": {6, []Change{set("hosts", "web1", "x"), set("hosts", "b", "x")}, make([]fleet.Event, 2)},
		"too many bytes":   {6, []Change{set("hosts", "web1", "x"), set("hosts", "b", strings.Repeat("x", 100))}, nil},
	}
	for name, c := range cases {
		if err := s.Commit(c.revision, c.changes, c.events); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if got := records(t, s); len(got) != 1 || got["hosts:web1"] != "a" || s.Meta().Revision != 5 {
		t.Errorf("records %v at revision %d", got, s.Meta().Revision)
	}
	if err := s.Problem(); err != nil {
		t.Errorf("the store has a problem: %v", err)
	}
	commit(t, s, 6, nil)
}

func TestBeginRaisesTheEpoch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	s := open(t, path, options())
	now := time.Unix(1_800_000_000, 0)
	for i, c := range []struct {
		now  time.Time
		want uint64
	}{{now, 1_800_000_000}, {now, 1_800_000_001}, {now.Add(-time.Hour), 1_800_000_002}, {now.Add(time.Hour), 1_800_003_600}} {
		if got, err := s.Begin(c.now); err != nil || got != c.want {
			t.Errorf("start %d: epoch %d, error %v; want %d", i, got, err, c.want)
		}
	}
	s.Close()
	if got := open(t, path, options()).Meta().Epoch; got != 1_800_003_600 {
		t.Errorf("epoch on disk %d", got)
	}
}

func TestLoadEndsWithAnError(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hub.db"), options())
	commit(t, s, 1, []Change{set("hosts", "a", "1"), set("hosts", "b", "2")})
	stop, calls := errors.New("stop"), 0
	err := s.Load(func(string, string, []byte) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("error %v after %d calls", err, calls)
	}
}

func TestLoadIsOrdered(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hub.db"), options())
	commit(t, s, 1, []Change{set("services", "a", ""), set("hosts", "b", ""), set("hosts", "a", "")})
	var got []string
	if err := s.Load(func(table, key string, _ []byte) error { got = append(got, table+key); return nil }); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != "[hostsa hostsb servicesa]" {
		t.Errorf("order %v", got)
	}
}

func TestTablesCanBeAdded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	open(t, path, options()).Close()
	o := options()
	o.Tables = append(o.Tables, "balancers")
	s := open(t, path, o)
	commit(t, s, 1, []Change{set("balancers", "web1/haproxy", "1")})
	s.Close()

	_, err := Open(path, options())
	if fleet.CodeOf(err) != fleet.CodeConflict || !strings.Contains(err.Error(), `"balancers"`) {
		t.Errorf("an unknown table: %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, change := range []func(*Options){
		func(o *Options) { o.Tables = []string{"a", ""} },
		func(o *Options) { o.Tables = []string{"a", "b", "a"} },
		func(o *Options) { o.Retention = 0 },
		func(o *Options) { o.LockTimeout = 0 },
		func(o *Options) { o.MaxRecords = 0 },
		func(o *Options) { o.MaxBytes = 0 },
	} {
		o, path := options(), filepath.Join(t.TempDir(), "hub.db")
		change(&o)
		if _, err := Open(path, o); err == nil {
			t.Errorf("%+v accepted", o)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Error("a file was made")
		}
	}
}
