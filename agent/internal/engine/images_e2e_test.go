//go:build e2e

package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/engine"
)

// stored is an image as the engine lists it; nil: it doesn't.
func stored(t *testing.T, e *engine.Engine, id string) *brain.StoredImage {
	t.Helper()
	r := e.Do(t.Context(), brain.Op{Kind: brain.OpImages})
	if r.Problem != "" {
		t.Fatal(r.Problem)
	}
	if i := slices.IndexFunc(r.Images, func(image brain.StoredImage) bool { return image.ID == id }); i >= 0 {
		return &r.Images[i]
	}
	return nil
}

func TestImagesComeAndGo(t *testing.T) {
	e := newEngine(t, engine.Options{})
	const ref = registry + "/team/web:1"
	startRegistry(t)
	var pulled brain.Result
	pull := func() { pulled = e.Do(t.Context(), brain.Op{Kind: brain.OpPull, Version: "shop/web@1", Image: ref}) }
	eventually(t, "the registry to be there", func() bool {
		pull()
		return !strings.Contains(pulled.Problem, "can't be reached")
	})
	if pulled.Problem != "" || pulled.Version != "shop/web@1" || !pulled.Fetched || !pulled.New {
		t.Fatalf("fetched: %+v", pulled)
	}
	id := pulled.Image.ID
	if pull(); pulled.Fetched || pulled.New {
		t.Errorf("it is here already: %+v", pulled)
	}
	got := stored(t, e, id)
	if got == nil || !slices.Equal(got.Names, []string{ref}) || !slices.Equal(got.Digests, []string{pulled.Image.Digest}) || got.Size <= 0 || got.Used {
		t.Fatalf("listed: %+v", got)
	}
	remove := func(names ...string) brain.Result {
		return e.Do(t.Context(), brain.Op{Kind: brain.OpRemoveImage, Image: id, Names: names})
	}

	docker(t, "create", "--name", "foreign", ref)
	if got := stored(t, e, id); got == nil || !got.Used {
		t.Errorf("with a container: %+v", got)
	}
	if r := remove(ref); r.Problem == "" || stored(t, e, id) == nil {
		t.Errorf("a container is made from it: %+v", r)
	}
	docker(t, "rm", "foreign")

	docker(t, "tag", ref, "mine:1")
	if r := remove(ref); !strings.Contains(r.Problem, "somebody calls it mine:1, too") || stored(t, e, id) == nil {
		t.Errorf("it has another name: %+v", r)
	}
	if pull(); !pulled.Fetched || pulled.New {
		t.Errorf("it is here, by another name: %+v", pulled)
	}
	docker(t, "rmi", "mine:1")

	if r := remove(ref); r.Problem != "" || stored(t, e, id) != nil {
		t.Errorf("by its name: %+v", r)
	}
	if r := remove(ref); r.Problem != "" {
		t.Errorf("it is gone already: %+v", r)
	}
	pulled = e.Do(t.Context(), brain.Op{Kind: brain.OpPull, Image: pulled.Image.Digest})
	if got := stored(t, e, id); !pulled.New || got == nil || len(got.Names) > 0 {
		t.Fatalf("by its digest: %+v, %+v", pulled, got)
	}
	if r := remove(); r.Problem != "" || stored(t, e, id) != nil {
		t.Errorf("without a name: %+v", r)
	}
	if root, err := e.Root(t.Context()); err != nil || !strings.HasPrefix(root, "/") {
		t.Errorf("it keeps its images in %q, %v", root, err)
	}
}
