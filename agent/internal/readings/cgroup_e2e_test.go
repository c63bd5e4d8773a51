//go:build e2e

package readings

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/test/hosts"
)

// TestContainerMemory reads a real container's memory, in an engine with a
// cgroup parent of its own.
func TestContainerMemory(t *testing.T) {
	dir := t.TempDir()
	program, archive := filepath.Join(dir, "app"), filepath.Join(dir, "app.tar")
	err := errors.Join(hosts.BuildGo(t.Context(), "../../../test/app", program), hosts.WriteImage(archive, hosts.Image{
		Tag: "muster-readings-test:1", Files: map[string]hosts.File{"/app": {Source: program}}, Entrypoint: []string{"/app"},
	}))
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := hosts.New(t.Context(), hosts.Options{Names: []string{"web1"}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fleet.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := errors.Join(fleet.StartEngines(t.Context()), fleet.LoadImage(t.Context(), archive)); err != nil {
		t.Fatal(err)
	}
	docker := func(args ...string) string {
		out, err := fleet.Hosts[0].Docker(t.Context(), args...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	id := docker("run", "--detach", "muster-readings-test:1")
	var used int64
	for deadline := time.Now().Add(30 * time.Second); used == 0; time.Sleep(20 * time.Millisecond) {
		if used = ContainerMemory([]string{id}); time.Now().After(deadline) {
			t.Fatal("the container uses no memory")
		}
	}
	if used > 512<<20 {
		t.Errorf("the container uses %d bytes", used)
	}
	docker("rm", "--force", id)
	if used := ContainerMemory([]string{id}); used != 0 {
		t.Errorf("a removed container uses %d bytes", used)
	}
}
