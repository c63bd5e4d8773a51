package agent

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"time"
)

// warnOfKillMode says so when systemd would end the balancers with the agent's
// unit: they are daemons of their own, but stay in the unit's control group.
func warnOfKillMode(ctx context.Context, logger *slog.Logger) {
	cgroups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil || os.Getenv("INVOCATION_ID") == "" {
		return
	}
	if unit, mode := killMode(ctx, string(cgroups)); mode == "control-group" || mode == "mixed" {
		logger.Warn("systemd stops balancers, with all connections, whenever it stops or restarts this agent: set KillMode=process in the unit",
			"unit", unit, "kill_mode", mode)
	}
}

// killMode asks systemd for the setting of the service that this is. Both are
// empty when it can't be told.
func killMode(ctx context.Context, cgroups string) (unit, mode string) {
	unit, manager := unitOf(cgroups)
	if unit == "" {
		return "", ""
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	output, err := exec.CommandContext(ctx, "systemctl", manager, "show", "--property=KillMode", "--value", unit).Output()
	if err != nil {
		return "", ""
	}
	return unit, strings.TrimSpace(string(output))
}

// unitOf reads from /proc/self/cgroup which service this is, and of which
// manager, as systemctl's flag names it.
func unitOf(cgroups string) (unit, manager string) {
	for line := range strings.Lines(cgroups) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 || parts[1] != "" && parts[1] != "name=systemd" {
			continue
		}
		manager = "--system"
		for name := range strings.SplitSeq(parts[2], "/") {
			switch {
			case strings.HasPrefix(name, "user@"):
				manager = "--user"
			case strings.HasSuffix(name, ".service"):
				return name, manager
			}
		}
	}
	return "", ""
}
