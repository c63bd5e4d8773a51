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
	testName = regexp.MustCompile("`(Test\\w+|Benchmark\\w+|Fuzz\\w+)`")
	story    = regexp.MustCompile("`(\\d+-[\\w-]+\\.txt)`")
)

// The tables of invariants and of faults name guards, tests and stories of the
// simulation. Lines may move; what is named and isn't there makes a table untrue.
func TestTablesNameWhatExists(t *testing.T) {
	tests := testsOf(t)
	for _, table := range []struct {
		name          string
		guards, tests int // at least
	}{{"invariants.md", 90, 90}, {"faults.md", 0, 90}} {
		raw, err := os.ReadFile(filepath.Join(root, "docs", table.name))
		if err != nil {
			t.Fatal(err)
		}
		text := string(raw)
		guards, named := guard.FindAllStringSubmatch(text, -1), testName.FindAllStringSubmatch(text, -1)
		if len(guards) < table.guards || len(named) < table.tests {
			t.Errorf("%s: only %d guards and %d tests were found: is the table written in another way?", table.name, len(guards), len(named))
		}
		for _, g := range guards {
			checkGuard(t, g[1], g[2])
		}
		for _, name := range named {
			if !tests[name[1]] {
				t.Errorf("%s: there is no %s", table.name, name[1])
			}
		}
		for _, name := range story.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, "hub", "simtest", "testdata", name[1])); err != nil {
				t.Errorf("%s: %v", table.name, err)
			}
		}
	}
}

func checkGuard(t *testing.T, path, name string) {
	t.Helper()
	code, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Error(err)
		return
	}
	if !regexp.MustCompile(`(?m)^(func (\([^)]*\) )?|type )` + name + `\b`).Match(code) {
		t.Errorf("%s has no %s", path, name)
	}
}

func testsOf(t *testing.T) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func (Test\w+|Benchmark\w+|Fuzz\w+)\(`)
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
