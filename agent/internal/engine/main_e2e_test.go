//go:build e2e

package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/engine"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/hosts"
)

const (
	image   = "muster-engine-test:1"
	lineage = "lineage-1"
)

var (
	host    *hosts.Host // has the engine that all tests share
	program string      // what the image has, as a file of this machine
)

func TestMain(m *testing.M) {
	code, err := runTests(m)
	if err == nil {
		err = goleak.Find()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "engine-e2e-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program = filepath.Join(dir, "app")
	archive := filepath.Join(dir, "app.tar")
	if err := hosts.BuildGo(ctx, "./testdata/app", program); err != nil {
		return 1, err
	}
	err = hosts.WriteImage(archive, hosts.Image{
		Tag: image, Files: map[string]hosts.File{"/app": {Source: program}}, Entrypoint: []string{"/app"}, Cmd: []string{"default"},
	})
	if err != nil {
		return 1, err
	}
	fleet, err := hosts.New(ctx, hosts.Options{Names: []string{"web1"}, Dir: dir})
	if err != nil {
		return 1, err
	}
	defer func() {
		if code != 0 {
			fmt.Fprintln(os.Stderr, fleet.EngineLogs())
		}
		err = errors.Join(err, fleet.Close())
	}()
	if err := errors.Join(fleet.StartEngines(ctx), fleet.LoadImage(ctx, archive)); err != nil {
		return 1, err
	}
	host = fleet.Hosts[0]
	return m.Run(), nil
}

// newEngine connects to the host's engine; all containers go with the test.
func newEngine(t *testing.T, options engine.Options) *engine.Engine {
	t.Helper()
	if options.Host == "" {
		options.Host = "unix://" + host.DockerSocket
	}
	e, err := engine.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if ids := strings.Fields(docker(t, "ps", "--all", "--quiet")); len(ids) > 0 {
			docker(t, append([]string{"rm", "--force", "--volumes"}, ids...)...)
		}
	})
	return e
}

// docker is somebody at the keyboard. The context of a test that ends is over
// before its clean-up.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	cmd := host.Docker(ctx, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %v: %v: %s", args, err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// order is a create operation of one instance, changed as the test likes.
func order(instance string, change func(*brain.Create)) brain.Op {
	create := &brain.Create{
		Name: "muster-shop-web-1-" + instance, Image: image, Bind: host.Address,
		Labels: map[string]string{
			brain.LabelLineage: lineage, brain.LabelHost: host.Name, brain.LabelInstance: instance,
			brain.LabelProject: "shop", brain.LabelIncarnation: "1",
		},
		Ports: map[int]int{8080: 20001},
		Spec:  fleet.Spec{Publish: []fleet.Publish{{Target: 8080, Protocol: "tcp"}}},
	}
	if change != nil {
		change(create)
	}
	return brain.Op{Kind: brain.OpCreate, Instance: instance, Create: create}
}

// do carries out an operation that must succeed.
func do(t *testing.T, e *engine.Engine, op brain.Op) brain.Result {
	t.Helper()
	r := e.Do(t.Context(), op)
	if r.Problem != "" || r.Permanent || r.PortTaken || r.Kind != op.Kind || r.Instance != op.Instance {
		t.Fatalf("%s of %s: %+v", op.Kind, op.Instance, r)
	}
	return r
}

// run creates and starts an instance's container and returns its id.
func run(t *testing.T, e *engine.Engine, instance string, change func(*brain.Create)) string {
	t.Helper()
	id := do(t, e, order(instance, change)).Container.ID
	do(t, e, on(brain.OpStart, instance, id))
	return id
}

func on(kind, instance, container string) brain.Op {
	return brain.Op{Kind: kind, Instance: instance, Container: container, Grace: 10 * time.Second}
}

func containers(t *testing.T, e *engine.Engine) []brain.Container {
	t.Helper()
	all, err := e.Containers(t.Context(), lineage, host.Name)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// find returns the container with the id; a zero one if there is none.
func find(t *testing.T, e *engine.Engine, id string) brain.Container {
	t.Helper()
	all := containers(t, e)
	if i := slices.IndexFunc(all, func(c brain.Container) bool { return c.ID == id }); i >= 0 {
		return all[i]
	}
	return brain.Container{}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for: %s", what)
		}
	}
}

// ask asks the program in the container that publishes the port.
func ask(t *testing.T, method, port, path string, form url.Values) (status int, body string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	eventually(t, "an answer from "+port+path, func() bool {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+host.Address+":"+port+path+"?"+form.Encode(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			return false // it starts
		}
		data, err := io.ReadAll(response.Body)
		status, body = response.StatusCode, string(data)
		return errors.Join(err, response.Body.Close()) == nil
	})
	return status, body
}

func get(t *testing.T, port, path string) string {
	t.Helper()
	status, body := ask(t, http.MethodGet, port, path, nil)
	if status != http.StatusOK {
		t.Fatalf("get %s: %d %s", path, status, body)
	}
	return body
}

func read(t *testing.T, port, file string) (int, string) {
	t.Helper()
	return ask(t, http.MethodGet, port, "/file", url.Values{"path": {file}})
}

func write(t *testing.T, port, file, text string) int {
	t.Helper()
	status, _ := ask(t, http.MethodPost, port, "/file", url.Values{"path": {file}, "text": {text}})
	return status
}

// occupyPort has a process on the host listen on port 8080 until the test ends.
func occupyPort(t *testing.T) {
	t.Helper()
	cmd := host.Command(context.WithoutCancel(t.Context()), program)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(cmd.Process.Kill(), cmd.Wait()); err == nil {
			t.Error("the process ended by itself")
		}
	})
	get(t, "8080", "/args")
}
