//go:build e2e && soak

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSupportDump: what a supporter gets of a real fleet has the logs of all,
// and no value of an environment.
func TestSupportDump(t *testing.T) {
	t.Parallel()
	p := begin(t, "support")
	p.apply(web("app:1", 1, 9042, "    environment: {ANYTHING: hunter2-plain, DB_PASSWORD: hunter2-password}"))
	id := p.service("web").Instances[0].ID
	dir := p.TempDir()
	out := p.mustMuster("support", "dump", "--file", filepath.Join(dir, "dump.tar.gz"))
	p.says(out, "fleet/services.json", "hosts/web1/log.txt", "read it before you send it")
	if text, err := exec.Command("tar", "-xzf", filepath.Join(dir, "dump.tar.gz"), "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("take it apart: %v: %s", err, text)
	}
	logs := ""
	for _, name := range []string{"hub", "hosts/web1", "hosts/web2", "hosts/web3"} {
		text, err := os.ReadFile(filepath.Join(dir, "dump", name, "log.txt"))
		if err != nil {
			t.Error(err)
		}
		logs += string(text)
	}
	for _, line := range []string{"type=muster.instance.placed instance=" + id, "instance in balancer", "instance=" + id, "hub connected"} {
		if !strings.Contains(logs, line) {
			t.Errorf("the logs lack %q", line)
		}
	}
	err := filepath.WalkDir(filepath.Join(dir, "dump"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "hunter2") {
			t.Errorf("%s has a secret", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
