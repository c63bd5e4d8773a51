//go:build e2e && soak

package hosts_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

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
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
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
			t.Log(f.EngineLogs())
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
