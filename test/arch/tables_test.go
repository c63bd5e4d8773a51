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
	guard    = regexp.MustCompile("\\[([\\w/.-]+\\.go)\\]\\([^)]*\\) `(\\w+)`")
	testName = regexp.MustCompile("`(Test\\w+|Benchmark\\w+|Fuzz\\w+)`")
	story    = regexp.MustCompile("`(\\d+-[\\w-]+\\.txt)`")
)

// The tables of invariants and of faults name guards, tests and stories of the
// simulation. What is named and isn't there makes it untrue.
func TestTablesNameWhatExists(t *testing.T) {
	tests := testsOf(t)
	for _, table := range []struct {
		name          string
		guards, tests int // at least
	}{{"invariants.md", 90, 90}, {"faults.md", 0, 90}} {
		page := filepath.Join(root, "docs", table.name)
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		text := string(raw)
		guards, named := guard.FindAllStringSubmatch(text, -1), testName.FindAllStringSubmatch(text, -1)
		if len(guards) < table.guards || len(named) < table.tests {
			t.Errorf("%s: only %d guards and %d tests were found: is the table written in another way?", table.name, len(guards), len(named))
		}
		for _, g := range guards {
			code, err := os.ReadFile(filepath.Join(root, g[1]))
			if err != nil {
				t.Error(err)
			} else if !regexp.MustCompile(`(?m)^(func (\([^)]*\) )?|type )` + g[2] + `\b`).Match(code) {
				t.Errorf("%s: %s has no %s", table.name, g[1], g[2])
			}
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
