//go:build e2e

package engine_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/engine"
	"github.com/musterhq/muster/test/hosts"
)

// registry is where the test's registry listens on the host; engines don't
// ask for TLS there.
const registry = "127.0.0.1:5000"

func startRegistry(t *testing.T) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "registry")
	if err := hosts.BuildGo(t.Context(), "./testdata/registry", binary); err != nil {
		t.Fatal(err)
	}
	cmd := host.Command(context.WithoutCancel(t.Context()), binary, registry)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(cmd.Process.Kill(), cmd.Wait()); err == nil {
			t.Error("the registry ended by itself")
		}
	})
}

func TestPull(t *testing.T) {
	e := newEngine(t, engine.Options{})
	pull := func(ref string) brain.Result {
		return e.Do(t.Context(), brain.Op{Kind: brain.OpPull, Instance: "1a", Image: ref})
	}
	present := pull(image)
	if present.Problem != "" || !strings.HasPrefix(present.Image.ID, "sha256:") || present.Image.Digest != "" {
		t.Fatalf("present image: %+v", present)
	}
	if byID := pull(present.Image.ID); byID.Problem != "" || byID.Image != present.Image {
		t.Errorf("present image by id: %+v", byID)
	}
	if r := pull("sha256:" + strings.Repeat("0", 64)); !r.Permanent || r.Problem == "" {
		t.Errorf("missing id: %+v", r)
	}
	if r := pull("NOT A NAME"); !r.Permanent || r.Problem == "" {
		t.Errorf("bad name: %+v", r)
	}
	r := pull(registry + "/team/web:1")
	if r.Permanent || !strings.Contains(r.Problem, "the registry can't be reached") || strings.ContainsAny(r.Problem, "{}") {
		t.Errorf("no registry: %+v", r)
	}

	startRegistry(t)
	var pulled brain.Result
	eventually(t, "the registry to be there", func() bool {
		pulled = pull(registry + "/team/web:1")
		return !strings.Contains(pulled.Problem, "can't be reached")
	})
	if pulled.Problem != "" || !strings.HasPrefix(pulled.Image.ID, "sha256:") || !strings.HasPrefix(pulled.Image.Digest, registry+"/team/web@sha256:") {
		t.Fatalf("pulled: %+v", pulled)
	}
	docker(t, "rmi", registry+"/team/web:1")
	if byDigest := pull(pulled.Image.Digest); byDigest.Problem != "" || byDigest.Image != pulled.Image {
		t.Errorf("pulled by digest: %+v", byDigest)
	}
	if r := pull(registry + "/team/web:2"); !r.Permanent || !strings.Contains(r.Problem, "there is no such image") {
		t.Errorf("missing tag: %+v", r)
	}
	if r := pull(registry + "/team/other:1"); r.Problem == "" {
		t.Errorf("missing repository: %+v", r)
	}
	hasty := newEngine(t, engine.Options{PullTimeout: 100 * time.Millisecond})
	r = hasty.Do(t.Context(), brain.Op{Kind: brain.OpPull, Instance: "1a", Image: registry + "/team/web:slow"})
	if r.Permanent || !strings.Contains(r.Problem, "it took longer than 100ms") {
		t.Errorf("slow registry: %+v", r)
	}
	docker(t, "rmi", pulled.Image.ID)
}
