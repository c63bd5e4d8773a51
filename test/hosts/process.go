package hosts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// processes says which processes belong to hosts: those in a host's network
// namespace, those in its containers' cgroup, and those that were started from
// or with the files in a directory: engines with their shims, and the programs
// of whoever made the hosts.
type processes struct {
	netns   []namespace
	cgroups []string // "/mht-1-web1"
	dirs    []string // with a slash at the end
}

// namespace is the identity of a kernel namespace.
type namespace struct{ dev, ino uint64 }

func (c claim) processes() processes {
	all := processes{dirs: []string{c.files() + "/"}}
	for _, host := range c.Hosts {
		p := c.hostProcesses(host)
		all.netns = append(all.netns, p.netns...)
		all.cgroups = append(all.cgroups, p.cgroups...)
		all.dirs = append(all.dirs, p.dirs...)
	}
	return all
}

func (c claim) hostProcesses(host string) processes {
	p := processes{
		cgroups: []string{"/" + c.netns(host)},
		dirs:    []string{filepath.Join(c.runDir(), host) + "/"},
	}
	// The namespace of this very process is never a host's, whatever is
	// found at that path: else everything on the machine would match.
	ns, ok := namespaceAt(filepath.Join(netnsDir, c.netns(host)))
	if own, ownOK := namespaceAt("/proc/self/ns/net"); ok && ownOK && ns != own {
		p.netns = append(p.netns, ns)
	}
	return p
}

func namespaceAt(path string) (namespace, bool) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return namespace{}, false
	}
	return namespace{dev: st.Dev, ino: st.Ino}, true
}

func (p processes) match(pid int) bool {
	dir := fmt.Sprintf("/proc/%d", pid)
	if ns, ok := namespaceAt(dir + "/ns/net"); ok && slices.Contains(p.netns, ns) {
		return true
	}
	return p.matchCgroup(dir) || p.matchProgram(dir)
}

func (p processes) matchCgroup(dir string) bool {
	data, err := os.ReadFile(dir + "/cgroup")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for _, cgroup := range p.cgroups {
			if len(fields) == 3 && (fields[2] == cgroup || strings.HasPrefix(fields[2], cgroup+"/")) {
				return true
			}
		}
	}
	return false
}

// matchProgram finds programs by where they are, and dockerd, containerd, the
// shims and HAProxy by the files that they were started with: whoever else reads
// those is left alone.
func (p processes) matchProgram(dir string) bool {
	data, err := os.ReadFile(dir + "/cmdline")
	if err != nil {
		return false
	}
	argv := strings.Split(string(data), "\x00")
	program := filepath.Base(argv[0])
	if program != "dockerd" && program != "haproxy" && !strings.HasPrefix(program, "containerd") {
		argv = argv[:1]
	}
	return slices.ContainsFunc(argv, func(arg string) bool {
		return slices.ContainsFunc(p.dirs, func(dir string) bool { return strings.HasPrefix(arg, dir) })
	})
}

// living lists the processes that match and aren't zombies.
func (p processes) living() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() || startTime(pid) == "" {
			continue
		}
		if p.match(pid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// standsStill says whether all threads of a process are stopped.
func standsStill(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		return false
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if err != nil {
			continue // it has ended
		}
		if _, after, _ := strings.Cut(string(stat), ") "); !strings.HasPrefix(after, "T") {
			return false
		}
	}
	return true
}

// killAll kills until none is left: what forked meanwhile is found by the next
// look.
func killAll(ctx context.Context, p processes) error {
	var left []int
	err := poll(ctx, 20*time.Millisecond, func() (bool, error) {
		for _, cgroup := range p.cgroups {
			thaw(cgroup)
		}
		var err error
		if left, err = p.living(); err != nil {
			return false, err
		}
		for _, pid := range left {
			p.kill(pid)
		}
		return len(left) == 0, nil
	})
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("kill processes %v: %w", left, err)
	}
	return err
}

// kill looks again after it holds the process, so that a number given to
// another process meanwhile is not hit.
func (p processes) kill(pid int) {
	process, err := os.FindProcess(pid)
	if err != nil {
		return
	}
	defer func() { _ = process.Release() }()
	if p.match(pid) {
		_ = process.Kill() // one that is gone meanwhile is what we want
	}
}
