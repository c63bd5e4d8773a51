package turn

import (
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

// What drivers of volumes and of logging are told may be passwords.
func TestWhatDriversAreToldIsNotShown(t *testing.T) {
	with := func(secret string) fleet.Spec {
		return fleet.Spec{
			Image: "web:1",
			Mounts: []fleet.Mount{
				{Type: fleet.MountVolume, Source: "shop_data", Target: "/data", Driver: "local", DriverOptions: map[string]string{"o": "password=" + secret}},
				{Type: fleet.MountTmpfs, Target: "/tmp"},
			},
			Runtime: &fleet.Runtime{ReadOnly: true, Logging: &fleet.Logging{Driver: "splunk", Options: map[string]string{"splunk-token": secret}}},
		}
	}
	one, two := with("hunter1"), with("hunter2")
	seen := shown(one)
	if seen.Mounts[0].DriverOptions["o"] != hidden || seen.Mounts[1].DriverOptions != nil || seen.Runtime.Logging.Options["splunk-token"] != hidden || !seen.Runtime.ReadOnly {
		t.Errorf("it is shown as %+v", seen)
	}
	if one.Sum() != new(with("hunter1")).Sum() {
		t.Errorf("looking at it changed it: %+v", one)
	}
	none := fleet.Spec{Image: "web:1"}
	for _, from := range []*fleet.Spec{&two, &none} {
		changes := Diff(&fleet.Service{Spec: *from}, &fleet.Service{Spec: one})
		text := string(mustJSON(changes))
		if strings.Contains(text, "hunter") || !strings.Contains(text, "spec.mounts") || !strings.Contains(text, "spec.runtime.logging.options.splunk-token") {
			t.Errorf("the difference is %s", text)
		}
	}
}
