// Package cache keeps what the agent must remember on its disk: one file,
// replaced as a whole, in a directory that one agent uses at a time.
package cache

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

const (
	fileName   = "state.json"
	lockName   = "lock"
	dirMode    = 0o700 // the desired state has environment values
	fileMode   = 0o600
	maxSize    = 64 << 20 // bytes; more is no file of ours
	maxDamaged = 5        // files set aside that are kept
)

// version is the version of the file. Fields are only added within one.
const version = 1

// file is what is on disk. Sum covers the raw bytes of Cache.
type file struct {
	Version int             `json:"version"`
	Sum     string          `json:"sum"`
	Cache   json.RawMessage `json:"cache"`
}

// Cache is one directory, held by this process until Close.
type Cache struct {
	dir  string
	lock *os.File
}

// Open makes the directory where it lacks and takes hold of it.
func Open(dir string) (*Cache, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	if err := os.Chmod(dir, dirMode); err != nil {
		return nil, fmt.Errorf("protect state directory: %w", err)
	}
	lock, err := takeLock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, err
	}
	return &Cache{dir: dir, lock: lock}, nil
}

// Close lets go of the directory.
func (c *Cache) Close() error { return c.lock.Close() }

// DamagedError says that the file couldn't be used. It was set aside: the
// agent goes on without, and asks the hub.
type DamagedError struct {
	Aside string // where the file is now
	Err   error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the agent's state on disk is damaged and was set aside as %s: %v", e.Aside, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// Load reads what Write wrote last. Without a file it is empty. With a damaged
// one it is empty too, and the error is a *DamagedError. A file of a newer
// agent is left as it is; the error has code conflict.
func (c *Cache) Load() (brain.Cache, error) {
	path := filepath.Join(c.dir, fileName)
	data, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) {
		return brain.Cache{}, nil
	}
	if err != nil && !errors.Is(err, errTooLarge) {
		return brain.Cache{}, fmt.Errorf("read state: %w", err)
	}
	var kept brain.Cache
	if err == nil {
		kept, err = decode(data)
	}
	switch {
	case err == nil:
		return kept, nil
	case fleet.CodeOf(err) == fleet.CodeConflict:
		return brain.Cache{}, err
	}
	aside, moveErr := c.setAside(path)
	if moveErr != nil {
		return brain.Cache{}, fmt.Errorf("set damaged state aside: %w", errors.Join(moveErr, err))
	}
	return brain.Cache{}, &DamagedError{Aside: aside, Err: err}
}

// Encode returns the content of a file for Write.
func (c *Cache) Encode(kept *brain.Cache) ([]byte, error) {
	raw, err := wire.Encode(kept)
	if err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	data, err := wire.Encode(file{Version: version, Sum: wire.Sum(raw), Cache: raw})
	if err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	return data, nil
}

// Write replaces the file. When it returns nil, the content is on disk.
func (c *Cache) Write(data []byte) error {
	err := renameio.WriteFile(filepath.Join(c.dir, fileName), data, fileMode,
		renameio.WithTempDir(c.dir), renameio.WithStaticPermissions(fileMode))
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	if err := syncDir(c.dir); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return nil
}

func decode(data []byte) (brain.Cache, error) {
	var f file
	var kept brain.Cache
	if err := json.Unmarshal(data, &f); err != nil {
		return kept, fmt.Errorf("not a state file: %w", err)
	}
	if f.Version > version {
		return kept, fleet.Conflict("", "the agent's state on disk is of version %d, this agent knows %d", f.Version, version).
			WithHint("run the newer agent again")
	}
	if f.Version < 1 || wire.Sum(f.Cache) != f.Sum {
		return kept, errors.New("its sum doesn't fit its content")
	}
	if err := json.Unmarshal(f.Cache, &kept); err != nil {
		return brain.Cache{}, fmt.Errorf("not a state: %w", err)
	}
	return kept, nil
}

// setAside renames a damaged file, so that a person can look at it, and
// drops the oldest of those set aside before.
func (c *Cache) setAside(path string) (string, error) {
	old, err := filepath.Glob(path + ".damaged-*") // sorted: their names are times
	if err != nil {
		return "", err
	}
	for len(old) >= maxDamaged {
		if err := os.Remove(old[0]); err != nil {
			return "", err
		}
		old = old[1:]
	}
	aside := path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000000000")
	return aside, os.Rename(path, aside)
}
