//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

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

func TestFaultHAProxyKilled(t *testing.T) {
	f := beginFault(t, "nolb")
	f.apply(web("app:1", 3, 9115))
	before := f.containers()
	wanted := f.endpoints("web")
	f.mark()
	pids := f.haproxyProcesses()
	if len(pids) < 2 {
		t.Fatalf("HAProxy's processes are %v", pids)
	}
	killed := time.Now()
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	f.until(30*time.Second, "traffic is back", func() (bool, string) {
		_, err := ask(f.url(9115))
		return err == nil, fmt.Sprint(err)
	})
	t.Logf("traffic was back after %s", time.Since(killed).Round(time.Millisecond))
	f.soon(30*time.Second, fleet.EventBalancerProblem, "haproxy isn't running")
	f.soon(30*time.Second, fleet.EventBalancerRecovered, "web1/haproxy")
	f.inPool("web", 3)
	if now := f.endpoints("web"); now != wanted {
		t.Errorf("the endpoints are %s, were %s", now, wanted)
	}
	if got := f.answers(9115, 15); len(got) != 3 {
		t.Errorf("%d instances answered: %v", len(got), got)
	}
	f.untouched(before)
	f.never(fleet.EventInstancePlaced, fleet.EventInstanceDraining, fleet.EventInstanceUnready)
}

// endpoints are the instances of a service's pool with their addresses.
func (p *project) endpoints(service string) (out string) {
	p.Helper()
	pools, err := p.c.Client.Pools(p.ctx(), p.key(service))
	if err != nil || len(pools.Items) != 1 {
		p.Fatalf("pools: %v, %v", pools.Items, err)
	}
	for _, e := range pools.Items[0].Endpoints {
		out += fmt.Sprintf("%s %s:%d %s; ", e.Instance, e.Address, e.Ports[8080], e.State)
	}
	return out
}

// TestFaultHAProxyEdited changes HAProxy's configuration by hand.
func TestFaultHAProxyEdited(t *testing.T) {
	f := beginFault(t, "edited")
	f.apply(web("app:1", 2, 9116))
	before := f.containers()
	file := filepath.Join(f.haproxyDir(), "haproxy.cfg")
	f.mark()
	original, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	edited := append(bytes.Clone(original), "# by hand\n"...)
	f.must(os.WriteFile(file, edited, 0o600))
	t.Cleanup(func() {
		if t.Failed() {
			_ = os.Remove(file) // it is written anew
		}
	})

	f.soon(30*time.Second, fleet.EventBalancerProblem, file)
	f.says(f.mustMuster("lb"), "up", "so nothing is written or reloaded", "undo the change, or move the file away")
	f.answers(9116, 4)
	// What needs no reload goes on; what does, waits, and says for what.
	f.mustMuster("apply", "-f", f.file(web("app:1", 2, 9117)))
	f.until(30*time.Second, "the service says what it waits for", func() (bool, string) {
		out := f.mustMuster("service", "edited/web")
		return contains(out, "move the file away"), out
	})
	now, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(now, edited) {
		t.Errorf("the file that somebody edited was written: %v", err)
	}
	f.answers(9116, 4)

	f.must(os.Rename(file, filepath.Join(t.TempDir(), "moved.cfg")))
	f.soon(30*time.Second, fleet.EventBalancerRecovered, "web1/haproxy")
	f.converged("web", time.Minute)
	f.answers(9117, 4)
	f.inPool("web", 2)
	f.untouched(before)
}
