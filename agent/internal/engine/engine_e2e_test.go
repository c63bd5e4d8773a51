//go:build e2e

package engine_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/engine"
	"github.com/musterhq/muster/shared/fleet"
)

func TestLife(t *testing.T) {
	e := newEngine(t, engine.Options{})
	if version, err := e.Version(t.Context()); err != nil || version == "" {
		t.Fatalf("version %q, %v", version, err)
	}
	made := do(t, e, order("1a", nil)).Container
	if made.Name != "muster-shop-web-1-1a" || made.State != brain.ContainerCreated || made.Labels[brain.LabelInstance] != "1a" ||
		!strings.HasPrefix(made.ImageID, "sha256:") || !slices.Equal(made.HostPorts, []int{20001}) {
		t.Fatalf("made %+v", made)
	}
	if s := made.Snapshot; s.Name != made.Name || s.RestartPolicy != "no" || !slices.Equal(s.Networks, []string{"bridge"}) {
		t.Fatalf("snapshot %+v", s)
	}
	if again := do(t, e, order("1a", nil)).Container; again.ID != made.ID {
		t.Fatalf("made twice: %s and %s", made.ID, again.ID)
	}
	for range 2 {
		do(t, e, on(brain.OpStart, "1a", made.ID))
		c := find(t, e, made.ID)
		if c.State != brain.ContainerRunning || c.StartedAt.IsZero() || c.Snapshot.Name != made.Name {
			t.Fatalf("started %+v", c)
		}
	}
	if got := get(t, "20001", "/args"); got != "/app default" {
		t.Errorf("arguments %q", got)
	}
	for range 2 {
		if r := do(t, e, on(brain.OpStop, "1a", made.ID)); r.Gone {
			t.Fatal("stopped and gone")
		}
		if c := find(t, e, made.ID); c.State != brain.ContainerExited || c.ExitCode != 0 || c.FinishedAt.IsZero() {
			t.Fatalf("stopped %+v", c)
		}
	}
	do(t, e, on(brain.OpUnpause, "1a", made.ID)) // nothing to do
	for range 2 {
		if r := do(t, e, on(brain.OpRemove, "1a", made.ID)); !r.Gone {
			t.Fatal("removed and not gone")
		}
	}
	if r := do(t, e, on(brain.OpStop, "1a", made.ID)); !r.Gone {
		t.Fatal("what was removed is not gone")
	}
	if r := e.Do(t.Context(), on(brain.OpStart, "1a", made.ID)); !r.Gone || r.Problem == "" || r.Permanent {
		t.Fatalf("start of a missing container: %+v", r)
	}
	if all := containers(t, e); len(all) != 0 {
		t.Fatalf("left over: %+v", all)
	}
}

