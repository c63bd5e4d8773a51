package store

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/musterhq/muster/shared/fleet"
)

const olderSchema = Schema - 1

// older makes the store at path one of the former release.
func older(path string) error {
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Update(func(tx *bbolt.Tx) error {
		meta, err := readMeta(tx)
		if err != nil {
			return err
		}
		meta.Schema = olderSchema
		return writeMeta(tx, meta)
	})
}

// anOlderStore has some records at revision 7.
func anOlderStore(t *testing.T) (path string, has map[string]string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "hub.db")
	s := open(t, path, options())
	commit(t, s, 7, batch(7), happened("a")...)
	has = records(t, s)
	s.Close()
	must(older(path))
	return path, has
}

func backups(t *testing.T, path string) []string {
	t.Helper()
	names, err := filepath.Glob(path + ".schema-*")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestAnOlderStoreIsUpgraded(t *testing.T) {
	path, has := anOlderStore(t)
	was, err := Read(path, options())
	if err != nil {
		t.Fatal(err)
	}
	meta := was.Meta()
	was.Close()
	if meta.Schema != olderSchema {
		t.Fatalf("meta %+v", meta)
	}

	s := open(t, path, options())
	up := s.Upgraded()
	want := Upgraded{From: olderSchema, To: Schema, Backup: path + ".schema-2-revision-7.backup"}
	if up == nil || *up != want {
		t.Fatalf("upgraded %+v, want %+v", up, want)
	}
	meta.Schema = Schema
	if got := s.Meta(); got != meta || !maps.Equal(records(t, s), has) {
		t.Errorf("meta %+v, want %+v; %d records of %d", got, meta, len(records(t, s)), len(has))
	}
	commit(t, s, 8, nil)
	s.Close()
	if s = open(t, path, options()); s.Upgraded() != nil || s.Meta().Schema != Schema {
		t.Errorf("upgraded again: %+v", s.Upgraded())
	}
	if got := backups(t, path); !slices.Equal(got, []string{want.Backup}) {
		t.Errorf("beside it are %v", got)
	}
	if info, err := os.Stat(want.Backup); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	manifest, err := Verify(want.Backup, options())
	if err != nil || manifest.Schema != olderSchema || manifest.Revision != 7 {
		t.Errorf("the backup is %+v, error %v", manifest, err)
	}
}

// What is restored from it is a store of the older schema, as the older program
// wants it, and goes on beyond what agents have seen since.
func TestTheBackupOfAnUpgradeIsTheWayBack(t *testing.T) {
	path, has := anOlderStore(t)
	s := open(t, path, options())
	commit(t, s, 8, []Change{set("hosts", "h1", "later")})
	s.Close()
	content, err := os.ReadFile(s.Upgraded().Backup)
	if err != nil {
		t.Fatal(err)
	}
	restored := restore(t, content, path, Restoring{Force: true})
	back, err := Read(path, options())
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	if meta := back.Meta(); meta.Schema != olderSchema || meta.Revision != restored.Continues || !maps.Equal(records(t, back), has) {
		t.Errorf("meta %+v", meta)
	}
}

// However often it goes forward and back, only the last few are kept.
func TestBackupsOfUpgradesAreFew(t *testing.T) {
	path, _ := anOlderStore(t)
	for revision := uint64(8); revision < 8+2*upgradesKept; revision++ {
		s := open(t, path, options())
		commit(t, s, revision, nil)
		s.Close()
		must(older(path))
		at := noon.Add(time.Duration(revision) * time.Minute)
		must(os.Chtimes(s.Upgraded().Backup, at, at))
	}
	want := []string{path + ".schema-2-revision-10.backup", path + ".schema-2-revision-11.backup", path + ".schema-2-revision-12.backup"}
	if got := backups(t, path); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("beside it are %v", got)
	}
}

