//go:build e2e

package main

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/test/hosts"
)

// TestDemo watches the demonstration until it is up, and then closes its
// terminal: it ends as after Ctrl-C and leaves nothing behind.
func TestDemo(t *testing.T) {
	program := filepath.Join(t.TempDir(), "demo")
	if err := hosts.BuildGo(t.Context(), ".", program); err != nil {
		t.Fatal(err)
	}
	demo := exec.CommandContext(t.Context(), program, "-hosts", "2")
	demo.Dir, demo.Stderr = "../..", os.Stderr
	stdout, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	// Whoever runs the tests without a terminal may have it ignored, and what they
	// start with them; not what they listen to.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	said := ""
	for lines := bufio.NewScanner(stdout); !strings.Contains(said, "Ctrl-C takes everything away."); said += lines.Text() + "\n" {
		if !lines.Scan() {
			t.Fatalf("it ended: %v\n%s", demo.Wait(), said)
		}
	}
	t.Logf("it was up after %s", time.Since(began).Round(time.Second))
	hub := regexp.MustCompile(`the hub at unix:///var/tmp/muster-hosts-mht-(\d+)/`).FindStringSubmatch(said)
	if hub == nil || strings.Count(said, `"percent":`) != len(people) {
		t.Fatalf("it should name the hub, and the answers to %d people:\n%s", len(people), said)
	}
	if err := errors.Join(demo.Process.Signal(syscall.SIGHUP), stdout.Close(), demo.Wait()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/run/muster-hosts/mht-" + hub[1] + ".json", "/var/tmp/muster-hosts-mht-" + hub[1], "/sys/class/net/mht-" + hub[1]} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
}
