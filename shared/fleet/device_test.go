package fleet

import (
	"strings"
	"testing"
)

func TestLacks(t *testing.T) {
	spec := &Spec{Runtime: &Runtime{Devices: []Device{{Source: "/dev/kvm"}, {Source: "/dev/ttyUSB0"}, {Source: "/dev/ttyUSB0", Target: "/dev/b"}, {Source: "/dev/loop7"}, {Source: "/dev/disk/by-id/a"}}}}
	for devices, want := range map[string]string{
		"":                       "", // not known
		"/dev/fuse":              "/dev/kvm /dev/ttyUSB0",
		"/dev/kvm":               "/dev/ttyUSB0",
		"/dev/kvm /dev/ttyUSB0":  "",
		"/dev/kvm /dev/ttyUSB00": "/dev/ttyUSB0",
	} {
		facts := &HostFacts{Devices: strings.Fields(devices)}
		if got := strings.Join(facts.Lacks(spec), " "); got != want {
			t.Errorf("with %q it lacks %q, want %q", devices, got, want)
		}
		if got := facts.Lacks(&Spec{}); got != nil {
			t.Errorf("asked for nothing it lacks %q", got)
		}
	}
	for path, want := range map[string]bool{"/dev/tty1": true, "/dev/tty": false, "/dev/ttyS0": false, "/dev/pts": true, "/dev/vcsa1": true, "/dev/nbd0p1": true, "/dev/dri/card0": false} {
		if CommonDevice(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}
