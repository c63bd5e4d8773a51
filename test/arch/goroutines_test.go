package arch

import (
	"go/ast"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWhoStartsGoroutinesIsWatched: where code or tests start goroutines, the
// tests look whether any is left at the end.
func TestWhoStartsGoroutinesIsWatched(t *testing.T) {
	starts, tested, watched := map[string]bool{}, map[string]bool{}, map[string]bool{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git") {
			return orSkip(err, fs.SkipDir)
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f, err := parse(filepath.ToSlash(strings.TrimPrefix(name, root+"/")), string(source))
		if err != nil {
			return err
		}
		room := path.Dir(f.path)
		starts[room] = starts[room] || startsGoroutines(f.syntax)
		tested[room] = tested[room] || f.test
		watched[room] = watched[room] || f.test && slices.Contains(f.imports, "go.uber.org/goleak")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !watched["hub/internal/broker"] {
		t.Error("the broker isn't watched: this test looks in the wrong place")
	}
	for room := range starts {
		if starts[room] && tested[room] && !watched[room] {
			t.Errorf("%s starts goroutines, and its tests don't look whether any is left: have TestMain call goleak", room)
		}
	}
}

func orSkip(err, skip error) error {
	if err != nil {
		return err
	}
	return skip
}

// startsGoroutines says whether a file has a go statement, or calls a method Go,
// as errgroup and sync.WaitGroup have it.
func startsGoroutines(file *ast.File) (starts bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			starts = true
		case *ast.CallExpr:
			if called, ok := n.Fun.(*ast.SelectorExpr); ok && called.Sel.Name == "Go" {
				starts = true
			}
		}
		return !starts
	})
	return starts
}
