package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/musterhq/muster/hub/internal/store"
)

// draft is a backup that isn't whole yet, beside the place that it is to have.
type draft struct {
	*os.File
	path   string // its place
	failed error  // the first write that failed
}

// draftPrefix begins the names of a backup's drafts, which nothing else has.
func draftPrefix(path string) string { return "." + filepath.Base(path) + ".muster-backup-" }

// newDraft makes an empty one, locked until it is whole. It takes away those
// that killed backups left: all that the fleet keeps secret is in them.
func newDraft(path string) (*draft, error) {
	if err := sweepDrafts(path); err != nil {
		return nil, fmt.Errorf("take away what a killed backup left: %w", store.Advise(path, err))
	}
	file, err := os.CreateTemp(filepath.Dir(path), draftPrefix(path)+"*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("make the backup: %w", store.Advise(path, err))
	}
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) // where a disk has no locks, nothing is swept
	return &draft{File: file, path: path}, nil
}

// sweepDrafts leaves alone what another backup is writing.
func sweepDrafts(path string) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), draftPrefix(path)) && entry.Type().IsRegular() {
			err = errors.Join(err, removeUnlocked(filepath.Join(filepath.Dir(path), entry.Name())))
		}
	}
	return err
}

func removeUnlocked(name string) error {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return nil
	}
	if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d *draft) Write(p []byte) (int, error) {
	n, err := d.File.Write(p)
	if d.failed == nil {
		d.failed = err
	}
	return n, err
}

// finish closes the draft, on disk. An error of its own comes before the one
// that it caused elsewhere; one of the source says nothing of the draft.
func (d *draft) finish(copied error) error {
	if err := errors.Join(d.failed, d.Sync(), d.Close()); err != nil {
		return store.Advise(d.path, err)
	}
	return copied
}

// place gives the draft its name. Without force, nothing that has the name is
// replaced.
func (d *draft) place(force bool) error {
	if force {
		return os.Rename(d.Name(), d.path)
	}
	err := unix.Renameat2(unix.AT_FDCWD, d.Name(), unix.AT_FDCWD, d.path, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP) {
		return d.placeIfFree() // this disk can't
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: d.Name(), New: d.path, Err: err}
	}
	return nil
}

// placeIfFree is for disks that can't look and rename in one step.
func (d *draft) placeIfFree() error {
	if _, err := os.Lstat(d.path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, &os.LinkError{Op: "rename", Old: d.Name(), New: d.path, Err: fs.ErrExist})
	}
	return os.Rename(d.Name(), d.path)
}

func (d *draft) remove() { _ = os.Remove(d.Name()) }
