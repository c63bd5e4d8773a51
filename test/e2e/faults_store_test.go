//go:build e2e && soak

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/cluster"
)

// TestFaultHubLostWithItsDisk has a hub vanish with its store, and there is no
// backup: another goes on with the lineage, hosts join it, and it takes in what runs,
// under load.
func TestFaultHubLostWithItsDisk(t *testing.T) {
	p := begin(t, "lost")
	file := web("app:1", 3, 9140, "  worker: {image: app:1}")
	p.apply(file)
	p.mustMuster("scale", "lost/worker=2", "--wait") // which the file doesn't state
	before, ids := p.containers(), p.instanceIDs()
	lineage := p.lineage()
	stop := p.traffic(9140)

	p.kill(cluster.HubHost)
	p.must(os.RemoveAll(p.hubDir()))
	p.musterHub("recover", lineage)
	p.startOddly(cluster.HubHost, "--unknown-for", "15s")
	p.hubAnswers()
	for _, host := range names { // it has another authority, and knows none of their keys
		p.stop(host)
		p.must(p.c.Join(p.ctx(), host))
		p.start(host)
	}
	p.allUp()
	p.says(p.mustMuster("apply", "-f", p.file(file), "--dry-run"), "+ lost/web")
	p.apply(file)

	p.untouched(before)
	if now := p.instanceIDs(); now != ids {
		t.Errorf("the instances are %s, were %s", now, ids)
	}
	if v := p.service("worker"); v.Ready != 2 {
		t.Errorf("%d workers are ready", v.Ready)
	}
	p.inPool("web", 3)
	p.never(fleet.EventInstancePlaced, fleet.EventInstanceDraining)
	if sent, failed, last := stop(); failed > 0 || sent == 0 {
		t.Errorf("%d of %d requests failed, the last with %v", failed, sent, last)
	}
	// It is a hub like any other from here on.
	p.mustMuster("scale", "lost/web=4", "--wait")
	p.mustMuster("restart", "lost/web", "--wait")
}

// TestFaultOldBackupRestored puts back a backup from before a replacement.
// Nothing that runs is touched, until a person says which is right.
func TestFaultOldBackupRestored(t *testing.T) {
	p := begin(t, "older")
	p.apply(web("app:1", 2, 9141))
	backup := filepath.Join(t.TempDir(), "hub.db")
	p.musterHub("backup", backup)
	p.musterHub("restore", "--verify", backup)
	p.apply(web("app:2", 3, 9141))
	before, ids := p.containers(), p.instanceIDs()
	stop := p.traffic(9141)

	if out, err := p.hubProgram("restore", "--force", backup); err == nil || !strings.Contains(out, "another hub (process ") {
		t.Errorf("restored under a running hub: %v, %s", err, out)
	}
	p.kill(cluster.HubHost)
	p.musterHub("restore", "--force", backup)
	p.startHub()
	p.allUp()
	p.until(time.Minute, "the service is frozen with what runs", func() (bool, string) {
		v := p.service("web")
		return v.State == fleet.ServiceFrozen && v.Ready == 3, describe([]fleet.ServiceView{v})
	})
	p.untouched(before)
	p.inPool("web", 3)

	p.mustMuster("apply", "-f", p.file(web("app:2", 3, 9141)))
	p.mustMuster("unfreeze", "older/web")
	p.converged("web", time.Minute)
	p.untouched(before)
	if now := p.instanceIDs(); now != ids {
		t.Errorf("the instances are %s, were %s", now, ids)
	}
	if sent, failed, last := stop(); failed > 0 || sent == 0 {
		t.Errorf("%d of %d requests failed, the last with %v", failed, sent, last)
	}
}

func (p *project) hubDir() string { return filepath.Join(p.c.Fleet.Dir, "hub-state") }

// hubProgram runs one of the hub's commands beside it.
func (p *project) hubProgram(command string, args ...string) (string, error) {
	p.Helper()
	cmd := exec.CommandContext(p.ctx(), filepath.Join(p.c.Fleet.Dir, "muster-hub"), append([]string{"--state-dir", p.hubDir(), command}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

func (p *project) musterHub(command string, args ...string) {
	p.Helper()
	if out, err := p.hubProgram(command, args...); err != nil {
		p.Fatalf("muster-hub %s %s: %v\n%s", command, strings.Join(args, " "), err, out)
	}
}

// lineage is that of the hub, as an agent remembers it.
func (p *project) lineage() string {
	p.Helper()
	raw, err := os.ReadFile(filepath.Join(p.c.StateDir("web1"), "state.json"))
	p.must(err)
	var kept struct{ Cache struct{ Lineage string } }
	p.must(json.Unmarshal(raw, &kept))
	return kept.Cache.Lineage
}
