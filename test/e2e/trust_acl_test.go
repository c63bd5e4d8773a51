//go:build e2e && soak

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/test/logbuf"
)

// TestTrustExportedACL has a real mosquitto decide by the list that is exported,
// for hosts that show their certificates and people with passwords.
func TestTrustExportedACL(t *testing.T) {
	t.Parallel()
	p := behindDoors(t, "acl")
	for name, role := range map[string]string{"vera": "viewer", "otto": "operator", "ada": "admin"} {
		add := exec.CommandContext(p.ctx(), p.c.CLI, "--hub", p.c.URL, "user", "add", name, "--role", role, "--password-stdin")
		add.Stdin = strings.NewReader("a long password of " + name + "\n")
		if out, err := add.CombinedOutput(); err != nil {
			t.Fatalf("add %s: %v: %s", name, err, out)
		}
	}
	m := p.mosquitto()

	// Some messages that are kept, as the hub would publish them.
	for _, topic := range []string{"hosts/web1/desired", "hosts/web1/ask", "hosts/web1/ack", "hosts/web1/actual", "hosts/web1/pools/shop/web", "hosts/web2/desired", "hub/state"} {
		if out, err := m.as("muster.hub", "mosquitto_pub", "-q", "1", "-r", "-t", "muster/v1/"+topic, "-m", "kept"); err != nil {
			t.Fatalf("%s: %v: %s", topic, err, out)
		}
	}
	for _, row := range []struct{ topic, readers, writers string }{ // h is web1
		{"hosts/web1/desired", "h a", ""},
		{"hosts/web2/desired", "a", ""},
		{"hosts/web1/ask", "h", ""},
		{"hosts/web1/ack", "h v o a", ""},
		{"hosts/web1/pools/shop/web", "h v o a", ""},
		{"hosts/web1/actual", "v o a", "h"},
		{"hub/state", "v o a", ""},
		{"hosts/web2/actual", "", ""},
		{"hosts/web1/presence", "", "h"},
		{"hosts/web1/result/4711", "", "h"},
		{"hosts/web1/command", "", "o a"},
		{"services/shop/web/command", "", "o a"},
	} {
		for short, who := range map[string]string{"h": "web1", "v": "vera", "o": "otto", "a": "ada"} {
			if row.readers != "" { // something is kept there
				out, _ := m.as(who, "mosquitto_sub", "-W", "1", "-C", "1", "-t", "muster/v1/"+row.topic)
				if may := strings.Contains(row.readers, short); strings.Contains(out, "kept") != may {
					t.Errorf("%s reads %s: %q, may: %v", who, row.topic, out, may)
				}
			}
			payload := fmt.Sprintf("%s-%s-%d", who, row.topic, time.Now().UnixNano())
			_, _ = m.as(who, "mosquitto_pub", "-q", "1", "-t", "muster/v1/"+row.topic, "-m", payload)
			if may := strings.Contains(row.writers, short); m.reached(payload) != may {
				t.Errorf("%s writes %s: %v, may: %v", who, row.topic, !may, may)
			}
		}
	}
	if out, err := p.stock("web1", "mosquitto_sub", p.caFile(), "-V", "mqttv311", "-t", "x", "-C", "1", "-W", "1"); err == nil {
		t.Errorf("nobody is let in: %s", out)
	}
}

// mosquitto is another broker, on web2.
type mosquitto struct {
	p       *project
	address string
	dir     string
	heard   *logbuf.Buffer // all that the hub hears there
	ends    int
}

// mosquitto starts one with the list of the hub's. Hosts come by TLS, and people
// and the hub with passwords.
func (p *project) mosquitto() *mosquitto {
	p.Helper()
	host := p.c.Fleet.Host("web2")
	m := &mosquitto{p: p, address: host.Address, dir: p.TempDir()}
	p.must(os.Chmod(m.dir, 0o755))
	file := func(name string) string { return filepath.Join(m.dir, name) }
	p.run(exec.CommandContext(p.ctx(), "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=broker", "-days", "1",
		"-addext", "subjectAltName=IP:"+m.address, "-keyout", file("broker.key"), "-out", file("broker.pem")))
	p.must(os.Rename(p.caFile(), file("ca.pem")))
	p.must(os.WriteFile(file("acl"), []byte(p.mustMuster("acl", "export", "--format", "mosquitto")), 0o600))
	p.must(os.WriteFile(file("passwords"), nil, 0o600))
	for _, name := range []string{"muster.hub", "vera", "otto", "ada"} {
		p.run(exec.CommandContext(p.ctx(), "mosquitto_passwd", "-b", file("passwords"), name, "password"))
	}
	p.must(os.WriteFile(file("mosquitto.conf"), fmt.Appendf(nil, `user root
per_listener_settings true
listener 8884 %[1]s
cafile %[2]s/ca.pem
certfile %[2]s/broker.pem
keyfile %[2]s/broker.key
require_certificate true
use_identity_as_username true
acl_file %[2]s/acl
listener 1884 %[1]s
password_file %[2]s/passwords
acl_file %[2]s/acl
`, m.address, m.dir), 0o600))
	p.background(host.Command(p.Context(), "/usr/sbin/mosquitto", "-c", file("mosquitto.conf")), "running")
	m.heard = p.background(host.Command(p.Context(), "mosquitto_sub", "-V", "mqttv5", "-h", m.address, "-p", "1884", "-u", "muster.hub", "-P", "password", "-q", "1", "-t", "muster/v1/#"), "")
	p.until(10*time.Second, "the hub listens there", func() (bool, string) {
		out, _ := m.as("muster.hub", "mosquitto_pub", "-t", "muster/v1/hub/begun", "-m", "begun")
		return strings.Contains(m.heard.String(), "begun"), out
	})
	return m
}

// as runs a stock client as somebody.
func (m *mosquitto) as(who, program string, args ...string) (string, error) {
	all := []string{"-V", "mqttv5", "-h", m.address, "-p", "1884", "-u", who, "-P", "password"}
	if who == "web1" {
		cert, key, _ := m.p.credential("web1")
		all = []string{"-V", "mqttv5", "-h", m.address, "-p", "8884", "--cafile", filepath.Join(m.dir, "broker.pem"), "--cert", cert, "--key", key, "-i", "web1"}
	}
	return m.p.on("web1", program, append(all, args...)...)
}

// reached says whether a payload got to the hub, which hears everything: what was
// published before the end that it publishes itself comes before that.
func (m *mosquitto) reached(payload string) (yes bool) {
	m.ends++
	end := fmt.Sprintf("end-%d", m.ends)
	if out, err := m.as("muster.hub", "mosquitto_pub", "-q", "1", "-t", "muster/v1/hub/end", "-m", end); err != nil {
		m.p.Fatalf("mosquitto_pub: %v: %s", err, out)
	}
	m.p.until(10*time.Second, "the hub hears itself", func() (bool, string) {
		said := m.heard.String()
		yes = strings.Contains(said, payload)
		return strings.Contains(said, end), said
	})
	return yes
}
