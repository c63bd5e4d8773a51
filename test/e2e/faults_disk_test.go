//go:build e2e && soak

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

// TestFaultHubDiskFull: what was acknowledged is kept, what can't be isn't
// acknowledged, and it is said why.
func TestFaultHubDiskFull(t *testing.T) {
	p := begin(t, "hubdisk")
	p.apply(web("app:1", 3, 9120))
	p.stop("hub")
	disk := p.smallDisk("hub", 40<<20)
	p.startHub()
	p.allUp()
	p.mark()
	before, free := p.containers(), p.fill(disk)

	acknowledged, refused := 0, error(nil)
	p.until(time.Minute, "the hub takes no more", func() (bool, string) {
		if acknowledged%2 == 0 {
			_, refused = p.c.Client.Freeze(p.ctx(), p.key("web"), client.Write{})
		} else {
			_, refused = p.c.Client.Unfreeze(p.ctx(), p.key("web"), client.Write{})
		}
		if refused == nil {
			acknowledged++
		}
		return refused != nil, fmt.Sprintf("%d orders were acknowledged", acknowledged)
	})
	frozen := acknowledged%2 == 1
	if fleet.CodeOf(refused) != fleet.CodeUnavailable {
		t.Errorf("refused with %v", refused)
	}
	p.says(refused.Error(), "disk is full", "nothing was changed", "free space in "+disk)
	p.says(p.exits(4, "scale", "hubdisk/web=5"), "disk is full", "free space in "+disk)
	code, text := p.ready()
	if code != http.StatusServiceUnavailable {
		t.Errorf("readyz answers %d", code)
	}
	p.says(text, "disk is full", "free space in "+disk)
	p.answers(9120, 5)

	free()
	p.until(20*time.Second, "the hub is ready by itself", func() (bool, string) {
		code, text := p.ready()
		return code == http.StatusOK, text
	})
	p.kill("hub")
	p.startHub()
	p.allUp()
	if v := p.service("web"); v.Desired != 3 || (v.State == fleet.ServiceFrozen) != frozen {
		t.Errorf("after %d orders that were acknowledged and one that wasn't: %s", acknowledged, describe([]fleet.ServiceView{v}))
	}
	p.untouched(before)
	p.mustMuster("unfreeze", "hubdisk/web")
	p.mustMuster("scale", "hubdisk/web=4", "--wait")
	p.intact(before)
	p.never(fleet.EventHostLost)
}

// ready asks the hub whether it does its work.
func (p *project) ready() (code int, text string) {
	p.Helper()
	res, err := direct.Get(p.c.URL + "/readyz")
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	p.must(err)
	return res.StatusCode, string(body)
}

// on3 is a service that runs on web3 only.
func on3(replicas int) string {
	return fmt.Sprintf(`
services:
  web:
    image: app:1
    deploy: {replicas: %d, placement: {constraints: [node.hostname == web3]}}
`, replicas)
}

// TestFaultAgentDiskFull: an agent that can keep nothing accepts nothing, looks
// after what it has, and goes on by itself.
func TestFaultAgentDiskFull(t *testing.T) {
	p := begin(t, "agentdisk")
	p.apply(on3(2))
	p.stop("web3")
	disk := p.smallDisk("web3", 4<<20)
	p.start("web3")
	p.allUp()
	p.converged("web", time.Minute)
	p.mark()
	before, free := p.containers(), p.fill(disk)

	p.mustMuster("apply", "-f", p.file(on3(3)))
	p.until(30*time.Second, "the service says what it waits for", func() (bool, string) {
		out := p.mustMuster("service", "agentdisk/web")
		flat := strings.Join(strings.Fields(out), " ")
		return strings.Contains(flat, "web3 hasn't taken its desired state yet") && strings.Contains(flat, "no space left on device"), out
	})
	p.untouched(before)
	p.restartsOne(before)

	free()
	p.converged("web", time.Minute)
	if n := len(p.containers()); n != 3 {
		t.Errorf("%d containers", n)
	}
	p.intact(before)
	p.never(fleet.EventHostLost, fleet.EventInstanceDraining)
}

// TestFaultAgentCacheDamaged: what the agent kept is asked for again, and
// nothing is done to what runs.
func TestFaultAgentCacheDamaged(t *testing.T) {
	p := begin(t, "cache")
	p.apply(web("app:1", 3, 9121))
	before := p.containers()
	p.mark()
	stop := p.traffic(9121)
	session := p.sessionOf("web2", 1)
	p.kill("web2")
	path := filepath.Join(p.c.StateDir("web2"), "state.json")
	kept, err := os.ReadFile(path)
	p.must(err)
	p.must(os.WriteFile(path, kept[:len(kept)/2], 0o600))
	p.start("web2")
	p.until(time.Minute, "the agent is back", func() (bool, string) {
		return p.sessionOf("web2", 1) != session && p.host("web2").Status.State == fleet.HostUp, p.host("web2").Status.State
	})
	p.converged("web", time.Minute)
	if sent, failed, last := stop(); failed != 0 || sent == 0 {
		t.Errorf("%d of %d requests failed: %v", failed, sent, last)
	}
	aside, err := filepath.Glob(path + ".damaged-*")
	if err != nil || len(aside) != 1 {
		t.Errorf("set aside: %v, %v", aside, err)
	}
	p.untouched(before)
	p.never(fleet.EventInstancePlaced, fleet.EventInstanceDraining, fleet.EventInstanceUnready, fleet.EventInstanceStarted)
	p.mustMuster("scale", "cache/web=5", "--wait")
	p.intact(before)
}
