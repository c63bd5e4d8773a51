package hosts

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
)

// containerdToml leaves out the Kubernetes plugin, which would use paths that
// the whole machine shares.
const containerdToml = `version = 2
root = %q
state = %q
disabled_plugins = ["io.containerd.grpc.v1.cri"]

[grpc]
  address = %q

[plugins."io.containerd.internal.v1.opt"]
  path = %q
`

func (e *engine) dockerdConfig() string    { return filepath.Join(e.run, "dockerd.json") }
func (e *engine) containerdConfig() string { return filepath.Join(e.run, "containerd.toml") }
func (e *engine) pidFile() string          { return filepath.Join(e.run, "dockerd.pid") }
func (e *engine) dockerState() string      { return filepath.Join(e.run, "docker") }
func (e *engine) containerdState() string  { return filepath.Join(e.run, "containerd") }

// writeConfig writes both configurations. Storage is left to dockerd, which
// takes overlay2 where the file system allows it and else vfs.
func (e *engine) writeConfig() error {
	settings := map[string]any{
		"data-root":     filepath.Join(e.dir, "docker"),
		"exec-root":     e.dockerState(),
		"pidfile":       e.pidFile(),
		"hosts":         []string{"unix://" + e.socket()},
		"containerd":    e.containerdSocket(),
		"cgroup-parent": "/" + e.cgroup,
		// The systemd driver would want a slice as the parent.
		"exec-opts": []string{"native.cgroupdriver=cgroupfs"},
	}
	version, err := dockerdVersion()
	if err != nil {
		return err
	}
	if version < 23 {
		// Older engines keep their identity in /etc/docker: all would be
		// the same engine.
		settings["deprecated-key-path"] = filepath.Join(e.dir, "key.json")
	}
	maps.Copy(settings, e.settings)
	data, err := json.MarshalIndent(settings, "", "  ")
	if err != nil {
		return fmt.Errorf("encode configuration: %w", err)
	}
	if err := os.WriteFile(e.dockerdConfig(), data, 0o600); err != nil {
		return err
	}
	toml := fmt.Sprintf(containerdToml, filepath.Join(e.dir, "containerd"), e.containerdState(),
		e.containerdSocket(), filepath.Join(e.dir, "opt"))
	return os.WriteFile(e.containerdConfig(), []byte(toml), 0o600)
}

var versionPattern = regexp.MustCompile(`version v?(\d+)\.`)

// dockerdVersion is the first number of dockerd's version.
var dockerdVersion = sync.OnceValues(func() (int, error) {
	path, err := lookTool("dockerd")
	if err != nil {
		return 0, err
	}
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return 0, fmt.Errorf("ask dockerd for its version: %w", err)
	}
	match := versionPattern.FindSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("ask dockerd for its version: can't read %q", out)
	}
	return strconv.Atoi(string(match[1]))
})
