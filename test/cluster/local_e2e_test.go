//go:build e2e && soak

package cluster_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/test/cluster"
	"github.com/musterhq/muster/test/hosts"
)

// What makes this test's own program the owner of a cluster: the cluster's
// directory and the engine's socket.
const (
	ownerDir    = "CLUSTER_E2E_DIR"
	ownerEngine = "CLUSTER_E2E_ENGINE"
)

// service has a container, a volume and a place on the balancer.
const service = `name: ours
services:
  web:
    image: app:1
    deploy: {replicas: 1}
    volumes: [things:/things]
    x-lb: {listen: 9300, target: 8080, protocol: http, check: {path: /healthz}}
    x-probe: {http: /healthz, port: 8080, interval: 1s}
volumes: {things: {}}
`

// TestNothingIsLeftAndOthersStay ends the owner of a cluster on an engine that
// others use too, in the ways in which it can end. Nothing of the cluster is
// left then, and what another fleet has there, under the same host's name, is
// as it was.
func TestNothingIsLeftAndOthersStay(t *testing.T) {
	dir := tempDir(t)
	engine, err := hosts.LocalEngine(t.Context(), hosts.Options{Dir: dir, Engine: filepath.Join(dir, "none")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	loadTheirs(t, engine, dir)
	theirs := "muster.lineage=another"
	docker(t, engine, "volume", "create", "--label", theirs, "theirs")
	docker(t, engine, "run", "--detach", "--label", theirs, "--label", "muster.host=web1", "--label", "muster.instance=i-1", "--volume", "theirs:/theirs", "theirs:1")
	before := contents(t, engine)

	for _, end := range []struct {
		name   string
		engine string
		signal syscall.Signal
	}{
		{"told to end", engine.DockerSocket, syscall.SIGTERM},
		{"its terminal is closed", engine.DockerSocket, syscall.SIGHUP},
		{"killed", engine.DockerSocket, syscall.SIGKILL},
		{"killed, with an engine of its own", filepath.Join(dir, "none"), syscall.SIGKILL},
	} {
		t.Run(end.name, func(t *testing.T) {
			own := tempDir(t)
			owner := startOwner(t, own, end.engine)
			if end.engine == engine.DockerSocket && strings.Count(contents(t, engine), "\n") != strings.Count(before, "\n")+3 {
				t.Errorf("the cluster should have added a container, a volume and an image:\n%s", contents(t, engine))
			}
			if len(processes(t, own)) < 4 {
				t.Errorf("hub, agent and HAProxy aren't seen: %v", processes(t, own))
			}
			if err := owner.Process.Signal(end.signal); err != nil {
				t.Fatal(err)
			}
			err := owner.Wait()
			if end.signal == syscall.SIGKILL {
				err = hosts.Sweep(t.Context(), nil)
			}
			if err != nil {
				t.Error(err)
			}
			if now := contents(t, engine); now != before {
				t.Errorf("the engine has:\n%s\nbefore it had:\n%s", now, before)
			}
			if left := processes(t, own); len(left) > 0 {
				t.Errorf("processes are left: %v", left)
			}
			if left, err := os.ReadDir(own); err != nil || len(left) > 0 {
				t.Errorf("left in the directory: %v, %v", left, err)
			}
		})
	}
}

// tempDir is short: it is in the paths of sockets.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "e")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// startOwner starts another process that owns a cluster, and waits until its
// service is up. Nobody reads what it says afterwards.
func startOwner(t *testing.T, dir, engine string) *exec.Cmd {
	t.Helper()
	owner := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOwner$")
	owner.Env = append(os.Environ(), ownerDir+"="+dir, ownerEngine+"="+engine)
	stdout, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewReader(stdout)
	for line := ""; line != "up\n"; {
		if line, err = said.ReadString('\n'); err != nil {
			t.Fatalf("the owner ended: %v: %v", err, owner.Wait())
		}
		t.Log(line)
	}
	if err := stdout.Close(); err != nil {
		t.Fatal(err)
	}
	return owner
}

// TestOwner is that process; alone it has nothing to do.
func TestOwner(t *testing.T) {
	dir := os.Getenv(ownerDir)
	if dir == "" {
		return
	}
	// Whoever runs the tests without a terminal may have it ignored.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	ctx, stop := hosts.UntilEnded()
	defer stop()
	if err := own(ctx, dir); err != nil {
		t.Fatal(err)
	}
}

func own(ctx context.Context, dir string) (err error) {
	c, err := cluster.StartLocal(ctx, cluster.Options{
		Hosts: []string{"web1"}, Balancers: []string{"web1"}, Dir: dir, Engine: os.Getenv(ownerEngine),
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer func() {
		fmt.Println("closing")
		err = errors.Join(err, c.Close())
	}()
	if err := c.LoadApps(ctx, map[string][]string{"app:1": nil}); err != nil {
		return err
	}
	file := filepath.Join(filepath.Dir(c.CLI), "compose.yaml")
	if err := os.WriteFile(file, []byte(service), 0o600); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, c.CLI, "--hub", c.URL, "apply", "-f", file, "--wait", "--timeout", "60s").CombinedOutput(); err != nil {
		return fmt.Errorf("apply: %w: %s", err, out)
	}
	fmt.Println("up")
	<-ctx.Done()
	return nil
}

// loadTheirs gives the engine the image of somebody else.
func loadTheirs(t *testing.T, engine *hosts.Local, dir string) {
	t.Helper()
	binary, tar := filepath.Join(dir, "app"), filepath.Join(dir, "app.tar")
	err := hosts.BuildGo(t.Context(), "github.com/musterhq/muster/test/app", binary)
	if err == nil {
		err = hosts.WriteImage(tar, hosts.Image{Tag: "theirs:1", Entrypoint: []string{"/app"}, Files: map[string]hosts.File{"/app": {Source: binary, Mode: 0o755}}})
	}
	if err == nil {
		err = engine.Client.LoadImage(t.Context(), tar)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func docker(t *testing.T, engine *hosts.Local, args ...string) string {
	t.Helper()
	out, err := engine.Docker(t.Context(), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %v: %v: %s", args, err, out)
	}
	return string(out)
}

// contents lists an engine's containers with their starts, volumes and images.
func contents(t *testing.T, engine *hosts.Local) string {
	t.Helper()
	out := docker(t, engine, "volume", "ls", "--format", "{{.Name}}") + docker(t, engine, "image", "ls", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}")
	for id := range strings.FieldsSeq(docker(t, engine, "container", "ls", "--all", "--quiet")) {
		out += docker(t, engine, "inspect", "--format", "{{.Name}} {{.Id}} {{.State.StartedAt}} {{.State.Status}}", id)
	}
	return out
}

// processes lists those that a directory below dir has to do with, a moment
// later: the kernel takes some to bury the last ones.
func processes(t *testing.T, dir string) (found []string) {
	t.Helper()
	time.Sleep(100 * time.Millisecond)
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if line := strings.ReplaceAll(string(data), "\x00", " "); err == nil && strings.Contains(line, dir+"/") {
			found = append(found, line)
		}
	}
	return found
}
