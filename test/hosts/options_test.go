package hosts

import (
	"net"
	"os"
	"strings"
	"testing"
)

func TestOptionsValidate(t *testing.T) {
	long := strings.Repeat("a", 41)
	for name, test := range map[string]struct {
		names []string
		fails string
	}{
		"none":       {nil, "at least one"},
		"numbered":   {Numbered("web", 3), ""},
		"most":       {Numbered("web", maxHosts), ""},
		"too many":   {Numbered("web", maxHosts+1), "at most"},
		"twice":      {[]string{"a", "a"}, "twice"},
		"upper case": {[]string{"Web"}, "host name"},
		"path":       {[]string{"../a"}, "host name"},
		"too long":   {[]string{long}, "host name"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Options{Names: test.names}.Validate()
			if test.fails == "" && err != nil {
				t.Fatal(err)
			}
			if test.fails != "" && (err == nil || !strings.Contains(err.Error(), test.fails)) {
				t.Fatalf("error %v, want one with %q", err, test.fails)
			}
		})
	}
}

func TestSubnetUsed(t *testing.T) {
	addresses := []net.Addr{
		&net.IPNet{IP: net.IPv4(10, 91, 7, 200), Mask: net.CIDRMask(32, 32)},
		&net.IPNet{IP: net.IPv4(10, 92, 0, 1), Mask: net.CIDRMask(16, 32)},
		&net.IPNet{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
	}
	for subnet, want := range map[string]bool{"10.91.7.0": true, "10.91.8.0": false, "10.92.3.0": true} {
		if got := subnetUsed(addresses, subnet); got != want {
			t.Errorf("subnetUsed(%s) = %v, want %v", subnet, got, want)
		}
	}
}

func TestOwner(t *testing.T) {
	if !self().alive() {
		t.Error("this process counts as dead")
	}
	if (owner{PID: os.Getpid(), Started: "1"}).alive() {
		t.Error("a later process with the same number counts as the owner")
	}
	if (owner{}).alive() {
		t.Error("an owner without a start time counts as alive")
	}
}
