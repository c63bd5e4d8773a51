package readings

import (
	"os"
	"slices"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

func TestDevices(t *testing.T) {
	devices := Devices()
	if !slices.Contains(devices, "/dev/null") || !slices.IsSorted(devices) || len(devices) > fleet.MaxDevices {
		t.Errorf("%d devices: %v", len(devices), devices)
	}
	for _, path := range devices {
		if _, err := os.Lstat(path); err != nil || fleet.CommonDevice(path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