func TestWhatAContainerSees(t *testing.T) {
	e := newEngine(t, engine.Options{})
	shared := t.TempDir()
	if err := os.WriteFile(filepath.Join(shared, "greeting"), []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	id := run(t, e, "1a", func(c *brain.Create) {
		c.Environment = map[string]string{"SECRET": "a=b c", "EMPTY": ""}
		c.Hosts = map[string][]string{"board": {"10.9.8.7", "10.9.8.6"}}
		c.Spec.Command = []string{"one", "two"}
		c.Spec.Mounts = []fleet.Mount{
			{Type: fleet.MountBind, Source: shared, Target: "/shared", ReadOnly: true},
			{Type: fleet.MountVolume, Source: "shop_data", Target: "/data"},
			{Type: fleet.MountVolume, Target: "/scratch"},
			{Type: fleet.MountTmpfs, Target: "/small", Size: 1 << 20},
		}
		c.Spec.Resources = fleet.Resources{CPULimit: 0.5, MemoryLimit: 64 << 20, MemoryReservation: 32 << 20, PidsLimit: 100}
		c.Spec.Healthcheck = &fleet.Healthcheck{Test: []string{"CMD", "/missing"}, Interval: fleet.Duration(100 * time.Millisecond), Retries: 1}
	})
	if got := get(t, "20001", "/args"); got != "/app one two" {
		t.Errorf("arguments %q", got)
	}
	if env := strings.Split(get(t, "20001", "/env"), "\n"); !slices.Contains(env, "SECRET=a=b c") || !slices.Contains(env, "EMPTY=") {
		t.Errorf("environment %q", env)
	}
	_, names := read(t, "20001", "/etc/hosts")
	for _, line := range []string{"10.9.8.7\tboard", "10.9.8.6\tboard"} {
		if !strings.Contains(names, line) {
			t.Errorf("no %q in:\n%s", line, names)
		}
	}
	if _, got := read(t, "20001", "/shared/greeting"); got != "hello" {
		t.Errorf("bind mount: %q", got)
	}
	for file, want := range map[string]int{
		"/shared/x": http.StatusForbidden, "/data/x": http.StatusOK, "/scratch/x": http.StatusOK, "/small/x": http.StatusOK,
	} {
		if got := write(t, "20001", file, "text"); got != want {
			t.Errorf("write %s: %d, want %d", file, got, want)
		}
	}
	if _, mounts := read(t, "20001", "/proc/mounts"); !strings.Contains(mounts, "tmpfs /small tmpfs") || !strings.Contains(mounts, "size=1024k") {
		t.Errorf("no tmpfs of its size in:\n%s", mounts)
	}
	if got := docker(t, "volume", "inspect", "--format", "{{.Labels}}", "shop_data"); !strings.Contains(got, lineage) || !strings.Contains(got, "shop") {
		t.Errorf("labels of the volume: %s", got)
	}
	if got := docker(t, "inspect", "--format", "{{.HostConfig.LogConfig}} {{.HostConfig.RestartPolicy.Name}}", id); got != "{local map[max-file:3 max-size:10m]} no" {
		t.Errorf("logging and restart policy: %s", got)
	}
	eventually(t, "the engine's own check to fail", func() bool { return find(t, e, id).Health == brain.HealthUnhealthy })
	c := find(t, e, id)
	if c.Memory != 64<<20 || c.CPUs != 0.5 || c.Snapshot.MemoryReserve != 32<<20 || c.Snapshot.PidsLimit != 100 {
		t.Errorf("resources %+v", c)
	}

	// A new incarnation has the volume's data; anonymous volumes are gone.
	do(t, e, on(brain.OpStop, "1a", id))
	do(t, e, on(brain.OpRemove, "1a", id))
	if got := docker(t, "volume", "ls", "--quiet"); got != "shop_data" {
		t.Errorf("volumes left: %q", got)
	}
	run(t, e, "1a", func(c *brain.Create) {
		c.Spec.Mounts = []fleet.Mount{{Type: fleet.MountVolume, Source: "shop_data", Target: "/data"}}
	})
	if _, got := read(t, "20001", "/data/x"); got != "text" {
		t.Errorf("the volume has %q", got)
	}
}

func TestUserAndFixedPort(t *testing.T) {
	e := newEngine(t, engine.Options{})
	run(t, e, "1a", func(c *brain.Create) {
		c.Ports = nil
		c.Spec.User = "1234:99"
		c.Spec.Entrypoint = []string{"/app", "entry"}
		c.Spec.Publish = []fleet.Publish{{Target: 8080, Protocol: "tcp", HostPort: 8081}}
	})
	if got := get(t, "8081", "/user"); got != "1234 99" {
		t.Errorf("user %q", got)
	}
	if got := get(t, "8081", "/args"); got != "/app entry" {
		t.Errorf("arguments %q", got)
	}
}

func TestStopSignals(t *testing.T) {
	e := newEngine(t, engine.Options{})
	stubborn := func(c *brain.Create) { c.Environment = map[string]string{"STUBBORN": "1"} }
	for name, c := range map[string]struct {
		change func(*brain.Create)
		before string // what people do first
		signal string
		grace  time.Duration
		code   int
		atMost time.Duration
	}{
		"plain":               {nil, "", "", time.Minute, 0, 30 * time.Second},
		"by signal":           {nil, "", "SIGUSR1", time.Minute, 0, 30 * time.Second},
		"the spec's signal":   {func(c *brain.Create) { c.Spec.StopSignal = "SIGUSR1" }, "", "", time.Minute, 0, 30 * time.Second},
		"unknown signal":      {nil, "", "SIGNOTHING", time.Minute, 0, 30 * time.Second},
		"paused":              {nil, "pause", "", time.Minute, 0, 30 * time.Second},
		"paused, by signal":   {nil, "pause", "SIGTERM", time.Minute, 0, 30 * time.Second},
		"ignored":             {stubborn, "", "", time.Second, 137, 30 * time.Second},
		"ignored, by signal":  {stubborn, "", "SIGUSR1", 300 * time.Millisecond, 137, 30 * time.Second},
		"no grace, by signal": {stubborn, "", "SIGTERM", 0, 137, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			id := run(t, e, "1a", c.change)
			get(t, "20001", "/args") // its handler is in place
			if c.before != "" {
				docker(t, c.before, id)
			}
			began := time.Now()
			do(t, e, brain.Op{Kind: brain.OpStop, Instance: "1a", Container: id, Signal: c.signal, Grace: c.grace})
			took := time.Since(began)
			if took > c.atMost || c.code == 137 && took < c.grace {
				t.Errorf("stopping took %v", took)
			}
			if got := find(t, e, id); got.State != brain.ContainerExited || got.ExitCode != c.code {
				t.Errorf("%s with code %d, want %d", got.State, got.ExitCode, c.code)
			}
			do(t, e, on(brain.OpRemove, "1a", id))
		})
	}
}

