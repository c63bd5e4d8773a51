//go:build e2e

package previous

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "copy the previous release's messages")

// testdata is where each release has every form that its messages ever had, kind.1.json,
// kind.2.json …; golden is where those of the previous release are in this one.
const testdata = "shared/wire/testdata/"

var golden = filepath.Join("..", "..", testdata, "previous")

var form = regexp.MustCompile(`^([a-z]+)\.([0-9]+)\.json$`)

// The files in golden are the newest form of each kind in the previous release.
func TestMessagesAreThoseOfThePreviousRelease(t *testing.T) {
	list, err := Git(t.Context(), "ls-tree", "--name-only", Commit(), testdata)
	if err != nil {
		t.Fatal(err)
	}
	newest := map[string]int{}
	for _, file := range strings.Fields(list) {
		if parts := form.FindStringSubmatch(filepath.Base(file)); parts != nil {
			n, err := strconv.Atoi(parts[2])
			if err != nil {
				t.Fatal(err)
			}
			newest[parts[1]] = max(newest[parts[1]], n)
		}
	}
	if len(newest) == 0 {
		t.Fatal("the previous release has no messages")
	}
	for kind, n := range newest {
		want, err := Git(t.Context(), "show", Commit()+":"+testdata+kind+"."+strconv.Itoa(n)+".json")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(golden, kind+".json")
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s isn't as the previous release writes it (-update copies it): %v", file, err)
		}
	}
	if files, _ := os.ReadDir(golden); len(files) != len(newest) {
		t.Errorf("%d files of %d kinds", len(files), len(newest))
	}
}
