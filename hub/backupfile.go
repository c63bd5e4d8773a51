package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/musterhq/muster/hub/internal/store"
	"github.com/musterhq/muster/shared/fleet"
)

// mayTake refuses a place that a backup must not have: the store's own, which
// a running hub writes to, and those of devices, pipes and links. What else is
// there is only replaced with force.
func (o Options) mayTake(path string, force bool) error {
	there, err := os.Lstat(path)
	switch {
	case o.isStore(path):
		return fleet.Conflict("", "%s is the hub's own store", path).WithHint("a backup needs another name, best on another disk")
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look for a backup that is there: %w", store.Advise(path, err))
	case there.IsDir():
		return fleet.Conflict("", "%s is a folder", path).WithHint("name a file in it")
	case !there.Mode().IsRegular():
		return fleet.Conflict("", "%s isn't a regular file", path).WithHint("use - to write to a pipe or a device: muster-hub backup - > %s", path)
	case !force:
		return fleet.Conflict("", "%s is there already", path).WithHint("choose another name, or replace it with --force")
	}
	return nil
}

// isStore goes by the file, and by the name where there is no file: a hub whose
// store was removed still runs.
func (o Options) isStore(path string) bool {
	if sameFile(path, o.storePath()) {
		return true
	}
	return filepath.Base(path) == storeName && sameFile(filepath.Dir(path), o.StateDir)
}

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}
