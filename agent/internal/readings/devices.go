package readings

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

const (
	devicesDir  = "/dev"
	devicesDeep = 4 // steps of a path
)

// errMany is of a machine with more devices than are told.
var errMany = errors.New("too many devices")

// Devices are the paths of this machine's devices, sorted, those of folders and links
// among them; nil: they can't be read, or are too many to be told.
func Devices() []string {
	var devices []string
	err := filepath.WalkDir(devicesDir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && path == devicesDir:
			return err
		case err != nil, path == devicesDir:
			return nil //nolint:nilerr // it went away meanwhile
		case fleet.CommonDevice(path) && entry.IsDir():
			return fs.SkipDir
		case fleet.CommonDevice(path):
			return nil
		case len(devices) == fleet.MaxDevices:
			return errMany
		}
		devices = append(devices, path)
		if entry.IsDir() && strings.Count(path, "/") >= devicesDeep {
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
