//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
	"github.com/musterhq/muster/test/cluster"
)

// account makes one with the password that is returned.
func (p *project) account(name, role string) (password string) {
	p.Helper()
	password = "a long password of " + name
	cmd := exec.CommandContext(p.ctx(), p.c.CLI, "--hub", p.c.URL, "user", "add", name, "--role", role, "--password-stdin")
	cmd.Stdin = strings.NewReader(password + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		p.Fatalf("add %s: %v: %s", name, err, out)
	}
	p.Cleanup(func() { p.mustMuster("user", "rm", name) })
	return password
}

// TestTrustCommands steers with stock MQTT clients: in words, with an answer, and
// by one who may not; the audit trail has all three.
func TestTrustCommands(t *testing.T) {
	t.Parallel()
	p := behindDoors(t, "words")
	p.apply(web("app:1", 3, 9304))
	ca := p.caFile()
	otto, vera := p.account("words-otto", "operator"), p.account("words-vera", "viewer")
	as := func(name, password string, args ...string) []string {
		return append([]string{"-u", name, "-P", password, "-q", "1"}, args...)
	}
	topic := wire.Host("web2", "command")
	result := func(id string) string { return wire.Host("web2", "result/"+id) }

	before := p.here("web2")
	if out, err := p.stock("web3", "mosquitto_pub", ca, as("words-otto", otto, "-t", topic, "-m", "restart words/web --id once")...); err != nil {
		t.Fatalf("mosquitto_pub: %v: %s", err, out)
	}
	p.until(time.Minute, "another container is on web2", func() (bool, string) {
		now := p.here("web2")
		for id := range now {
			if _, was := before[id]; !was && len(now) == len(before) {
				return true, ""
			}
		}
		return false, "the same"
	})
	p.converged("web", time.Minute)

	ask := func(name, password, id, order string) (r fleet.CommandResult) {
		t.Helper()
		out, err := p.stock("web3", "mosquitto_rr", ca, as(name, password, "-W", "15", "-t", topic, "-e", result(id), "-m", order)...)
		if err != nil {
			t.Fatalf("mosquitto_rr: %v: %s", err, out)
		}
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return r
	}
	if r := ask("words-otto", otto, "p1", `{"id":"p1","do":"ping"}`); !r.OK || r.By != "words-otto" || r.Message == "" {
		t.Errorf("ping: %+v", r)
	}
	if r := ask("words-vera", vera, "v1", `{"id":"v1","do":"restart","args":{"service":"words/web"}}`); r.OK || r.Code != fleet.CodeForbidden {
		t.Errorf("a viewer: %+v", r)
	}
	if r := ask("words-otto", otto, "once", "restart words/web --id once"); !r.OK {
		t.Errorf("a repeat: %+v", r)
	}
	if r := ask("words-otto", otto, "late", `{"id":"late","do":"restart","args":{"service":"words/web"},"notAfter":"2020-01-01T00:00:00Z"}`); r.OK {
		t.Errorf("an expired one: %+v", r)
	}
	if r := ask("words-otto", otto, "odd", "dance --id odd"); r.OK || !strings.Contains(r.Message+r.Hint, "restart") {
		t.Errorf("an unknown one: %+v", r)
	}
	after := p.here("web2")
	if out, err := p.stock("web3", "mosquitto_pub", ca, as("words-otto", otto, "-r", "-t", topic, "-m", "restart words/web --id kept")...); err != nil {
		t.Errorf("a retained one: %v: %s", err, out)
	}
	if out, _ := p.stock("web3", "mosquitto_sub", ca, as("words-vera", vera, "-W", "2", "-C", "1", "-t", topic)...); strings.Contains(out, "restart") {
		t.Errorf("an order is kept: %s", out)
	}
	p.until(20*time.Second, "the audit trail has them", func() (bool, string) {
		out := p.mustMuster("audit", "--limit", "100")
		for _, want := range [][]string{{"words-otto", "restart", "done"}, {"words-vera", "restart", "refused"}} {
			found := false
			for line := range strings.Lines(out) {
				all := true
				for _, word := range want {
					all = all && strings.Contains(line, word)
				}
				found = found || all
			}
			if !found {
				return false, out
			}
		}
		return true, ""
	})
	for id, c := range after {
		if now := p.here("web2")[id]; now.Started != c.Started {
			t.Errorf("%s was restarted by what was refused", c.Name)
		}
	}
	stranger := exec.CommandContext(p.ctx(), p.c.CLI, "--hub", "https://"+p.c.Fleet.Host(cluster.HubHost).Address+":8443", "services")
	stranger.Env = append(os.Environ(), "MUSTER_CA_FILE="+ca)
	out, err := stranger.CombinedOutput()
	if stranger.ProcessState.ExitCode() != 7 || !strings.Contains(string(out), "muster login") {
		t.Errorf("who isn't logged in: %v: %s", err, out)
	}
}
