package hosts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// cgroupTrees are the mounted hierarchies: one per controller in version 1, one
// for all in version 2.
func cgroupTrees() ([]string, error) {
	mounts, err := readMounts()
	if err != nil {
		return nil, err
	}
	var trees []string
	for _, m := range mounts {
		if m.kind == "cgroup" || m.kind == "cgroup2" {
			trees = append(trees, m.point)
		}
	}
	return trees, nil
}

// removeCgroup removes a cgroup and those below it from every hierarchy. The
// kernel keeps one busy for a moment after its last process.
func removeCgroup(ctx context.Context, name string) error {
	trees, err := cgroupTrees()
	if err != nil {
		return err
	}
	for _, tree := range trees {
		var last error
		err := poll(ctx, 20*time.Millisecond, func() (bool, error) {
			last = removeTree(filepath.Join(tree, name))
			if errors.Is(last, unix.EBUSY) {
				return false, nil
			}
			return true, last
		})
		if err != nil {
			return fmt.Errorf("remove cgroup %s from %s: %w", name, tree, errors.Join(err, last))
		}
	}
	return nil
}

// removeTree removes directories from the leaves up; the files of a cgroup go
// with it.
func removeTree(root string) error {
	dirs, err := directories(root)
	if err != nil {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

// directories lists root and those below it, parents first; none when root
// doesn't exist.
func directories(root string) ([]string, error) {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	return dirs, err
}

// thaw lets the processes of paused containers run, because version 1 holds
// back even SIGKILL from them. Where there is no such freezer it does nothing.
func thaw(cgroup string) {
	trees, err := cgroupTrees()
	if err != nil {
		return
	}
	for _, tree := range trees {
		dirs, err := directories(filepath.Join(tree, cgroup))
		if err != nil {
			continue
		}
		for _, dir := range dirs {
			state := filepath.Join(dir, "freezer.state")
			if _, err := os.Stat(state); err == nil {
				_ = os.WriteFile(state, []byte("THAWED"), 0o600) // a cgroup that vanished needs no thaw
			}
		}
	}
}
