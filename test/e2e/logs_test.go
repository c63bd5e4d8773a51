//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/test/cluster"
)

// follower is a muster logs --follow that runs, and what it has said.
type follower struct {
	*project
	cmd    *exec.Cmd
	ended  chan error
	mu     sync.Mutex                // guards the rest
	heard  map[string]map[string]int // by instance and start of the program: the last number
	wrong  []string
	others []string
}

func (p *project) followLogs(args ...string) *follower {
	p.Helper()
	f := &follower{project: p, ended: make(chan error, 1), heard: map[string]map[string]int{}}
	f.cmd = exec.CommandContext(context.Background(), p.c.CLI, append([]string{"--hub", p.c.URL, "logs", "--follow"}, args...)...)
	out, err := f.cmd.StdoutPipe()
	p.must(err)
	f.cmd.Stderr = os.Stderr
	p.must(f.cmd.Start())
	p.Cleanup(func() { _ = f.cmd.Process.Kill() })
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			f.take(lines.Text())
		}
		f.ended <- f.cmd.Wait()
	}()
	return f
}

// take notes a line; each number is to come after the one before, once.
func (f *follower) take(line string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var began string
	var n int
	id, text, _ := strings.Cut(line, " | ")
	if _, err := fmt.Sscanf(text, "said %s %d", &began, &n); err != nil {
		f.others = append(f.others, line)
		return
	}
	if f.heard[id] == nil {
		f.heard[id] = map[string]int{}
	}
	if last, known := f.heard[id][began]; known && n != last+1 || !known && n != 1 {
		f.wrong = append(f.wrong, fmt.Sprintf("%s said %d after %d", id, n, last))
	}
	f.heard[id][began] = n
}

// hears waits until so many instances have said something new.
func (f *follower) hears(instances int) {
	f.Helper()
	before := f.sums()
	f.until(30*time.Second, fmt.Sprintf("%d instances are heard", instances), func() (bool, string) {
		n := 0
		now := f.sums()
		for id, sum := range now {
			if sum > before[id]+2 {
				n++
			}
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		return n == instances, fmt.Sprint(now, f.others)
	})
}

func (f *follower) sums() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]int{}
	for id, runs := range f.heard {
		for _, n := range runs {
			out[id] += n
		}
	}
	return out
}

const talking = `
services:
  web:
    image: app:1
    environment: {SAY: 50ms}
    stop_grace_period: 2s
    deploy: {replicas: 2, placement: {constraints: [node.labels.tier == back]}, x-rollout: {monitor: 1s}}
    x-probe: {http: /healthz, port: 8080, interval: 1s}
`

// TestFollowLogs: every line of every instance is heard once and in order, over a
// container that is killed, an agent and a hub that are, instances that come and go; and
// when the reader leaves, nobody reads on.
func TestFollowLogs(t *testing.T) {
	p := begin(t, "follow")
	p.apply(talking)
	f := p.followLogs("-n", "10000", "follow/web")
	f.hears(2)
	p.restartsOne(p.containers())
	f.hears(2)
	p.mustMuster("scale", "follow/web=3", "--wait")
	f.hears(3)

	p.kill("web2")
	time.Sleep(2 * time.Second)
	p.start("web2")
	f.hears(3)
	p.kill(cluster.HubHost)
	time.Sleep(time.Second)
	p.startHub()
	f.hears(3)

	p.mustMuster("restart", "follow/web", "--wait")
	f.hears(3)
	p.mustMuster("scale", "follow/web=1", "--wait")
	f.hears(1)
	p.must(f.cmd.Process.Signal(syscall.SIGINT))
	if err := <-f.ended; f.cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("interrupted, it ends with %v", err)
	}
	p.until(10*time.Second, "nobody is followed", func() (bool, string) {
		n := p.metric("muster_http_followed_instances")
		return n == 0, fmt.Sprint(n)
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.heard) < 6 || len(f.wrong) > 0 {
		t.Errorf("%d instances were heard; wrong: %v", len(f.heard), f.wrong)
	}
	t.Logf("%d instances were heard; besides: %q", len(f.heard), f.others)
}

// TestFollowSlowly: who reads nothing for a while takes nobody's memory, and reads on
// where it was.
func TestFollowSlowly(t *testing.T) {
	p := begin(t, "slowly")
	p.apply(strings.ReplaceAll(talking, "50ms", "20us"))
	before := p.metric("process_resident_memory_bytes")
	cmd := exec.CommandContext(context.Background(), p.c.CLI, "--hub", p.c.URL, "logs", "--follow", "-n", "1", "slowly/web")
	out, err := cmd.StdoutPipe()
	p.must(err)
	p.must(cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	time.Sleep(15 * time.Second) // longer than a hub waits for somebody who takes nothing
	if grown := p.metric("process_resident_memory_bytes") - before; grown > 64<<20 {
		t.Errorf("the hub grew by %.0f MiB", grown/(1<<20))
	}
	f := &follower{project: p, heard: map[string]map[string]int{}}
	lines := bufio.NewScanner(out)
	late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	n := 0
	for ; n < 30_000 && lines.Scan(); n++ {
		text := lines.Text()
		id, said, _ := strings.Cut(text, " | ")
		var began string
		var first int
		if _, err := fmt.Sscanf(said, "said %s %d", &began, &first); err == nil && f.heard[id] == nil {
			f.heard[id] = map[string]int{began: first - 1} // it has said much before
		}
		f.take(text)
	}
	if n < 30_000 || len(f.wrong) > 0 || len(f.heard) != 2 {
		t.Errorf("after %d lines of %d instances: %v; wrong: %v", n, len(f.heard), lines.Err(), f.wrong)
	}
}
