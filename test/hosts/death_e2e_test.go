//go:build e2e && soak

package hosts_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

func TestEngineRestarts(t *testing.T) {
	f := fleet(t, "web1")
	h := f.Hosts[0]
	address := "http://" + h.Address
	id := start(t, h, "first")
	answers(t, address, "first")

	t.Run("killed, containers stay", func(t *testing.T) {
		if err := h.KillEngine(t.Context()); err != nil {
			t.Fatal(err)
		}
		answers(t, address, "first")
		if err := h.StartEngine(t.Context()); err != nil {
			t.Fatal(err)
		}
		docker(t, h, "restart", id)
		answers(t, address, "first")
	})
	t.Run("stopped, containers stop", func(t *testing.T) {
		if err := h.StopEngine(t.Context()); err != nil {
			t.Fatal(err)
		}
		silent(t, address)
		if err := h.StartEngine(t.Context()); err != nil {
			t.Fatal(err)
		}
		if state := docker(t, h, "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", id); state != "exited 0" {
			t.Fatalf("container is %q, want a clean exit", state)
		}
	})
}

func TestHostDies(t *testing.T) {
	f := fleet(t, "web1", "web2")
	h := f.Host("web1")
	address := "http://" + h.Address
	for name, cycle := range map[string]struct{ die, rise func(context.Context) error }{
		"killed":    {h.KillAll, h.StartEngine},
		"power cut": {h.PowerCut, h.Boot},
	} {
		t.Run(name, func(t *testing.T) {
			id := start(t, h, name)
			paused := docker(t, h, "run", "--detach", helloImage)
			docker(t, h, "pause", paused)
			answers(t, address, name)
			var pids []string
			for _, c := range []string{id, paused} {
				pids = append(pids, docker(t, h, "inspect", "--format", "{{.State.Pid}}", c))
			}
			agent := h.Command(t.Context(), "sleep", "1000")
			if err := agent.Start(); err != nil {
				t.Fatal(err)
			}
			pids = append(pids, fmt.Sprint(agent.Process.Pid))
			began := time.Now()
			if err := cycle.die(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Logf("death took %v", time.Since(began).Round(time.Millisecond))
			if err := agent.Wait(); err == nil {
				t.Fatal("a program on the host ended by itself")
			}
			for _, pid := range pids {
				if command, err := os.ReadFile("/proc/" + pid + "/cmdline"); err == nil && len(command) > 0 {
					t.Fatalf("process %s of the dead host lives: %q", pid, command)
				}
			}
			silent(t, address)
			began = time.Now()
			if err := cycle.rise(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Logf("engine back after %v", time.Since(began).Round(time.Millisecond))
			if state := docker(t, h, "inspect", "--format", "{{.State.Status}}", id); state != "exited" {
				t.Fatalf("container is %s, want exited", state)
			}
			docker(t, h, "start", id)
			answers(t, address, name)
			docker(t, h, "rm", "--force", id, paused)
		})
	}
}
