package resolve_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/musterhq/muster/hub/compose"
	"github.com/musterhq/muster/hub/compose/resolve"
	"github.com/musterhq/muster/shared/fleet"
)

// FuzzResolve: a file is refused as an operator's mistake, or becomes a document
// of a project with a proper name that the hub takes apart in the same way each
// time.
func FuzzResolve(f *testing.F) {
	for _, name := range []string{"rank.yaml", "everything.yaml", "rollout.yaml", "swarm.yaml"} {
		data, err := os.ReadFile(filepath.Join("..", "testdata", "ok", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, []byte("TAG=1\n"))
	}
	f.Add([]byte("name: shop\nservices:\n  base: &base {image: 'web:${TAG:?set it}', profiles: [never]}\n  web:\n    extends: {service: base}\n    environment: [A, 'B=$$x', C=2025-01-01]\n    ports: ['8080:80']\n"), []byte("TAG=7\nA='b'\n"))
	f.Add([]byte("services: {web: {image: web, deploy: {replicas: 2}, x-lb: {listen: 80}}}\n---\nservices: {web: !override {image: b}}\n"), []byte("export X\n"))
	f.Add([]byte("services: [web]\n"), []byte("=\n"))
	f.Fuzz(func(t *testing.T, file, variables []byte) {
		dir := t.TempDir()
		for name, content := range map[string][]byte{"compose.yaml": file, ".env": variables} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		options := resolve.Options{Dir: dir, Project: "shop"}
		result, err := resolve.Resolve(t.Context(), options)
		if err != nil {
			if code := fleet.CodeOf(err); code != fleet.CodeInvalid && code != fleet.CodeNotFound || err.Error() == "" {
				t.Errorf("refused with %q", err)
			}
			return
		}
		again, err := resolve.Resolve(t.Context(), options)
		if err != nil || string(again.Document) != string(result.Document) {
			t.Errorf("resolved again it is\n%s\nand was\n%s\n%v", again.Document, result.Document, err)
		}
		project, err := compose.Map(result.Document)
		if result.Project != "shop" || err == nil && project.Name != "shop" {
			t.Errorf("it is the project %q, and to the hub %q", result.Project, project.Name)
		}
		for _, e := range compose.Errors(err) {
			if e.Code != fleet.CodeInvalid && e.Code != fleet.CodeConflict {
				t.Errorf("the hub says %v of\n%s", e, result.Document)
			}
		}
	})
}
