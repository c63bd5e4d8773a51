package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/musterhq/muster/shared/fleet"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func nobody(int64) {}

func backup(t testing.TB, s *Store) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := s.Backup(&out, noon, nobody); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func restore(t testing.TB, content []byte, path string, how Restoring) Restored {
	t.Helper()
	if how.Now.IsZero() {
		how.Now = noon
	}
	result, err := Restore(bytes.NewReader(content), path, options(), how)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// A backup that is taken while others commit is one that they acknowledged,
// whole: each revision's records are all there, or none.
func TestABackupAmongCommitsIsConsistent(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hub.db"), options())
	commit(t, s, 1, batch(1), happened("a")...)
	stop, done := make(chan struct{}), make(chan uint64)
	go func() {
		revision := uint64(1)
		for {
			select {
			case <-stop:
				done <- revision
				return
			default:
			}
			if err := s.Commit(revision+1, batch(revision+1), happened("a")); err != nil {
				t.Error(err)
			}
			revision++
		}
	}()
	for range 8 {
		before := s.Meta().Revision
		content := backup(t, s)
		after := s.Meta().Revision
		path := filepath.Join(t.TempDir(), "hub.db")
		result := restore(t, content, path, Restoring{})
		if result.Revision < before || result.Revision > after+1 { // one may be on disk and about to be acknowledged
			t.Errorf("revision %d, taken between %d and %d", result.Revision, before, after)
		}
		restored := open(t, path, options())
		got := records(t, restored)
		if len(got) != int(result.Revision)+20 || strings.TrimSpace(got["hosts:h7"]) != fmt.Sprint(result.Revision) {
			t.Errorf("%d records at revision %d, a host of %s", len(got), result.Revision, got["hosts:h7"])
		}
		if n := restored.events.Load(); n != int64(result.Revision) {
			t.Errorf("%d events at revision %d", n, result.Revision)
		}
		restored.Close()
	}
	close(stop)
	<-done
}

func TestARestoredStoreGoesOnBeyondWhatAgentsSaw(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hub.db"), options())
	commit(t, s, 5, []Change{set("hosts", "web1", "a")})
	lineage := s.Meta().Lineage
	content := backup(t, s)
	first := restore(t, content, filepath.Join(t.TempDir(), "hub.db"), Restoring{})
	path := filepath.Join(t.TempDir(), "data", "hub.db")
	again := restore(t, content, path, Restoring{Now: noon.Add(time.Minute)})
	if first.Continues < uint64(noon.UnixMilli()) || again.Continues < first.Continues+10_000 {
		t.Errorf("they go on from %d and %d", first.Continues, again.Continues)
	}
	got := open(t, path, options())
	meta := got.Meta()
	if meta.Revision != again.Continues || meta.Restored != again.Continues || meta.Lineage != lineage || records(t, got)["hosts:web1"] != "a" {
		t.Errorf("meta %+v", meta)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if late := restore(t, content, filepath.Join(t.TempDir(), "hub.db"), Restoring{Now: time.Unix(0, 0)}); late.Continues <= 5+1000 {
		t.Errorf("with a clock that was reset it goes on from %d", late.Continues)
	}
}

func TestRestoreRefuses(t *testing.T) {
	there := filepath.Join(t.TempDir(), "hub.db")
	s := open(t, there, options())
	commit(t, s, 1, []Change{set("hosts", "web1", "a")})
	content := backup(t, s)
	other := backup(t, open(t, filepath.Join(t.TempDir(), "hub.db"), options()))
	newer := open(t, filepath.Join(t.TempDir(), "hub.db"), func() Options { o := options(); o.Tables = append(o.Tables, "pets"); return o }())
	flipped := bytes.Clone(content)
	flipped[3*os.Getpagesize()+100] ^= 1

	if _, err := Restore(bytes.NewReader(content), there, options(), Restoring{Force: true, Now: noon}); fleet.CodeOf(err) != fleet.CodeConflict || !strings.Contains(err.Error(), "another hub") {
		t.Errorf("under a hub that runs: %v", err)
	}
	s.Close()
	for name, c := range map[string]struct {
		content    []byte
		how        Restoring
		code, says string
	}{
		"a store is there":  {content, Restoring{}, fleet.CodeConflict, "--force"},
		"another fleet's":   {other, Restoring{Force: true}, fleet.CodeConflict, "--lineage"},
		"not what is meant": {content, Restoring{Force: true, Lineage: "X"}, fleet.CodeConflict, "not X"},
		"cut short":         {content[:len(content)/2], Restoring{Force: true}, fleet.CodeInvalid, "last line"},
		"without its end":   {content[:len(content)-1-len("\n")-100], Restoring{Force: true}, fleet.CodeInvalid, "last line"},
		"a changed bit":     {flipped, Restoring{Force: true}, fleet.CodeInvalid, "sum"},
		"bytes are missing": {append(bytes.Clone(content[:4096]), content[8192:]...), Restoring{Force: true}, fleet.CodeInvalid, "of the"},
		"nothing":           {nil, Restoring{Force: true}, fleet.CodeInvalid, "last line"},
		"something else":    {[]byte("a\n{}\n"), Restoring{Force: true}, fleet.CodeInvalid, "last line"},
		"no store in it":    {described(t, []byte("rubbish")), Restoring{Force: true}, fleet.CodeInvalid, "monday.db is not a backup"},
		"of a newer hub":    {backup(t, newer), Restoring{Force: true}, fleet.CodeConflict, "newer hub"},
	} {
		c.how.Now, c.how.Name = noon, "/backup/monday.db"
		_, err := Restore(bytes.NewReader(c.content), there, options(), c.how)
		if fleet.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "(") && name != "not what is meant" {
			t.Errorf("%s: %v; want %s, %q and a hint", name, err, c.code, c.says)
		}
		if strings.Contains(err.Error(), draftSuffix) {
			t.Errorf("%s: it names a file that is gone again: %v", name, err)
		}
	}
	alone(t, there)
	if got := records(t, open(t, there, options())); got["hosts:web1"] != "a" {
		t.Errorf("the store has %v", got)
	}
}

// described is content with the description of a backup, whose sum is right.
func described(t testing.TB, content []byte) []byte {
	t.Helper()
	sum := sha256.New()
	sum.Write(content)
	line, err := json.Marshal(describe(newMeta(), noon, int64(len(content)), sum))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Appendf(bytes.Clone(content), "\n%s\n", line)
}

// alone fails when anything but the store is left in its folder.
func alone(t testing.TB, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, error %v", entries, err)
	}
}

func TestForceKeepsTheFormerStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	s := open(t, path, options())
	commit(t, s, 1, []Change{set("hosts", "web1", "old")})
	content := backup(t, s)
	commit(t, s, 2, []Change{set("hosts", "web1", "new")})
	s.Close()
	result := restore(t, content, path, Restoring{Force: true})
	restored := open(t, path, options())
	if got := records(t, restored); got["hosts:web1"] != "old" {
		t.Errorf("restored %v", got)
	}
	restored.Close()
	if got := records(t, open(t, result.Kept, options())); got["hosts:web1"] != "new" {
		t.Errorf("kept %v", got)
	}
	edit(t, path, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(metaBucket)).Put(metaKey, fmt.Appendf(nil, `{"schema":%d,"lineage":"X"}`, Schema+1))
	})
	restore(t, content, path, Restoring{Force: true, Now: noon.Add(time.Minute)}) // the upgrade went wrong
	damage(t, path, []byte("rubbish"))
	restore(t, content, path, Restoring{Force: true, Now: noon.Add(time.Hour)})
	open(t, path, options())
}

// A damaged page of the source is found out, even where its sum is right.
func TestABackupOfADamagedStoreIsRefused(t *testing.T) {
	source := filepath.Join(t.TempDir(), "hub.db")
	s := open(t, source, options())
	commit(t, s, 1, []Change{set("hosts", "web1", strings.Repeat("x", 9000))})
	s.Close()
	edit(t, source, func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(metaBucket)) })
	db, err := bbolt.Open(source, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	broken := &Store{path: source, options: options(), db: db}
	if _, err := broken.Backup(io.Discard, noon, nobody); err == nil {
		t.Error("a store without a description was backed up")
	}
}

var errFull = errors.New("write: " + syscall.ENOSPC.Error())

type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestABackupThatFindsNoRoomFails(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hub.db"), options())
	commit(t, s, 1, batch(1))
	if _, err := s.Backup(&full{left: 5000}, noon, nobody); fleet.CodeOf(err) != fleet.CodeUnavailable || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("error %v", err)
	}
	commit(t, s, 2, batch(2))
}

const oldLineage = "7QW3VJ2K5XG4N6YTB2ZRHM3LDA"

