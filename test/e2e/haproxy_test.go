//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// haproxyDir is where web1's agent keeps its HAProxy's files.
func (p *project) haproxyDir() string {
	return filepath.Join(p.c.StateDir("web1"), "haproxy")
}

// haproxyProcesses are the master and the workers of web1's HAProxy: those that
// were started with its own file.
func (p *project) haproxyProcesses() (pids []int) {
	p.Helper()
	own := []byte(filepath.Join(p.haproxyDir(), "haproxy.cfg"))
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		p.Fatal(err)
	}
	for _, path := range found {
		args, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(args, own) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			p.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// reloadHAProxy has HAProxy read its file again, as an operator could.
func (p *project) reloadHAProxy() {
	p.Helper()
	text, err := os.ReadFile(filepath.Join(p.haproxyDir(), "haproxy.pid"))
	if err != nil {
		p.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		p.Fatal(err)
	}
	p.must(syscall.Kill(pid, syscall.SIGUSR2))
}
