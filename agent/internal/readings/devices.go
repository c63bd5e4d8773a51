package readings

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

const (
	devicesDir  = "/dev"
	devicesMost = 4096
	devicesDeep = 4 // steps below /dev
)

// passing are folders in which things come and go that are no devices.
var passing = []string{"/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/hugepages"}

// Devices are the paths of this machine's devices, sorted, those of folders and links
// among them; nil: they can't be read, or are too many to be told.
func Devices() []string {
	devices := []string{}
	err := filepath.WalkDir(devicesDir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && path == devicesDir:
			return err
		case err != nil:
			return nil //nolint:nilerr // it went away meanwhile
		case path == devicesDir:
			return nil
		case len(devices) == devicesMost:
			return fs.ErrInvalid
		case entry.IsDir() && slices.Contains(passing, path):
			return fs.SkipDir
		}
		devices = append(devices, path)
		if entry.IsDir() && strings.Count(path, "/") > devicesDeep {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return nil
	}
	slices.Sort(devices)
	return devices
}
