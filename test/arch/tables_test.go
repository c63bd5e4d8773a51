package arch

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	guard    = regexp.MustCompile("\\[([\\w/.-]+\\.go):\\d+\\]\\(([^)#]*)#L\\d+\\) `(\\w+)`")
	testName = regexp.MustCompile("`(Test\\w+|Benchmark\\w+|Fuzz\\w+)`")
	story    = regexp.MustCompile("`(\\d+-[\\w-]+\\.txt)`")
)

// The tables of invariants and of faults name guards, tests and stories of the
// simulation. What is named and isn't there, or not where the table says, makes
// it untrue.
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
		located := guard.ReplaceAllStringFunc(text, func(found string) string { return locate(t, found) })
		if located != text && *update {
			err = os.WriteFile(page, []byte(located), 0o644)
		} else if located != text {
			err = fmt.Errorf("%s: guards are elsewhere by now: write their lines with go test ./test/arch -update\n%s", table.name, moved(text, located))
		}
		if err != nil {
			t.Error(err)
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

// locate writes a guard's link with the line of its declaration.
func locate(t *testing.T, found string) string {
	t.Helper()
	part := guard.FindStringSubmatch(found)
	path, link, name := part[1], part[2], part[3]
	code, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Error(err)
		return found
	}
	at := regexp.MustCompile(`(?m)^(func (\([^)]*\) )?|type )` + name + `\b`).FindIndex(code)
	if at == nil {
		t.Errorf("%s has no %s", path, name)
		return found
	}
	line := 1 + bytes.Count(code[:at[0]], []byte("\n"))
	return fmt.Sprintf("[%s:%d](%s#L%d) `%s`", path, line, link, line, name)
}

// moved are the guards that differ.
func moved(is, shouldBe string) string {
	now, want := guard.FindAllString(is, -1), guard.FindAllString(shouldBe, -1)
	var lines []string
	for i := range now {
		if now[i] != want[i] {
			lines = append(lines, now[i]+" should be "+want[i])
		}
	}
	return strings.Join(lines, "\n")
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
