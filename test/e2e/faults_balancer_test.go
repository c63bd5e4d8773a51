//go:build e2e && soak

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func TestFaultHAProxyKilled(t *testing.T) {
	p := begin(t, "nolb")
	p.apply(web("app:1", 3, 9115))
	before := p.containers()
	wanted := p.endpoints("web")
	p.mark()
	pids := p.haproxyProcesses()
	if len(pids) < 2 {
		t.Fatalf("HAProxy's processes are %v", pids)
	}
	killed := time.Now()
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	p.until(30*time.Second, "traffic is back", func() (bool, string) {
		_, err := ask(p.url(9115))
		return err == nil, fmt.Sprint(err)
	})
	t.Logf("traffic was back after %s", time.Since(killed).Round(time.Millisecond))
	p.soon(30*time.Second, fleet.EventBalancerProblem, "haproxy isn't running")
	p.soon(30*time.Second, fleet.EventBalancerRecovered, "web1/haproxy")
	p.inPool("web", 3)
	if now := p.endpoints("web"); now != wanted {
		t.Errorf("the endpoints are %s, were %s", now, wanted)
	}
	if got := p.answers(9115, 15); len(got) != 3 {
		t.Errorf("%d instances answered: %v", len(got), got)
	}
	p.untouched(before)
	p.never(fleet.EventInstancePlaced, fleet.EventInstanceDraining, fleet.EventInstanceUnready)
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
	p := begin(t, "edited")
	p.apply(web("app:1", 2, 9116))
	before := p.containers()
	file := filepath.Join(p.haproxyDir(), "haproxy.cfg")
	p.mark()
	original, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	edited := append(bytes.Clone(original), "# by hand\n"...)
	p.must(os.WriteFile(file, edited, 0o600))
	t.Cleanup(func() {
		if t.Failed() {
			_ = os.Remove(file) // it is written anew
		}
	})

	p.soon(30*time.Second, fleet.EventBalancerProblem, file)
	p.says(p.mustMuster("lb"), "up", "so nothing is written or reloaded", "undo the change, or move the file away")
	p.answers(9116, 4)
	// What needs no reload goes on; what does, waits, and says for what.
	p.mustMuster("apply", "-f", p.file(web("app:1", 2, 9117)))
	p.until(30*time.Second, "the service says what it waits for", func() (bool, string) {
		out := p.mustMuster("service", "edited/web")
		return strings.Contains(out, "move the file away"), out
	})
	now, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(now, edited) {
		t.Errorf("the file that somebody edited was written: %v", err)
	}
	p.answers(9116, 4)

	p.must(os.Rename(file, filepath.Join(t.TempDir(), "moved.cfg")))
	p.soon(30*time.Second, fleet.EventBalancerRecovered, "web1/haproxy")
	p.converged("web", time.Minute)
	p.answers(9117, 4)
	p.inPool("web", 2)
	p.untouched(before)
}
