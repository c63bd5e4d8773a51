//go:build e2e

package engine_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/engine"
	"github.com/musterhq/muster/shared/fleet"
)

// follow keeps an event stream open until the test ends, and returns what it
// has told so far.
func follow(t *testing.T, e *engine.Engine) func() []string {
	t.Helper()
	var mu sync.Mutex // guards told
	var told []string
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		err := e.Events(ctx, func(in brain.Noticed) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, strings.TrimSpace(in.Action+" "+in.Container))
		})
		if ctx.Err() == nil {
			t.Errorf("the stream ended: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	read := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(told)
	}
	eventually(t, "the stream to open", func() bool { return len(read()) > 0 })
	if first := read()[0]; first != "" {
		t.Errorf("the first call was %q", first)
	}
	return read
}

func TestEvents(t *testing.T) {
	e := newEngine(t, engine.Options{})
	told := follow(t, e)
	id := docker(t, "run", "--detach", image)
	for _, args := range [][]string{
		{"pause"}, {"unpause"}, {"update", "--memory", "32m", "--memory-swap", "64m"},
		{"network", "disconnect", "bridge"}, {"network", "connect", "bridge"}, {"kill"}, {"rm"},
	} {
		docker(t, append(args, id)...)
	}
	for _, action := range []string{
		"create", "start", "pause", "unpause", "update", "disconnect", "connect", "kill", "die", "destroy",
	} {
		eventually(t, action, func() bool { return slices.Contains(told(), action+" "+id) })
	}
}

// TestChangesByHand: with an event stream open, and without one, each change
// shows in the next listings, and restoring takes it back.
func TestChangesByHand(t *testing.T) {
	for name, followed := range map[string]bool{"with events": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, engine.Options{Recheck: time.Hour})
			if followed {
				follow(t, e)
			}
			docker(t, "network", "create", "extra")
			t.Cleanup(func() { docker(t, "network", "rm", "extra") })
			made := do(t, e, order("1a", func(c *brain.Create) {
				c.Spec.Resources = fleet.Resources{CPULimit: 0.5, MemoryLimit: 32 << 20, MemoryReservation: 16 << 20}
			})).Container
			do(t, e, on(brain.OpStart, "1a", made.ID))
			if diff := cmp.Diff(made.Snapshot, find(t, e, made.ID).Snapshot); diff != "" {
				t.Fatalf("the start changed the snapshot:\n%s", diff)
			}
			for _, change := range [][]string{
				{"rename", made.ID, "other"},
				{"update", "--memory", "64m", "--memory-swap", "256m", made.ID},
				{"update", "--memory-reservation", "24m", "--cpus", "0.7", made.ID},
				{"update", "--restart", "always", made.ID},
				{"update", "--pids-limit", "50", made.ID},
				{"network", "connect", "extra", made.ID},
				{"network", "disconnect", "bridge", made.ID},
			} {
				containers(t, e) // whatever can be known is
				docker(t, change...)
				eventually(t, "docker "+strings.Join(change, " "), func() bool {
					return !cmp.Equal(made.Snapshot, find(t, e, made.ID).Snapshot)
				})
				restore := on(brain.OpRestore, "1a", made.ID)
				restore.Snapshot = &made.Snapshot
				for range 2 {
					do(t, e, restore)
				}
				if diff := cmp.Diff(made.Snapshot, find(t, e, made.ID).Snapshot); diff != "" {
					t.Errorf("after docker %v and a restore:\n%s", change, diff)
				}
				get(t, "20001", "/args") // its port is served again
			}
			docker(t, "pause", made.ID)
			eventually(t, "the pause", func() bool { return find(t, e, made.ID).State == brain.ContainerPaused })
			for range 2 {
				do(t, e, on(brain.OpUnpause, "1a", made.ID))
			}
			eventually(t, "the end of the pause", func() bool { return find(t, e, made.ID).State == brain.ContainerRunning })
			docker(t, "restart", made.ID)
			started := find(t, e, made.ID).StartedAt
			docker(t, "restart", made.ID)
			eventually(t, "the restart", func() bool { return find(t, e, made.ID).StartedAt.After(started) })
			docker(t, "rm", "--force", made.ID)
			eventually(t, "the removal", func() bool { return find(t, e, made.ID).ID == "" })
		})
	}
}

func TestLimitsThatStay(t *testing.T) {
	e := newEngine(t, engine.Options{})
	made := do(t, e, order("1a", nil)).Container
	docker(t, "update", "--memory", "64m", "--memory-swap", "128m", made.ID)
	docker(t, "rename", made.ID, "other")
	restore := on(brain.OpRestore, "1a", made.ID)
	restore.Snapshot = &made.Snapshot
	if r := e.Do(t.Context(), restore); !r.Permanent || !strings.Contains(r.Problem, "must be replaced") {
		t.Errorf("%+v", r)
	}
	if got := find(t, e, made.ID).Name; got != made.Name {
		t.Errorf("the name is still %s", got)
	}
}

// TestIdleListing: what is known is one call, however many containers there
// are; a change is one call more.
func TestIdleListing(t *testing.T) {
	var calls atomic.Int64
	socket := countingProxy(t, &calls)
	e := newEngine(t, engine.Options{Host: "unix://" + socket, Recheck: time.Hour})
	follow(t, e)
	const count = 10
	ids := make([]string, count)
	for i := range ids {
		ids[i] = docker(t, "create", image)
	}
	// listing returns how many calls one listing takes.
	listing := func() int64 {
		before := calls.Load()
		if got := len(containers(t, e)); got != count {
			t.Fatalf("%d containers", got)
		}
		return calls.Load() - before
	}
	eventually(t, "all to be known", func() bool { return listing() == 1 })
	docker(t, "rename", ids[0], "other")
	most := int64(0)
	eventually(t, "the change to be known", func() bool {
		n := listing()
		most = max(most, n)
		return most > 1 && n == 1
	})
	if most != 2 {
		t.Errorf("one change took a listing of %d calls", most)
	}
}

// countingProxy stands before the engine's socket and counts the requests.
func countingProxy(t *testing.T, calls *atomic.Int64) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine-proxy-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(dir, "docker.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", host.DockerSocket)
	}}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "engine" },
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // streams are cut on purpose
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		proxy.ServeHTTP(w, r)
	})}
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		if err := errors.Join(server.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
		running.Wait()
	})
	return socket
}
