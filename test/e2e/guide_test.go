//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// step is a command of a page's, and what the page says that it prints.
type step struct {
	command string
	output  []string
}

// pageSteps are a page's commands in order, and its Compose file.
func pageSteps(t *testing.T, page string) (file string, steps []step) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", page))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile(`(?m)(?:^    .*\n|^\n)+`).FindAllString(string(text), -1) {
		block = strings.TrimSpace(strings.ReplaceAll("\n"+block, "\n    ", "\n"))
		if strings.HasPrefix(block, "name:") {
			file = block + "\n"
		}
		inside := false
		for line := range strings.Lines(block) {
			line = strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(line, "$ "):
				steps = append(steps, step{command: strings.TrimPrefix(line, "$ ")})
				inside = true
			case inside && line != "" && line != "…":
				last := &steps[len(steps)-1]
				line, _, _ = strings.Cut(line, "…") // what follows differs
				last.output = append(last.output, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	return file, steps
}

// stands are the test's image, for each that the page has from a registry: it listens
// where that one does.
var stands = strings.NewReplacer(
	"image: nginx:1.27", "image: app:1\n    environment: {PORT: \"80\"}",
	"image: redis:7", "image: app:1\n    environment: {PORT: \"6379\"}",
	"image: memcached:1.6", "image: app:1\n    environment: {PORT: \"11211\"}",
)

// TestTheFirstProject does what the page says, command by command: each succeeds, and
// prints the lines that the page shows. It has the fleet to itself, as the page's ports
// are others', too.
func TestTheFirstProject(t *testing.T) {
	p := begin(t, "hello")
	file, steps := pageSteps(t, "first-service.md")
	if file == "" || len(steps) < 10 {
		t.Fatalf("the page has %d commands and the file %q", len(steps), file)
	}
	images := strings.NewReplacer("nginx:1.27", "app:1", "redis:7", "app:1", "memcached:1.6", "app:1")
	dir := filepath.Join(p.TempDir(), "hello")
	p.must(os.Mkdir(dir, 0o700))
	p.must(os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(stands.Replace(file)), 0o600))
	began := time.Now()
	for _, s := range steps {
		words := strings.Fields(s.command)
		if words[0] != "muster" {
			t.Errorf("the page has the command %q, which nobody runs here", s.command)
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		cmd := exec.CommandContext(ctx, p.c.CLI, words[1:]...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "MUSTER_HUB="+p.c.URL)
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil {
			t.Fatalf("%s: %v\n%s", s.command, err, out)
		}
		said := strings.Join(strings.Fields(string(out)), " ")
		for _, line := range s.output {
			if !strings.Contains(said, images.Replace(line)) {
				t.Errorf("%s doesn't say %q:\n%s", s.command, line, out)
			}
		}
		t.Logf("$ %s\n%s", s.command, out)
	}
	t.Logf("all of it took %s", time.Since(began).Round(time.Second))
}
