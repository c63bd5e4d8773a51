//go:build e2e && soak

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
	"github.com/musterhq/muster/test/cluster"
)

// publish sends a message to the hub's broker from a host, as whom the
// arguments say. The error means that the broker didn't take it.
func (p *project) publish(topic string, args ...string) (string, error) {
	p.Helper()
	return p.on("web3", "mosquitto_pub", append([]string{"-h", p.c.Fleet.Host(cluster.HubHost).Address, "-q", "1", "-t", topic}, args...)...)
}

func (p *project) hostIDs() string {
	p.Helper()
	list, err := p.c.Client.Hosts(p.ctx())
	if err != nil {
		p.Fatal(err)
	}
	var ids []string
	for _, h := range list.Items {
		ids = append(ids, h.ID)
	}
	return strings.Join(ids, " ")
}

func TestFaultMalformedMessages(t *testing.T) {
	t.Parallel()
	p := begin(t, "malformed")
	p.apply(web("app:1", 3, 9105))
	before := p.containers()
	p.mark()
	another, err := wire.Seal("", 0, 1, fleet.Actual{Host: "web1"})
	if err != nil {
		t.Fatal(err)
	}
	wrongSum := strings.Replace(string(another), `"sum":"`, `"sum":"0`, 1)
	noEvents, err := wire.Seal("", 0, 1, fleet.EventBatch{})
	if err != nil {
		t.Fatal(err)
	}
	agent := []string{"-i", "web9", "-u", "agent:m9"}
	for _, c := range []struct{ leaf, payload, says string }{
		{wire.LeafActual, "this isn't JSON", "not an envelope"},
		{wire.LeafActual, "{}", "no version"},
		{wire.LeafActual, wrongSum, "sum"},
		{wire.LeafActual, string(another), `is "web1"`},
		{wire.LeafPresence, `{"v":1,"sum":"` + wire.Sum([]byte(`[1]`)) + `","body":[1]}`, "payload.body"},
		{wire.LeafEvents, string(noEvents), "first"},
	} {
		// The hub records one refusal a second; what comes faster is counted.
		p.until(30*time.Second, "the message is refused: "+c.says, func() (bool, string) {
			if out, err := p.publish(wire.Host("web9", c.leaf), append(agent, "-m", c.payload)...); err != nil {
				return false, out
			}
			for _, e := range p.happened(fleet.EventMessageRefused) {
				if e.Data.Host == "web9" && strings.Contains(e.Data.Message, c.leaf+" of web9") && strings.Contains(e.Data.Message, c.says) {
					return true, ""
				}
			}
			return false, "no such event"
		})
	}

	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, make([]byte, wire.MaxMessage+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := p.publish(wire.Host("web9", wire.LeafActual), append(agent, "-f", big)...); err == nil {
		t.Errorf("the broker took a message of more than %d bytes: %s", wire.MaxMessage, out)
	}
	if got := p.hostIDs(); got != strings.Join(names, " ") {
		t.Errorf("the hosts are %s", got)
	}
	p.untouched(before)
	p.never(fleet.EventHostLost, fleet.EventInstancePlaced, fleet.EventInstanceDraining)
	p.converged("web", 10*time.Second)
}

func TestFaultUnknownClients(t *testing.T) {
	t.Parallel()
	p := begin(t, "unknown")
	const secret = "xyzzy-4711"
	p.apply(web("app:1", 3, 9106, "    environment: {PASSWORD: "+secret+"}"))
	before := p.containers()
	p.mark()
	actual := wire.Host("web1", wire.LeafActual)
	for _, c := range []struct {
		topic string
		who   []string
	}{
		{actual, nil},
		{wire.Host("web1", wire.LeafDesired), nil},
		{wire.Host("web1", wire.LeafPresence), []string{"-i", "stranger"}},
		{wire.HubState, []string{"-u", "admin"}},
		{actual, []string{"-i", "web1"}},                                                    // an agent's id, without being one
		{actual, []string{"-i", "web8", "-u", "agent:m8"}},                                  // another host's
		{wire.Host("web8", wire.LeafDesired), []string{"-i", "web8", "-u", "agent:m8"}},     // its own, but the hub's to write
		{wire.Host("web1", "command"), []string{"-i", "web8", "-u", "agent:m8", "-r"}},      // what nobody may keep there
		{actual, []string{"-i", "web1", "-u", "agent:another-machine", "-V", "mqttv311"}},   // an agent's id from elsewhere
		{wire.Root + "/services/unknown/web/command", []string{"-i", "web1", "-m", "stop"}}, // an order
	} {
		args := append([]string{"-m", "refuse me"}, c.who...)
		if out, err := p.publish(c.topic, args...); err == nil {
			t.Errorf("%v may publish to %s: %s", c.who, c.topic, out)
		}
	}

	for _, leaf := range []string{wire.LeafActual, wire.LeafPresence} {
		out, err := p.read("-t", wire.Host("web1", leaf), "-C", "1", "-W", "10")
		if err != nil || !strings.Contains(out, `"sum"`) {
			t.Errorf("a reader can't read %s: %v: %s", leaf, err, out)
		}
		if strings.Contains(out, "refuse me") {
			t.Errorf("%s is what was refused: %s", leaf, out)
		}
	}
	if out, _ := p.read("-t", wire.Host("web1", wire.LeafDesired), "-C", "1", "-W", "2"); !strings.Contains(out, "denied") {
		t.Errorf("a reader can read desired: %s", out)
	}
	all, _ := p.read("-t", wire.Root+"/#", "-W", "3") // it ends by the time
	if !strings.Contains(all, wire.Host("web1", wire.LeafPresence)) {
		t.Errorf("a reader sees nothing of the fleet: %s", all)
	}
	for line := range strings.Lines(all) {
		if topic, _, _ := strings.Cut(line, " "); strings.HasSuffix(topic, "/"+wire.LeafDesired) {
			t.Errorf("a reader of everything can read %s", topic)
		}
	}
	if strings.Contains(all, secret) {
		t.Error("a reader can read an environment's values")
	}
	p.untouched(before)
	p.never(fleet.EventHostLost, fleet.EventInstancePlaced, fleet.EventInstanceDraining)
	p.converged("web", 10*time.Second)
}

// TestFaultSecondAgent starts an agent with web2's key on another machine.
func TestFaultSecondAgent(t *testing.T) {
	t.Parallel()
	p := begin(t, "twin")
	p.apply(web("app:1", 3, 9107))
	before, since := p.containers(), p.host("web2").Status.Since
	p.mark()
	session := p.sessionOf("web2", 1)

	hub := p.c.Fleet.Host(cluster.HubHost)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := hub.Command(ctx, filepath.Join(filepath.Dir(p.c.CLI), "muster-agent"),
		"--machine-id", "another-machine", "--advertise", hub.Address,
		"--engine", "unix:///nonexistent/docker.sock", "--state-dir", p.cloned("web2"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	event := p.soon(30*time.Second, fleet.EventHostRefused, "web2 is another machine")
	p.says(event.Data.Message, "--host-id", "muster host fail web2")

	// Two more heartbeats of the same session: it goes on.
	if now := p.sessionOf("web2", 3); now != session {
		t.Errorf("web2 has another session: %s, had %s", now, session)
	}
	if h := p.host("web2"); h.Status.State != fleet.HostUp || !h.Status.Since.Equal(since) || h.Facts.MachineID != "machine-of-web2" {
		t.Errorf("web2 is %s since %s, machine %s", h.Status.State, h.Status.Since, h.Facts.MachineID)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the other agent: %v", err)
	}
	p.untouched(before)
	p.never(fleet.EventHostLost, fleet.EventHostStopped, fleet.EventInstancePlaced, fleet.EventInstanceDraining)
	p.mustMuster("scale", "twin/web=4", "--wait")
}

// cloned is a state directory with nothing but what proves that it is a host.
func (p *project) cloned(host string) (dir string) {
	p.Helper()
	dir = p.TempDir()
	for _, name := range []string{"identity.json", "host.key"} {
		content, err := os.ReadFile(filepath.Join(p.c.StateDir(host), name))
		p.must(err)
		p.must(os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	return dir
}

// sessionOf reads a number of a host's signs of life, the first of which may be
// an old one, and returns the session that all of them name.
func (p *project) sessionOf(host string, n int) (session string) {
	p.Helper()
	out, err := p.read("-t", wire.Host(host, wire.LeafPresence), "-C", strconv.Itoa(n), "-W", "20")
	if err != nil {
		p.Fatalf("read %d signs of life of %s: %v: %s", n, host, err, out)
	}
	for line := range strings.Lines(out) {
		_, payload, _ := strings.Cut(line, " ")
		var presence fleet.Presence
		if _, err := wire.Open([]byte(strings.TrimSpace(payload)), &presence); err != nil {
			p.Fatalf("%s: %v", payload, err)
		}
		if session != "" && presence.Session != session {
			p.Errorf("%s has the sessions %s and %s", host, session, presence.Session)
		}
		session = presence.Session
	}
	return session
}
