package fleet

import (
	"regexp"
	"slices"
)

// MaxDevices bounds what a host tells of its devices.
const MaxDevices = 512

// common are devices of which a host may have many, and that nobody looks for on one
// host rather than on another. They aren't told.
var common = regexp.MustCompile(`^/dev/(tty[0-9]+|loop[0-9]+|ram[0-9]+|vcs[a-z]*[0-9]*|nbd[0-9]+(p[0-9]+)?|(pts|shm|mqueue|hugepages|block|char|disk|fd)(/.*)?)$`)

// CommonDevice reports whether a host doesn't tell of such a device.
func CommonDevice(path string) bool { return common.MatchString(path) }

// Lacks names the devices that a spec asks for and a host doesn't have, as far as it
// tells.
func (f *HostFacts) Lacks(spec *Spec) (missing []string) {
	if len(f.Devices) == 0 {
		return nil
	}
	for _, path := range spec.DevicePaths() {
		if _, has := slices.BinarySearch(f.Devices, path); !has && !CommonDevice(path) {
			missing = append(missing, path)
		}
	}
	return missing
}

// DevicePaths are the host's devices that the spec asks for, each once.
func (s *Spec) DevicePaths() (paths []string) {
	if s.Runtime == nil {
		return nil
	}
	for _, d := range s.Runtime.Devices {
		if !slices.Contains(paths, d.Source) {
			paths = append(paths, d.Source)
		}
	}
	return paths
}
