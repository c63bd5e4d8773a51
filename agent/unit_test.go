package agent

import (
	"os"
	"path/filepath"
	"testing"
)

func TestKillMode(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	const cgroups = "0::/system.slice/muster-agent.service\n"
	if unit, mode := killMode(t.Context(), cgroups); unit != "" || mode != "" {
		t.Errorf("without systemctl: %q, %q", unit, mode)
	}
	script := "#!/bin/sh\n" + `[ "$*" = "--system show --property=KillMode --value muster-agent.service" ] && echo control-group` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if unit, mode := killMode(t.Context(), cgroups); unit != "muster-agent.service" || mode != "control-group" {
		t.Errorf("%q, %q", unit, mode)
	}
	if unit, mode := killMode(t.Context(), "0::/\n"); unit != "" || mode != "" {
		t.Errorf("outside of a service: %q, %q", unit, mode)
	}
}

func TestUnitOf(t *testing.T) {
	for name, c := range map[string]struct{ cgroups, unit, manager string }{
		"one hierarchy":       {"0::/system.slice/muster-agent.service\n", "muster-agent.service", "--system"},
		"a group within":      {"0::/system.slice/muster-agent.service/main\n", "muster-agent.service", "--system"},
		"several":             {"8:pids:/x.service\n1:name=systemd:/system.slice/a.service\n0::/\n", "a.service", "--system"},
		"a user's":            {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.service\n", "a.service", "--user"},
		"a login":             {"0::/user.slice/user-0.slice/session-3.scope\n", "", ""},
		"a container":         {"0::/\n", "", ""},
		"none can be told of": {"", "", ""},
	} {
		if unit, manager := unitOf(c.cgroups); unit != c.unit || manager != c.manager {
			t.Errorf("%s: %q of %q", name, unit, manager)
		}
	}
}
