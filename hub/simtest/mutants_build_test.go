package simtest

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mutantOn is the variable of the environment that names the mutant which is on.
const mutantOn = "SIM_MUTANT"

// buildMutants compiles this package's tests with all mutants in them: a function
// that one of them changes begins with its changed body, for when that one is on.
func buildMutants(t *testing.T) (binary string) {
	t.Helper()
	files := map[string]*mutated{}
	for _, live := range liveTests {
		for _, m := range live.mutants {
			for _, e := range m.edits {
				if files[e.file] == nil {
					files[e.file] = parse(t, e.file)
				}
				files[e.file].add(t, m.name, e)
			}
		}
	}
	dir, replace := t.TempDir(), map[string]string{}
	write := func(file, text string) {
		to := filepath.Join(dir, fmt.Sprint(len(replace), "-", filepath.Base(file)))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[file] = to
	}
	for _, f := range files {
		write(f.path, f.changed())
		on := "package " + f.syntax.Name.Name + "\n\nimport \"os\"\n\nvar mutantOn = os.Getenv(\"" + mutantOn + "\")\n"
		write(filepath.Join(filepath.Dir(f.path), "mutant_on.go"), on)
	}
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, "mutants.test")
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("the mutants don't compile: %v\n%s", err, out)
	}
	return binary
}

// mutated is a file of the brains, and the bodies that mutants give its functions.
type mutated struct {
	path   string
	text   string
	syntax *ast.File
	bodies map[*ast.FuncDecl]map[string]string // by the mutant's name
}

func parse(t *testing.T, file string) *mutated {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return &mutated{path: path, text: string(text), syntax: syntax, bodies: map[*ast.FuncDecl]map[string]string{}}
}

// offset of a position in the text: the file is the only one of its set.
func offset(p token.Pos) int { return int(p) - 1 }

// add makes an edit of a mutant, in a function that it may have changed already.
func (f *mutated) add(t *testing.T, name string, e edit) {
	t.Helper()
	if n := strings.Count(f.text, e.from); n != 1 {
		t.Fatalf("%s: %s has %d places with %q, want one", name, e.file, n, e.from)
	}
	at := strings.Index(f.text, e.from)
	for _, d := range f.syntax.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || offset(fn.Body.Lbrace) >= at || at+len(e.from) > offset(fn.End()) {
			continue
		}
		bodies := f.bodies[fn]
		if bodies == nil {
			bodies = map[string]string{}
			f.bodies[fn] = bodies
		}
		if bodies[name] == "" {
			bodies[name] = f.text[offset(fn.Body.Lbrace):offset(fn.End())]
		}
		if !strings.Contains(bodies[name], e.from) {
			t.Fatalf("%s: %q of %s is changed twice", name, e.from, e.file)
		}
		bodies[name] = strings.Replace(bodies[name], e.from, e.to, 1)
		return
	}
	t.Fatalf("%s: %q of %s is in no function's body", name, e.from, e.file)
}

// changed is the text of the file with all bodies.
func (f *mutated) changed() string {
	var out strings.Builder
	done := 0
	for _, d := range f.syntax.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || f.bodies[fn] == nil {
			continue
		}
		begin := offset(fn.Body.Lbrace) + 1
		out.WriteString(f.text[done:begin])
		done = begin
		for _, name := range slices.Sorted(maps.Keys(f.bodies[fn])) {
			body := f.bodies[fn][name]
			if fn.Type.Results == nil {
				body = strings.TrimSuffix(body, "}") + "\nreturn\n}"
			}
			fmt.Fprintf(&out, "\nif mutantOn == %q %s\n", name, body)
		}
	}
	return out.String() + f.text[done:]
}
