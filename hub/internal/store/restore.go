package store

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"github.com/musterhq/muster/shared/fleet"
)

// Restoring says how a backup becomes the store.
type Restoring struct {
	// Force takes the place of a store that is there, which is kept aside.
	Force bool
	// Lineage has to be the backup's where the store that is there has another.
	Lineage string
	// Name is what errors call the backup; it may be empty.
	Name string
	Now  time.Time
	// Progress is told how many bytes are done; it may be nil.
	Progress func(done int64)
}

// Restored is what Restore did.
type Restored struct {
	Manifest
	// Continues is the revision from which the restored store goes on.
	Continues uint64 `json:"continues"`
	// Kept is where the former store is now; empty: there was none.
	Kept string `json:"kept,omitempty"`
}

// Restore makes the backup the store at path. The backup is copied and
// verified first; then it takes its place in one step, so that there is always
// either the former store or the restored one. It refuses while a hub runs.
func Restore(backup io.Reader, path string, options Options, how Restoring) (Restored, error) {
	var result Restored
	dir := filepath.Dir(path)
	if err := makeFolder(dir); err != nil {
		return result, err
	}
	former, err := occupy(path)
	if err != nil {
		return result, err
	}
	former.release() // to be read
	lineage := lineageOf(path, options)
	if former, err = occupy(path); err != nil {
		return result, err
	}
	defer former.release()
	if former.file != nil && !how.Force {
		return result, fleet.Conflict("", "there is a store already: %s", path).WithHint("--force restores all the same, and keeps that one aside")
	}
	if err := sweep(path + draftSuffix); err != nil {
		return result, err
	}
	draft, err := copyAside(backup, path, how.Progress)
	if err != nil {
		return result, err
	}
	defer os.Remove(draft)
	if result.Manifest, err = verify(draft, cmp.Or(how.Name, "the backup"), options); err != nil {
		return result, err
	}
	if err := sameFleet(lineage, result.Manifest, how.Lineage); err != nil {
		return result, err
	}
	if result.Continues, err = goOn(draft, result.Manifest, options, how.Now); err != nil {
		return result, fmt.Errorf("prepare the restored store: %w", Advise(draft, err))
	}
	result.Kept, err = exchange(draft, path, former, how.Now)
	return result, err
}

// sweep takes away what was left by restores or upgrades that were killed.
func sweep(drafts string) error {
	left, err := filepath.Glob(drafts + "*")
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

const draftSuffix = ".restore-"

// copyAside writes the backup to a file beside the store's place.
func copyAside(backup io.Reader, path string, progress func(int64)) (name string, err error) {
	draft, err := createDraft(path, draftSuffix+"*")
	if err != nil {
		return "", fmt.Errorf("restore: %w", Advise(path, err))
	}
	defer func() {
		if err != nil {
			os.Remove(draft.Name())
		}
	}()
	_, err = io.Copy(draft, &counted{from: backup, tell: progress})
	if err = errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return "", fmt.Errorf("copy the backup: %w", Advise(path, err))
	}
	return draft.Name(), nil
}

// counted tells how much was read.
type counted struct {
	from io.Reader
	done int64
	tell func(int64)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.done += int64(n)
	if c.tell != nil {
		c.tell(c.done)
	}
	return n, err
}

// lineageOf is that of the store that is there; empty: there is none, or it
// can't be read, which is what backups are for.
func lineageOf(path string, options Options) (lineage string) {
	if s, err := Read(path, options); err == nil {
		lineage = s.Meta().Lineage
		s.db.Close()
	}
	return lineage
}

// sameFleet refuses to put one fleet's backup in the place of another's store:
// no agent would follow it.
func sameFleet(former string, manifest Manifest, meant string) error {
	if meant != "" && meant != manifest.Lineage {
		return fleet.Conflict("lineage", "the backup is of the lineage %s, not %s", manifest.Lineage, meant)
	}
	if meant != "" || former == "" || former == manifest.Lineage {
		return nil
	}
	return fleet.Conflict("lineage", "the store that is there is of the lineage %s, the backup of %s: it is another fleet's", former, manifest.Lineage).
		WithHint("if that is meant: --lineage %s", manifest.Lineage)
}

// goOn takes the manifest off and makes the copy a store that comes after all
// that its fleet may have seen. Revisions go on from the time in milliseconds:
// far beyond what was committed since the backup, and beyond where an earlier
// restore of the same backup went on.
func goOn(draft string, manifest Manifest, options Options, now time.Time) (revision uint64, err error) {
	if err := os.Truncate(draft, manifest.Bytes); err != nil {
		return 0, err
	}
	db, _, err := openFile(draft, options.LockTimeout, false)
	if err != nil {
		return 0, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		meta, err := readMeta(tx)
		if err != nil {
			return err
		}
		meta.Revision = later(meta.Revision, now)
		meta.Restored, revision = meta.Revision, meta.Revision
		return writeMeta(tx, meta)
	})
	return revision, errors.Join(err, db.Close())
}

func later(revision uint64, now time.Time) uint64 {
	const atLeast = 1_000_000_000 // where the clock is no help
	return max(revision+atLeast, uint64(max(now.UnixMilli(), 0)))
}

// exchange puts the draft at path. A store that is there gets a second name
// first, and loses its own by the rename: at no time is there none.
func exchange(draft, path string, former *occupied, now time.Time) (kept string, err error) {
	dir := filepath.Dir(path)
	if former.file == nil {
		if err := os.Link(draft, path); err != nil {
			return "", fmt.Errorf("put the restored store in place: %w", err)
		}
		return "", SyncFolder(dir)
	}
	kept = path + ".before-" + now.UTC().Format("20060102T150405.000Z")
	if err := os.Link(path, kept); err != nil {
		return "", fmt.Errorf("keep the former store aside: %w", err)
	}
	if err := os.Rename(draft, path); err != nil {
		return "", errors.Join(fmt.Errorf("put the restored store in place: %w", err), os.Remove(kept))
	}
	return kept, SyncFolder(dir)
}

// occupied is a store that is there, locked so that no hub starts on it.
type occupied struct{ file *os.File }

func occupy(path string) (*occupied, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return &occupied{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at the store that is there: %w", Advise(path, err))
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("restore: %w", lockedError(path, restoreHint))
	}
	return &occupied{file}, nil
}

func (o *occupied) release() {
	if o.file != nil {
		o.file.Close()
	}
}
