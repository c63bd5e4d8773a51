//go:build e2e

package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/engine"
	"github.com/musterhq/muster/shared/fleet"
)

func TestFailures(t *testing.T) {
	e := newEngine(t, engine.Options{})
	t.Run("missing image", func(t *testing.T) {
		r := e.Do(t.Context(), order("1a", func(c *brain.Create) { c.Image = "no-such-image:1" }))
		if r.Problem == "" || r.Gone || !strings.Contains(r.Problem, "o such image") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("missing directory", func(t *testing.T) {
		r := e.Do(t.Context(), order("1a", func(c *brain.Create) {
			c.Spec.Mounts = []fleet.Mount{{Type: fleet.MountBind, Source: "/no/such/directory", Target: "/x"}}
		}))
		if r.Permanent || !strings.Contains(r.Problem, "/no/such/directory") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("bad request", func(t *testing.T) {
		r := e.Do(t.Context(), order("1a", func(c *brain.Create) {
			c.Spec.Resources = fleet.Resources{MemoryLimit: 32 << 20, MemoryReservation: 64 << 20}
		}))
		if !r.Permanent || r.Problem == "" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("missing program", func(t *testing.T) {
		id := do(t, e, order("1a", func(c *brain.Create) { c.Spec.Entrypoint = []string{"/missing"} })).Container.ID
		r := e.Do(t.Context(), on(brain.OpStart, "1a", id))
		if !r.Permanent || !strings.Contains(r.Problem, "/missing") {
			t.Errorf("%+v", r)
		}
		if c := find(t, e, id); c.Error == "" || c.State != brain.ContainerCreated {
			t.Errorf("%+v", c)
		}
		do(t, e, on(brain.OpRemove, "1a", id))
	})
	t.Run("port of a container", func(t *testing.T) {
		docker(t, "run", "--detach", "--publish", host.Address+":20001:8080", image)
		portTaken(t, e, 20001)
	})
	t.Run("port of a process", func(t *testing.T) {
		occupyPort(t)
		portTaken(t, e, 8080)
	})
}

func portTaken(t *testing.T, e *engine.Engine, port int) {
	t.Helper()
	id := do(t, e, order("1b", func(c *brain.Create) { c.Ports[8080] = port })).Container.ID
	r := e.Do(t.Context(), on(brain.OpStart, "1b", id))
	if !r.PortTaken || r.Permanent || r.Problem == "" {
		t.Errorf("%+v", r)
	}
	if c := find(t, e, id); c.State != brain.ContainerCreated {
		t.Errorf("%+v", c)
	}
	do(t, e, on(brain.OpRemove, "1b", id))
}

func TestOthersAreLeftAlone(t *testing.T) {
	e := newEngine(t, engine.Options{})
	id := docker(t, "run", "--detach", "--name", "muster-shop-web-1-1a", "--memory", "48m", "--cpus", "0.25",
		"--publish", host.Address+":7000:8080", "--label", brain.LabelInstance+"=", image)
	c := find(t, e, id)
	if c.State != brain.ContainerRunning || c.Memory != 48<<20 || c.CPUs != 0.25 || len(c.HostPorts) != 1 || c.HostPorts[0] != 7000 {
		t.Errorf("told %+v", c)
	}
	if c.Name != "" || c.Snapshot.Name != "" || c.ImageID != "" {
		t.Errorf("told too much: %+v", c)
	}
	for _, kind := range []string{brain.OpStart, brain.OpStop, brain.OpRemove, brain.OpUnpause, brain.OpRestore} {
		for _, instance := range []string{"1a", ""} {
			if r := e.Do(t.Context(), on(kind, instance, id)); r.Problem == "" || r.Gone {
				t.Errorf("%s of instance %q: %+v", kind, instance, r)
			}
		}
	}
	if r := e.Do(t.Context(), order("1a", nil)); !strings.Contains(r.Problem, "belongs to another container") || r.Permanent {
		t.Errorf("create: %+v", r)
	}
	if got := docker(t, "inspect", "--format", "{{.State.Running}} {{.Name}}", id); got != "true /muster-shop-web-1-1a" {
		t.Errorf("it is now %s", got)
	}
	mine := do(t, e, order("1b", nil)).Container.ID
	if r := e.Do(t.Context(), on(brain.OpStart, "1c", mine)); r.Problem == "" {
		t.Error("another instance's container was started")
	}
	for _, c := range []struct{ lineage, host string }{{"lineage-2", host.Name}, {lineage, "web2"}} {
		all, err := e.Containers(t.Context(), c.lineage, c.host)
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range all {
			if got.Name != "" {
				t.Errorf("lineage %s, host %s: told %+v", c.lineage, c.host, got)
			}
		}
	}
}

// TestHangingEngine: every call ends by itself, soon, and all goes on when the
// engine does.
func TestHangingEngine(t *testing.T) {
	const limit = 300 * time.Millisecond
	options := engine.Options{Timeout: limit, WorkTimeout: limit, PullTimeout: limit}
	connected, fresh := newEngine(t, options), newEngine(t, options)
	eventually(t, "the engine to answer", func() bool { return connected.Ping(t.Context()) == nil })
	thaw := sync.OnceFunc(func() {
		if err := host.ResumeEngine(); err != nil {
			t.Error(err)
		}
	})
	defer thaw()
	if err := host.HaltEngine(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for name, e := range map[string]*engine.Engine{"connected": connected, "fresh": fresh} {
		calls := map[string]func() error{
			"ping":       func() error { return e.Ping(ctx) },
			"version":    func() error { _, err := e.Version(ctx); return err },
			"containers": func() error { _, err := e.Containers(ctx, lineage, host.Name); return err },
			"events":     func() error { return e.Events(ctx, func(brain.Noticed) {}) },
			"logs":       func() error { _, err := e.Logs(ctx, "x", fleet.LogQuery{Tail: 1}); return err },
			// The engine may make it after all, once it goes on: an instance of its own.
			"create": func() error { return errors.New(e.Do(ctx, order("1f", nil)).Problem) },
			"start":  func() error { return errors.New(e.Do(ctx, on(brain.OpStart, "1a", "x")).Problem) },
			"pull":   func() error { return errors.New(e.Do(ctx, brain.Op{Kind: brain.OpPull, Image: image}).Problem) },
		}
		// All at once: none waits for another one's end.
		var running sync.WaitGroup
		for call, do := range calls {
			running.Go(func() {
				if err := do(); err == nil || call != "logs" && !strings.Contains(err.Error(), "did not answer within") {
					t.Errorf("%s, %s: %v", name, call, err)
				}
			})
		}
		running.Wait()
	}
	if ctx.Err() != nil {
		t.Fatal("the calls ended with their context only")
	}
	thaw()
	for _, e := range []*engine.Engine{connected, fresh} {
		eventually(t, "the engine to answer again", func() bool { return e.Ping(t.Context()) == nil })
	}
}

func TestEngineComesBack(t *testing.T) {
	e := newEngine(t, engine.Options{})
	id := run(t, e, "1a", nil)
	if err := host.StopEngine(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.Ping(t.Context()); err == nil {
		t.Error("a stopped engine answers")
	}
	if r := e.Do(t.Context(), on(brain.OpStart, "1a", id)); r.Problem != "start container: the engine can't be reached" || r.Gone || r.Permanent {
		t.Errorf("%+v", r)
	}
	if err := host.StartEngine(t.Context()); err != nil {
		t.Fatal(err)
	}
	do(t, e, on(brain.OpStart, "1a", id))
	get(t, "20001", "/args")
}
