package balancer

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// File is the configuration on disk. It is replaced whole or not at all, and
// only while it is what Muster wrote.
type File struct {
	Path    string
	Program string // whose configuration it is, as errors name it
	content []byte // as last read or written; nil: there is none
	stat    fs.FileInfo
}

// Load reads the file and returns the pools that it holds. A file that isn't
// there holds none.
func (f *File) Load() ([]fleet.Pool, error) {
	content, err := os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s's configuration: %w", f.Program, err)
	}
	pools, err := lbconf.Pools(content)
	if err != nil {
		return nil, f.foreign(err)
	}
	f.content = content
	f.stat, err = os.Stat(f.Path)
	return pools, err
}

// Content is the file as it was last read or written; nil: there is none. It isn't
// to be changed.
func (f *File) Content() []byte { return f.content }

// Intact returns an error when somebody else changed the file, and whether it
// is not the one that was read or written last: one that is gone, or an older
// one of Muster's that was put back, may be written again.
func (f *File) Intact() (stale bool, err error) {
	stat, err := os.Stat(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return f.content != nil, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at %s's configuration: %w", f.Program, err)
	}
	if f.stat != nil && os.SameFile(stat, f.stat) && stat.ModTime().Equal(f.stat.ModTime()) && stat.Size() == f.stat.Size() {
		return false, nil
	}
	content, err := os.ReadFile(f.Path)
	if err != nil {
		return false, fmt.Errorf("read %s's configuration: %w", f.Program, err)
	}
	if _, err := lbconf.Pools(content); err != nil {
		return false, f.foreign(err)
	}
	return !bytes.Equal(content, f.content), nil
}

func (f *File) foreign(cause error) error {
	if !errors.Is(cause, lbconf.ErrForeign) {
		return cause
	}
	return fleet.Conflict(f.Path, "%s, so nothing is written or reloaded", cause).
		WithHint("undo the change, or move the file away and it is written anew")
}

// Stage writes content beside the file, where the checker can read it.
func (f *File) Stage(content []byte) (string, error) {
	path := f.Path + ".new"
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return "", fmt.Errorf("write %s's configuration: %w", f.Program, err)
	}
	_, err = out.Write(content)
	err = errors.Join(err, out.Sync(), out.Close())
	if err != nil {
		return "", fmt.Errorf("write %s's configuration: %w", f.Program, err)
	}
	return path, nil
}

// Adopt puts a staged file in the file's place.
func (f *File) Adopt(staged string, content []byte) error {
	if _, err := f.Intact(); err != nil {
		return err
	}
	if err := os.Rename(staged, f.Path); err != nil {
		return fmt.Errorf("replace %s's configuration: %w", f.Program, err)
	}
	if err := syncDir(filepath.Dir(f.Path)); err != nil {
		return err
	}
	f.content = content
	var err error
	f.stat, err = os.Stat(f.Path)
	return err
}

// MakeDir makes the balancer's directory, where it lacks, and closes it to
// others.
func MakeDir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("make the balancer's directory: %w", err)
	}
	if err := os.Chmod(path, 0o700); err != nil {
		return fmt.Errorf("close the balancer's directory: %w", err)
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync the balancer's directory: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}
