//go:build e2e

package hosts_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/test/hosts"
)

const helloImage = "muster-test-hello:1"

// imageTar is the archive of helloImage, made once by TestMain.
var imageTar string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "hosts-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := filepath.Join(dir, "hello")
	imageTar = filepath.Join(dir, "hello.tar")
	err = errors.Join(hosts.BuildGo(ctx, "./internal/hello", program), hosts.WriteImage(imageTar, hosts.Image{
		Tag:          helloImage,
		Files:        map[string]hosts.File{"/hello": {Source: program}, "/tmp": {Mode: fs.ModeDir | fs.ModeSticky | 0o777}},
		Entrypoint:   []string{"/hello"},
		ExposedPorts: []string{"8080/tcp"},
	}))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// fleet makes a fleet with running engines that have the image.
func fleet(t *testing.T, names ...string) *hosts.Fleet {
	t.Helper()
	began := time.Now()
	f, err := hosts.New(t.Context(), hosts.Options{Names: names, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			f.DumpLogs(os.Stderr)
		}
		began := time.Now()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		t.Logf("close took %v", time.Since(began).Round(time.Millisecond))
	})
	network := time.Since(began)
	if err := f.StartEngines(t.Context()); err != nil {
		t.Fatal(err)
	}
	engines := time.Since(began)
	if err := f.LoadImage(t.Context(), imageTar); err != nil {
		t.Fatal(err)
	}
	t.Logf("network after %v, engines after %v, image after %v", network.Round(time.Millisecond),
		engines.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	return f
}

// start runs a container that greets with the given word on port 80 of the host,
// and returns its id.
func start(t *testing.T, h *hosts.Host, greeting string, more ...string) string {
	t.Helper()
	args := append([]string{"run", "--detach", "--env", "GREETING=" + greeting, "--publish", h.Address + ":80:8080"}, more...)
	return docker(t, h, append(args, helloImage)...)
}