func TestExitCode(t *testing.T) {
	e := newEngine(t, engine.Options{})
	id := run(t, e, "1a", func(c *brain.Create) { c.Environment = map[string]string{"EXIT": "7"} })
	eventually(t, "the exit", func() bool { return find(t, e, id).State == brain.ContainerExited })
	if c := find(t, e, id); c.ExitCode != 7 {
		t.Errorf("exit code %d", c.ExitCode)
	}
	if r := e.Do(t.Context(), brain.Op{Kind: "explode", Instance: "1a"}); !r.Permanent || r.Problem == "" {
		t.Errorf("unknown operation: %+v", r)
	}
}

func TestLogs(t *testing.T) {
	e := newEngine(t, engine.Options{})
	id := run(t, e, "1a", nil)
	for tail, want := range map[int][]string{
		100: {"to standard error", "to standard output"},
		1:   nil, // which of the two came last is the engine's affair
	} {
		var lines []string
		eventually(t, "the log", func() bool {
			log, err := e.Logs(t.Context(), id, fleet.LogQuery{Tail: tail})
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(log)
			if err != nil {
				t.Fatal(err)
			}
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
			lines = strings.Split(strings.TrimSpace(string(data)), "\n")
			return len(lines) == min(tail, 2)
		})
		slices.Sort(lines)
		if want != nil && !slices.Equal(lines, want) {
			t.Errorf("tail %d: %q", tail, lines)
		}
	}
	if _, err := e.Logs(t.Context(), "missing", fleet.LogQuery{Tail: 10}); err == nil {
		t.Error("the log of a missing container was opened")
	}
}

// TestLogsOfATerminal: its output comes as it is, and not in pieces.
func TestLogsOfATerminal(t *testing.T) {
	e := newEngine(t, engine.Options{})
	id := run(t, e, "1a", func(c *brain.Create) { c.Spec.Runtime = &fleet.Runtime{TTY: true} })
	var lines []string
	eventually(t, "the log", func() bool {
		log, err := e.Logs(t.Context(), id, fleet.LogQuery{Tail: 100})
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(log)
		if err := errors.Join(err, log.Close()); err != nil {
			t.Fatal(err)
		}
		lines = strings.Split(strings.TrimSpace(strings.ReplaceAll(string(data), "\r", "")), "\n")
		return len(lines) == 2
	})
	slices.Sort(lines)
	if !slices.Equal(lines, []string{"to standard error", "to standard output"}) {
		t.Errorf("it has %q", lines)
	}
}
