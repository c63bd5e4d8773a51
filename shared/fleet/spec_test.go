package fleet

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestStopWithin: no time at all is something else than none stated.
func TestStopWithin(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`{}`:                  DefaultStopGrace,
		`{"stopGrace":"0s"}`:  0,
		`{"stopGrace":"30s"}`: 30 * time.Second,
	} {
		var s, again Spec
		if err := json.Unmarshal([]byte(text), &s); err != nil || s.StopWithin() != want {
			t.Errorf("%s: %s, %v", text, s.StopWithin(), err)
		}
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &again); err != nil || again.StopWithin() != want {
			t.Errorf("%s written and read again: %s, %v", text, again.StopWithin(), err)
		}
	}
}

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
