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

// file is the configuration on disk. It is replaced whole or not at all, and
// only while it is what Muster wrote.
type file struct {
	path    string
	content []byte // as last read or written; nil: there is none
	stat    fs.FileInfo
}

// load reads the file and returns the pools that it holds. A file that isn't
// there holds none.
func (f *file) load() ([]fleet.Pool, error) {
	content, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read haproxy's configuration: %w", err)
	}
	pools, err := lbconf.Pools(content)
	if err != nil {
		return nil, f.foreign(err)
	}
	f.content = content
	f.stat, err = os.Stat(f.path)
	return pools, err
}

// intact returns an error when somebody else changed the file, and whether it
// is not the one that was read or written last: one that is gone, or an older
// one of Muster's that was put back, may be written again.
func (f *file) intact() (stale bool, err error) {
	stat, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return f.content != nil, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at haproxy's configuration: %w", err)
	}
	if f.stat != nil && os.SameFile(stat, f.stat) && stat.ModTime().Equal(f.stat.ModTime()) && stat.Size() == f.stat.Size() {
		return false, nil
	}
	content, err := os.ReadFile(f.path)
	if err != nil {
		return false, fmt.Errorf("read haproxy's configuration: %w", err)
	}
	if _, err := lbconf.Pools(content); err != nil {
		return false, f.foreign(err)
	}
	return !bytes.Equal(content, f.content), nil
}

func (f *file) foreign(cause error) error {
	if !errors.Is(cause, lbconf.ErrForeign) {
		return cause
	}
	return fleet.Conflict(f.path, "%s, so nothing is written or reloaded", cause).
		WithHint("undo the change, or move the file away and it is written anew")
}

// stage writes content beside the file, where the checker can read it.
func (f *file) stage(content []byte) (string, error) {
	path := f.path + ".new"
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return "", fmt.Errorf("write haproxy's configuration: %w", err)
	}
	_, err = out.Write(content)
	err = errors.Join(err, out.Sync(), out.Close())
	if err != nil {
		return "", fmt.Errorf("write haproxy's configuration: %w", err)
	}
	return path, nil
}

// adopt puts a staged file in the file's place.
func (f *file) adopt(staged string, content []byte) error {
	if _, err := f.intact(); err != nil {
		return err
	}
	if err := os.Rename(staged, f.path); err != nil {
		return fmt.Errorf("replace haproxy's configuration: %w", err)
	}
	if err := syncDir(filepath.Dir(f.path)); err != nil {
		return err
	}
	f.content = content
	var err error
	f.stat, err = os.Stat(f.path)
	return err
}

// makeDir makes the balancer's directory, where it lacks, and closes it to
// others.
func makeDir(path string) error {
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
