package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	guard    = regexp.MustCompile("\\[([\\w/.-]+\\.go):\\d+\\]\\([^)]*\\) `(\\w+)`")
	testName = regexp.MustCompile("`(Test\\w+|Benchmark\\w+)`")
)

// The table of invariants names guards and the tests that hold them. Lines may
// move; a function or a test that is gone makes the table untrue.
func TestTheTableOfInvariantsNamesWhatExists(t *testing.T) {
	table, err := os.ReadFile(filepath.Join(root, "docs", "invariants.md"))
	if err != nil {
		t.Fatal(err)
	}
	guards := guard.FindAllStringSubmatch(string(table), -1)
	if len(guards) < 90 {
		t.Errorf("only %d guards were found: is the table written in another way?", len(guards))
	}
	for _, g := range guards {
		code, err := os.ReadFile(filepath.Join(root, g[1]))
		if err != nil {
			t.Error(err)
			continue
		}
		if !regexp.MustCompile(`(?m)^(func (\([^)]*\) )?|type )` + g[2] + `\b`).Match(code) {
			t.Errorf("%s has no %s", g[1], g[2])
		}
	}
	tests := testsOf(t)
	for _, name := range testName.FindAllStringSubmatch(string(table), -1) {
		if !tests[name[1]] {
			t.Errorf("there is no %s", name[1])
		}
	}
}

func testsOf(t *testing.T) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func (Test\w+|Benchmark\w+)\(`)
	names := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		code, err := os.ReadFile(path)
		for _, name := range declared.FindAllStringSubmatch(string(code), -1) {
			names[name[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
