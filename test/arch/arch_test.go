// Package arch holds the project to its own map: which room may import what,
// and what a pure room leaves out. The linter knows the same table; this test
// needs nothing but Go.
package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

func TestEveryRoomImportsOnlyWhatItMay(t *testing.T) {
	files := 0
	seen := map[string]bool{}
	walk(t, func(f file) {
		files++
		seen[f.room()] = true
		for _, violation := range violations(f) {
			t.Error(violation)
		}
	})
	if files == 0 {
		t.Fatal("no Go file was found: this test looks in the wrong place")
	}
	for room := range pureRooms {
		if !seen[room] {
			t.Errorf("the table names the pure room %s, which is not there: has it moved?", room)
		}
	}
}

// walk shows each of the project's Go files.
func walk(t *testing.T, show func(file)) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if left := d.Name(); name != root && (left[0] == '.' || left == "testdata" || left == "node_modules" || left == "bin" || left == "dist") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		f, err := parse(filepath.ToSlash(rel), string(source))
		if err == nil {
			show(f)
		}
		return err
	})
	if err != nil {
		t.Fatalf("read the project's Go files: %v", err)
	}
}

func parse(name, source string) (file, error) {
	syntax, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
	if err != nil {
		return file{}, err
	}
	f := file{path: name, test: strings.HasSuffix(name, "_test.go"), syntax: syntax}
	for _, spec := range syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return file{}, err
		}
		f.imports = append(f.imports, imported)
	}
	return f, nil
}