func docker(t *testing.T, h *hosts.Host, args ...string) string {
	t.Helper()
	cmd := h.Docker(t.Context(), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %v on %s: %v: %s", args, h.Name, err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

func get(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return "", err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(response.Body)
	return string(body), errors.Join(err, response.Body.Close())
}

// eventually polls until check passes, and fails with its last error.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// answers waits until the address gives that answer.
func answers(t *testing.T, address, want string) {
	t.Helper()
	eventually(t, "get "+address, func() error {
		body, err := get(t.Context(), address)
		if err == nil && body != want {
			err = fmt.Errorf("answer %q, want %q", body, want)
		}
		return err
	})
}

func silent(t *testing.T, address string) {
	t.Helper()
	if body, err := get(t.Context(), address); err == nil {
		t.Fatalf("%s still answers: %q", address, body)
	}
}

func TestHostsReachEachOther(t *testing.T) {
	f := fleet(t, "web1", "web2")
	for _, h := range f.Hosts {
		start(t, h, h.Name)
	}
	web1, web2 := f.Host("web1"), f.Host("web2")
	for _, h := range f.Hosts {
		answers(t, "http://"+h.Address, h.Name)
	}
	t.Run("a program on the other host", func(t *testing.T) {
		out, err := web1.Command(t.Context(), "bash", "-c",
			`exec 3<>/dev/tcp/$0/80 && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && cat <&3 && hostname`, web2.Address).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if !strings.HasSuffix(string(out), "web2web1\n") {
			t.Fatalf("got %q, want the greeting of web2 and then the own host name", out)
		}
	})
	t.Run("a container on the other host", func(t *testing.T) {
		answers(t, "http://"+web1.Address+"/fetch?url="+url.QueryEscape("http://"+web2.Address), "web2")
	})
	t.Run("a container and its own host", func(t *testing.T) {
		answers(t, "http://"+web1.Address+"/fetch?url="+url.QueryEscape("http://"+web1.Address), "web1")
	})
	t.Run("engines know their own containers only", func(t *testing.T) {
		docker(t, web1, "rm", "--force", docker(t, web1, "ps", "--quiet"))
		answers(t, "http://"+web2.Address, "web2")
		if one, two := docker(t, web1, "info", "--format", "{{.ID}}"), docker(t, web2, "info", "--format", "{{.ID}}"); one == two {
			t.Fatalf("both engines have the id %s", one)
		}
	})
}

func TestLink(t *testing.T) {
	f := fleet(t, "web1", "web2")
	web1 := f.Host("web1")
	start(t, web1, "here")
	address := "http://" + web1.Address
	answers(t, address, "here")
	if err := web1.LinkDown(t.Context()); err != nil {
		t.Fatal(err)
	}
	silent(t, address)
	if docker(t, web1, "ps", "--quiet") == "" {
		t.Fatal("the container stopped with the link")
	}
	if err := web1.LinkUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	answers(t, address, "here")
}

func TestMemoryLimit(t *testing.T) {
	f := fleet(t, "web1")
	id := start(t, f.Hosts[0], "small", "--memory", "24m")
	limits, err := filepath.Glob("/sys/fs/cgroup/{memory/,}*")
	_ = limits
	if err != nil {
		t.Fatal(err)
	}
	parent := f.Name + "-web1"
	for _, path := range []string{
		filepath.Join("/sys/fs/cgroup/memory", parent, id, "memory.limit_in_bytes"),
		filepath.Join("/sys/fs/cgroup", parent, id, "memory.max"),
	} {
		if data, err := os.ReadFile(path); err == nil {
			if got := strings.TrimSpace(string(data)); got != "25165824" {
				t.Fatalf("%s is %s", path, got)
			}
			return
		}
	}
	t.Fatal("the container's memory cgroup isn't where it should be")
}

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

func TestCloseLeavesNothing(t *testing.T) {
	before := traces(t)
	dir := t.TempDir()
	f, err := hosts.New(t.Context(), hosts.Options{Names: []string{"web1", "web2"}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { return f.StartEngines(t.Context()) },
		func() error { return f.LoadImage(t.Context(), imageTar) },
	} {
		if err := step(); err != nil {
			t.Fatal(errors.Join(err, f.Close()))
		}
	}
	start(t, f.Hosts[0], "a")
	start(t, f.Hosts[1], "b", "--memory", "24m")
	docker(t, f.Hosts[1], "pause", docker(t, f.Hosts[1], "ps", "--quiet"))
	program := f.Hosts[0].Command(t.Context(), "sleep", "1000")
	if err := program.Start(); err != nil {
		t.Fatal(errors.Join(err, f.Close()))
	}
	if during := traces(t); !strings.Contains(during, f.Name) {
		t.Fatalf("the traces of a living fleet aren't seen:\n%s", during)
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if err := program.Wait(); err == nil {
		t.Fatal("a program on the host ended by itself")
	}
	checkGone(t, f.Name, before, dir)
}

// TestSweep lets another process make a fleet and die.
func TestSweep(t *testing.T) {
	before := traces(t)
	dir := t.TempDir()
	if os.Getenv("HOSTS_E2E_VICTIM") != "" {
		t.Fatal("the victim runs another test")
	}
	victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$")
	victim.Env = append(os.Environ(), "HOSTS_E2E_VICTIM="+dir)
	stdout, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	name := make([]byte, len("mht-000"))
	n, err := stdout.Read(name)
	if err := errors.Join(err, victim.Process.Kill()); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait() // it was killed
	fleetName := strings.TrimSpace(string(name[:n]))
	if seen := traces(t); !strings.Contains(seen, fleetName) {
		t.Fatalf("the victim's fleet %s left nothing to sweep", fleetName)
	}
	living, err := hosts.New(t.Context(), hosts.Options{Names: []string{"web1"}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := hosts.Sweep(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if err := living.Hosts[0].Command(t.Context(), "true").Run(); err != nil {
		t.Errorf("the sweep hit a living fleet: %v", err)
	}
	if err := living.Close(); err != nil {
		t.Fatal(err)
	}
	checkGone(t, fleetName, before, dir)
}

// TestVictim is the other process of TestSweep: alone it has nothing to do.
func TestVictim(t *testing.T) {
	dir := os.Getenv("HOSTS_E2E_VICTIM")
	if dir == "" {
		return
	}
	f, err := hosts.New(t.Context(), hosts.Options{Names: []string{"web1"}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.StartEngines(t.Context()); err != nil {
		t.Fatal(err)
	}
	fmt.Println(f.Name)
	<-t.Context().Done()
}

func TestLocalEngine(t *testing.T) {
	before := traces(t)
	dir := t.TempDir()
	l, err := hosts.LocalEngine(t.Context(), hosts.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := l.LoadImage(t.Context(), imageTar); err != nil {
		t.Fatal(err)
	}
	out, err := l.Docker(t.Context(), "run", "--detach", "--env", "GREETING=local", "--publish", "127.0.0.1:0:8080", helloImage).Output()
	if err != nil {
		t.Fatal(err)
	}
	id := strings.TrimSpace(string(out))
	port, err := l.Docker(t.Context(), "port", id, "8080/tcp").Output()
	if err != nil {
		t.Fatal(err)
	}
	answers(t, "http://"+strings.TrimSpace(string(port)), "local")
	if err := l.Docker(t.Context(), "rm", "--force", id).Run(); err != nil {
		t.Fatal(err)
	}
	if !l.Own {
		return
	}
	if err := l.Docker(t.Context(), "network", "create", "extra").Run(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if after := traces(t); after != before {
		t.Fatalf("traces before:\n%s\nafter:\n%s", before, after)
	}
}
