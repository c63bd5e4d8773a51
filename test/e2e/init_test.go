//go:build e2e

package e2e

import (
	"path/filepath"
	"testing"
)

// TestTheExampleRuns: what muster init writes runs as it is, behind the balancers.
func TestTheExampleRuns(t *testing.T) {
	t.Parallel()
	p := begin(t, "example")
	dir := p.TempDir()
	p.mustMuster("init", "--name", p.name, "--image", "app:1", "--port", "8080", "--listen", "9371", dir)
	p.mustMuster("apply", "-f", filepath.Join(dir, "compose.yaml"), "--wait", "--timeout", patience)
	p.allAnswer(9371, 2)
}
