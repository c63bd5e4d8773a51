package readings

import (
	"os"
	"strings"
	"testing"
)

func TestFacts(t *testing.T) {
	facts, err := Facts(t.Context(), FactsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for name, ok := range map[string]bool{
		"hostname":     facts.Hostname == hostname,
		"os":           facts.OS == "linux",
		"distribution": facts.Distribution != "",
		"kernel":       strings.Contains(facts.Kernel, "."),
		"architecture": facts.Architecture != "",
		"cpus":         facts.CPUs > 0,
		"memory":       facts.Memory > 64<<20,
		"machine id":   facts.MachineID != "" && !strings.ContainsAny(facts.MachineID, "-\n"),
		"boot id":      len(facts.BootID) == 36,
	} {
		if !ok {
			t.Errorf("%s is wrong in %+v", name, facts)
		}
	}
	again, err := Facts(t.Context(), FactsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if again.MachineID != facts.MachineID || again.BootID != facts.BootID {
		t.Errorf("the identity changed from %+v to %+v", facts, again)
	}
}

func TestFactsAreReplaced(t *testing.T) {
	facts, err := Facts(t.Context(), FactsOptions{Hostname: "web1", MachineID: "m1", BootID: "b1"})
	if err != nil {
		t.Fatal(err)
	}
	if facts.Hostname != "web1" || facts.MachineID != "m1" || facts.BootID != "b1" {
		t.Errorf("got %+v", facts)
	}
}

func TestContainerInterfaces(t *testing.T) {
	for name, want := range map[string]bool{
		"docker0": true, "br-0123456789ab": true, "veth12ab": true, "docker_gwbridge": true,
		"eth0": false, "ens3": false, "br-lan": false, "bond0": false, "wg0": false, "mht-3": false,
	} {
		if got := containerInterface.MatchString(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
