package arch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRootFetchesNoModules: whatever is done as root in a user's checkout has
// its modules already and can fetch none, for it would leave folders of root's
// in the user's module cache, and the user's next build would fail.
func TestRootFetchesNoModules(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	target, needs, asRoot := "", "", 0
	for line := range strings.Lines(string(text)) {
		before, after, _ := strings.Cut(line, ":")
		switch {
		case strings.HasPrefix(line, "AS_ROOT"):
			if !strings.Contains(line, "GOPROXY=off") {
				t.Errorf("root may fetch modules: %s", line)
			}
		case strings.HasPrefix(line, "\t"):
			if strings.Contains(line, "$(AS_ROOT)") {
				asRoot++
				if !slices.Contains(strings.Fields(needs), "modules") {
					t.Errorf("%s runs something as root before the user has fetched the modules", target)
				}
			}
		default:
			needs, _, _ = strings.Cut(after, "##")
			target = before
		}
	}
	if asRoot == 0 {
		t.Error("nothing is run as root: this test looks for the wrong word")
	}
}
