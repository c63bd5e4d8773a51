package fleet

import (
	"fmt"
	"slices"
	"testing"
)

func TestPinned(t *testing.T) {
	for name, test := range map[string]struct {
		mounts []Mount
		want   bool
	}{
		"nothing":        {nil, false},
		"a bind":         {[]Mount{{Type: MountTmpfs}, {Type: MountBind, Source: "/srv"}}, true},
		"a volume":       {[]Mount{{Type: MountVolume, Source: "shop_data"}}, true},
		"an unnamed one": {[]Mount{{Type: MountVolume}}, false},
		"memory":         {[]Mount{{Type: MountTmpfs, Size: 1}}, false},
	} {
		if got := (&Spec{Mounts: test.mounts}).Pinned(); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestFixedPorts(t *testing.T) {
	s := Spec{Publish: []Publish{{Target: 80}, {Target: 81, Protocol: "tcp", HostPort: 8081}, {Target: 82, Protocol: "udp", HostPort: 8082}}}
	if got := s.FixedPorts(); !slices.Equal(got, []Port{TCP(8081), {8082, "udp"}}) || fmt.Sprint(got) != "[8081 8082/udp]" {
		t.Errorf("got %v", got)
	}
}
