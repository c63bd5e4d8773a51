package compose_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/hub/compose"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, source, suffix string, got []byte) {
	t.Helper()
	name := strings.TrimSuffix(source, ".yaml") + suffix
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got\n%s", name, got)
	}
}

func sources(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", dir, "*.yaml"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no documents in %s: %v", dir, err)
	}
	return names
}

func TestMapGolden(t *testing.T) {
	for _, source := range sources(t, "ok") {
		t.Run(filepath.Base(source), func(t *testing.T) {
			data, err := os.ReadFile(source)
			if err != nil {
				t.Fatal(err)
			}
			project, err := compose.Map(data)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, source, ".golden.json", render(t, project))
			for range 5 {
				again, err := compose.Map(data)
				if err != nil || !bytes.Equal(render(t, again), render(t, project)) {
					t.Fatalf("mapped again, it differs (%v)", err)
				}
			}
		})
	}
}

func TestMapNamesEveryError(t *testing.T) {
	for _, source := range sources(t, "wrong") {
		t.Run(filepath.Base(source), func(t *testing.T) {
			data, err := os.ReadFile(source)
			if err != nil {
				t.Fatal(err)
			}
			_, err = compose.Map(data)
			var lines bytes.Buffer
			for _, e := range compose.Errors(err) {
				lines.WriteString(e.Code + " " + e.Error() + "\n")
			}
			golden(t, source, ".golden.txt", lines.Bytes())
		})
	}
}

func render(t *testing.T, project compose.Project) []byte {
	t.Helper()
	data, err := json.MarshalIndent(project, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, '\n')
}
