package hosts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mount is one line of mountinfo.
type mount struct{ point, kind string }

// mountEscapes are the bytes that mountinfo writes in octal.
var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func readMounts() ([]mount, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	var mounts []mount
	for line := range strings.Lines(string(data)) {
		front, back, ok := strings.Cut(line, " - ")
		fields, kinds := strings.Fields(front), strings.Fields(back)
		if ok && len(fields) > 4 && len(kinds) > 0 {
			mounts = append(mounts, mount{point: mountEscapes.Replace(fields[4]), kind: kinds[0]})
		}
	}
	return mounts, nil
}

// unmountBelow takes away every mount below dir, the latest first.
func unmountBelow(dir string) error {
	mounts, err := readMounts()
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range slices.Backward(mounts) {
		if !strings.HasPrefix(m.point, dir+"/") {
			continue
		}
		// One that propagated is gone with its peer.
		err := unix.Unmount(m.point, unix.MNT_DETACH)
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", m.point, err))
		}
	}
	return errors.Join(errs...)
}

// shimSocket matches where a shim listens; containerd has no setting for it.
var shimSocket = regexp.MustCompile(`/run/containerd/s/[0-9a-f]+`)

// removeShimSockets removes the sockets of killed shims, which the state below
// a run directory names.
func removeShimSockets(runDir string) {
	for _, pattern := range []string{"address", "bootstrap.json"} {
		files, err := filepath.Glob(filepath.Join(runDir, "*", "containerd", "*", "moby", "*", pattern))
		if err != nil {
			continue
		}
		for _, file := range files {
			if data, err := os.ReadFile(file); err == nil {
				if socket := shimSocket.Find(data); socket != nil {
					_ = os.Remove(string(socket)) // gone already is fine
				}
			}
		}
	}
}