func TestRecover(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	meta, err := Recover(path, oldLineage, options(), noon)
	if err != nil {
		t.Fatal(err)
	}
	if got := open(t, path, options()).Meta(); got.Lineage != oldLineage || got.Restored != meta.Revision || got.Revision != meta.Revision || got.Revision < uint64(noon.UnixMilli()) {
		t.Errorf("meta %+v", got)
	}
	if _, err := Recover(path, oldLineage, options(), noon); fleet.CodeOf(err) != fleet.CodeConflict {
		t.Errorf("over another store: %v", err)
	}
	for _, lineage := range []string{"no lineage", "ABC", strings.ToLower(oldLineage), oldLineage + "A", oldLineage[1:] + "1"} {
		if _, err := Recover(filepath.Join(t.TempDir(), "hub.db"), lineage, options(), noon); fleet.CodeOf(err) != fleet.CodeInvalid {
			t.Errorf("%q is taken for a lineage: %v", lineage, err)
		}
	}
	if drawn := newMeta().Lineage; !lineageName.MatchString(drawn) {
		t.Errorf("the lineage %q of a new store isn't taken for one", drawn)
	}
}

// What root makes or restores belongs to the hub's user, as its folder does.
func TestTheStoreBelongsToTheFoldersOwner(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hub.db"), options())
	commit(t, s, 1, nil)
	content := backup(t, s)
	for name, put := range map[string]func(path string){
		"restored": func(path string) { restore(t, content, path, Restoring{}) },
		"recovered": func(path string) {
			if _, err := Recover(path, oldLineage, options(), noon); err != nil {
				t.Fatal(err)
			}
		},
	} {
		dir, uid := t.TempDir(), os.Geteuid()
		if uid == 0 {
			uid = 65534
			if err := os.Chown(dir, uid, uid); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(dir, "hub.db")
		put(path)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != uid || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %+v, the folder is of user %d", name, info.Sys(), uid)
		}
	}
}

func TestAStoreThatMustBeThere(t *testing.T) {
	o := options()
	o.MustExist = true
	path := filepath.Join(t.TempDir(), "data", "hub.db")
	if _, err := Open(path, o); fleet.CodeOf(err) != fleet.CodeNotFound || !strings.Contains(err.Error(), "mounted") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err == nil {
		t.Error("a folder was made")
	}
	open(t, path, options()).Close()
	open(t, path, o)
}

// A store whose file was exchanged or removed takes nothing more, and still
// gives a backup of all that it took.
func TestAnExchangedFileIsNotUsed(t *testing.T) {
	for name, exchange := range map[string]func(path string) error{
		"removed": os.Remove,
		"exchanged": func(path string) error {
			other := filepath.Join(t.TempDir(), "hub.db")
			open(t, other, options()).Close()
			return os.Rename(other, path)
		},
	} {
		path := filepath.Join(t.TempDir(), "hub.db")
		s := open(t, path, options())
		commit(t, s, 1, []Change{set("hosts", "web1", "a")})
		if err := s.Ready(); err != nil {
			t.Fatal(err)
		}
		if err := exchange(path); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{s.Ready(), s.Commit(2, nil, nil)} {
			if fleet.CodeOf(err) != fleet.CodeUnavailable || !strings.Contains(err.Error(), "exchanged or removed") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if s.Problem() != nil {
			t.Errorf("%s: a new start is said to mend it, which would lose all", name)
		}
		content := backup(t, s)
		s.Close()
		restore(t, content, path, Restoring{Force: true, Lineage: s.Meta().Lineage})
		if got := records(t, open(t, path, options())); got["hosts:web1"] != "a" {
			t.Errorf("%s: rescued are %v", name, got)
		}
	}
}

func TestAdvice(t *testing.T) {
	for _, c := range []struct {
		cause error
		says  string
	}{
		{&os.PathError{Op: "open", Path: "/data/hub.db", Err: syscall.EACCES}, "run as the user that owns /data"},
		{&os.PathError{Op: "open", Path: "/data/hub.db", Err: syscall.EROFS}, "on a disk that can be written"},
		{&os.PathError{Op: "write", Path: "/data/hub.db", Err: syscall.ENOSPC}, "free space in /data"},
	} {
		if err := Advise("/data/hub.db", c.cause); fleet.CodeOf(err) != fleet.CodeUnavailable || !strings.Contains(err.Error(), c.says) || !errors.Is(err, c.cause) {
			t.Errorf("%v: %v", c.cause, err)
		}
	}
	if err := Advise("/data/hub.db", io.EOF); !errors.Is(err, io.EOF) || fleet.CodeOf(err) != fleet.CodeInternal {
		t.Errorf("another error: %v", err)
	}
}