// upgradeSomeSteps is killed after the steps that the variable says.
func upgradeSomeSteps(path string) {
	db, file, err := openFile(path, time.Second, false)
	must(err)
	s := &Store{path: path, options: options(), db: db, file: file}
	_, err = s.begin()
	must(err)
	n, err := strconv.Atoi(os.Getenv("STEPS"))
	must(err)
	for _, step := range s.upgradeSteps(path + ".schema-2-revision-7.backup")[:n] {
		must(step())
	}
	must(syscall.Kill(os.Getpid(), syscall.SIGKILL))
	select {}
}

func TestKilledAfterEachStepOfAnUpgrade(t *testing.T) {
	for steps := range len((&Store{}).upgradeSteps("")) + 1 {
		path, has := anOlderStore(t)
		cmd := child("upgrade-some-steps", path)
		cmd.Env = append(cmd.Env, fmt.Sprint("STEPS=", steps))
		_ = cmd.Run()
		if state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || state.Signal() != syscall.SIGKILL {
			t.Fatalf("it ended by itself: %v", cmd.ProcessState)
		}
		wantUpgraded(t, path, has)
	}
}

// wantUpgraded: the store is the older one or the newer one, whole, and the next
// start upgrades it.
func wantUpgraded(t *testing.T, path string, has map[string]string) {
	t.Helper()
	left, err := Read(path, options())
	if err != nil {
		t.Fatal(err)
	}
	if schema := left.Meta().Schema; schema == Schema && len(backups(t, path)) != 1 {
		t.Errorf("it is upgraded, and beside it are %v", backups(t, path))
	}
	if !maps.Equal(records(t, left), has) {
		t.Errorf("%d records of %d", len(records(t, left)), len(has))
	}
	left.Close()
	s := open(t, path, options())
	if s.Meta().Schema != Schema || !maps.Equal(records(t, s), has) {
		t.Errorf("opened: %+v", s.Meta())
	}
	s.Close()
	if got := backups(t, path); len(got) != 1 {
		t.Errorf("beside it are %v", got)
	} else if _, err := Verify(got[0], options()); err != nil {
		t.Error(err)
	}
}

// upgradeForEver upgrades the store again and again.
func upgradeForEver(path string) {
	for {
		must(older(path))
		fmt.Println("older")
		s, err := Open(path, options())
		must(err)
		must(s.Close())
		fmt.Println("upgraded")
	}
}

// Whenever an upgrade is killed, the store is either the older or the newer one.
func TestKilledInAnUpgrade(t *testing.T) {
	path, has := anOlderStore(t)
	for round := range 20 {
		cmd := child("upgrader", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 1 + 2*(round%3) {
			if !lines.Scan() {
				t.Fatal("the upgrader ended by itself")
			}
		}
		time.Sleep(time.Duration(round) * time.Millisecond) // into the copy, and beyond
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || state.Signal() != syscall.SIGKILL {
			t.Fatalf("the upgrader ended by itself: %v", cmd.ProcessState)
		}
		wantUpgraded(t, path, has)
		must(older(path))
	}
	open(t, path, options())
	if left, _ := filepath.Glob(path + upgradeSuffix + "*"); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}

func upgradeOnFullDisk(path string) {
	var limit syscall.Rlimit
	must(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 2 * uint64(os.Getpagesize()), Max: limit.Max}))
	_, err := Open(path, options())
	fmt.Println(fleet.CodeOf(err), err)
}

func TestAnUpgradeOnAFullDiskChangesNothing(t *testing.T) {
	path, _ := anOlderStore(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out, err := child("upgrade-on-full-disk", path).Output()
	for _, part := range []string{fleet.CodeUnavailable, "from schema 2 to 3: the disk is full", "nothing was changed; free space in " + filepath.Dir(path)} {
		if err != nil || !strings.Contains(string(out), part) {
			t.Errorf("%v: %q is missing in %s", err, part, out)
		}
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the store was changed")
	}
	alone(t, path)
}
