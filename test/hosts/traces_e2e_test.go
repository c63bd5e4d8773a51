//go:build e2e && soak

package hosts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// traces lists what fleets and engines can leave on a machine, as far as it
// belongs to them: other programs may do as they like meanwhile.
func traces(t *testing.T) string {
	t.Helper()
	var found []string
	for _, pattern := range []string{
		"/run/netns/mht-*", "/run/muster-hosts/mht-*", "/run/containerd/s/*", "/sys/class/net/mht-*",
		"/sys/class/net/br-*", "/sys/class/net/docker0",
		"/sys/fs/cgroup/mht-*", "/sys/fs/cgroup/*/mht-*", "/var/tmp/muster-hosts-*",
	} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, paths...)
	}
	for _, command := range [][]string{{"iptables-save"}, {"cat", "/proc/self/mountinfo"}} {
		out, err := exec.Command(command[0], command[1:]...).Output()
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, matching(string(out), "mht-")...)
	}
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range commands {
		if data, err := os.ReadFile(file); err == nil {
			found = append(found, matching(strings.ReplaceAll(string(data), "\x00", " "), "mht-")...)
		}
	}
	slices.Sort(found)
	return strings.Join(found, "\n")
}

func matching(text, word string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// checkGone fails when traces of a fleet are left.
func checkGone(t *testing.T, fleet, before, dir string) {
	t.Helper()
	for line := range strings.Lines(traces(t)) {
		if strings.Contains(line, fleet) && !strings.Contains(before, strings.TrimSpace(line)) {
			t.Errorf("left behind: %s", line)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) > 0 {
		t.Errorf("left in the directory: %v", entries)
	}
}
