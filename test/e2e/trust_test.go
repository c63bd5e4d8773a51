//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
	"github.com/musterhq/muster/test/cluster"
)

// closed is a fleet whose hub listens by TLS alone.
func closed(hubArgs ...string) (*cluster.Cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	c, err := cluster.Start(ctx, cluster.Options{
		Hosts: names, Balancers: []string{"web1"}, Dir: "/var/tmp", Logger: slog.New(slog.DiscardHandler),
		Of: shared, HubArgs: hubArgs, AgentArgs: []string{"--haproxy-retries", "0", "--reconnect-max", "4s"},
	})
	if err != nil {
		return nil, err
	}
	if err := loadApps(ctx, c, "app:1"); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// doors is such a fleet that tests share; nobody needs it before it is asked for.
var doors struct {
	sync.Mutex
	*cluster.Cluster
	users int
}

// behindDoors is a project on that fleet. The last test that has it takes it away.
func behindDoors(t *testing.T, name string) *project {
	t.Helper()
	doors.Lock()
	defer doors.Unlock()
	if doors.users == 0 {
		c, err := closed()
		if err != nil {
			t.Fatal(err)
		}
		doors.Cluster = c
	}
	doors.users++
	c := doors.Cluster
	t.Cleanup(func() {
		doors.Lock()
		defer doors.Unlock()
		if t.Failed() {
			c.Logs(os.Stderr, 10_000)
		}
		if doors.users--; doors.users == 0 {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return on(t, c, name)
}

// trusted is a project on such a fleet of its own.
func trusted(t *testing.T, name string, hubArgs ...string) *project {
	t.Helper()
	c, err := closed(hubArgs...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			c.Logs(os.Stderr, 10_000)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return on(t, c, name)
}

func on(t *testing.T, c *cluster.Cluster, name string) *project {
	p := &project{T: t, name: name, c: c, off: map[string]bool{}}
	t.Cleanup(func() {
		if t.Failed() {
			p.dump()
		}
	})
	t.Cleanup(p.removeAll)
	p.mark()
	return p
}

// authorities is what muster ca show says, by number.
func (p *project) authorities() (all []fleet.Authority) {
	p.Helper()
	var info struct{ Authorities []fleet.Authority }
	if err := json.Unmarshal([]byte(p.mustMuster("ca", "show", "-o", "json")), &info); err != nil {
		p.Fatal(err)
	}
	return info.Authorities
}

// credential copies what a host proves who it is with into files for others:
// certificate, key, and what it knows the hub by.
func (p *project) credential(host string) (cert, key, ca string) {
	p.Helper()
	dir := p.TempDir()
	raw, err := os.ReadFile(filepath.Join(p.c.StateDir(host), "identity.json"))
	p.must(err)
	var kept struct{ Credential fleet.Credential }
	p.must(json.Unmarshal(raw, &kept))
	private, err := os.ReadFile(filepath.Join(p.c.StateDir(host), "host.key"))
	p.must(err)
	cert, key, ca = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "ca.pem")
	for file, content := range map[string]string{cert: kept.Credential.Certificate, key: string(private), ca: kept.Credential.Roots} {
		p.must(os.WriteFile(file, []byte(content), 0o600))
	}
	return cert, key, ca
}

// caFile has what people trust, to know the hub.
func (p *project) caFile() string {
	p.Helper()
	file := filepath.Join(p.TempDir(), "ca.pem")
	p.must(os.WriteFile(file, []byte(p.mustMuster("ca", "show", "--pem")), 0o600))
	return file
}

// stock runs a stock MQTT client on a host, by TLS.
func (p *project) stock(from, program, ca string, args ...string) (string, error) {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	all := append([]string{"-h", p.c.Fleet.Host(cluster.HubHost).Address, "-p", "8883", "--cafile", ca}, args...)
	cmd := p.c.Fleet.Host(from).Command(ctx, program, all...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// asHost are the arguments of who says that it is a host, and shows these files.
func asHost(host, cert, key string) []string {
	return []string{"-V", "mqttv311", "-i", host, "-u", host, "-P", "machine-of-" + host, "--cert", cert, "--key", key}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestTrustWhoIsRefused tries with stock clients what must not be possible, while
// the fleet goes on.
func TestTrustWhoIsRefused(t *testing.T) {
	t.Parallel()
	p := behindDoors(t, "refuse")
	p.apply(web("app:1", 3, 9302))
	before := p.containers()
	ca := p.caFile()
	cert, key, _ := p.credential("web1")
	presence := wire.Host("web1", wire.LeafPresence)
	alive := p.sessions()

	// Joining.
	address := net.JoinHostPort(p.c.Fleet.Host(cluster.HubHost).Address, "8443")
	good := strings.Fields(p.mustMuster("token", "create", "--uses", "2"))[3]
	join := func(token string, more ...string) string {
		args := append(append([]string{"--state-dir", t.TempDir()}, more...), "join", address, token)
		out, err := p.c.Fleet.Host("web2").Command(p.ctx(), filepath.Join(p.c.Fleet.Dir, "muster-agent"), args...).CombinedOutput()
		if err == nil {
			return "joined: " + string(out)
		}
		return string(out)
	}
	other := fleet.JoinToken{Secret: [24]byte{1}, Pin: fleet.Pin{2}}.String()
	for _, c := range []struct{ name, token, host, says string }{
		{"malformed", "mjt_rubbish", "new1", "damaged or not whole"},
		{"of another hub", other, "new1", "not the hub that the join token is of"},
		{"for an id that is used", good, "web1", "there is a host web1 already"},
		{"good", good, "new1", "joined as new1"},
		{"good, the second time", good, "new2", "joined as new2"},
		{"used up", good, "new3", "used already"},
	} {
		if out := join(c.token, "--host-id", c.host); !strings.Contains(out, c.says) {
			t.Errorf("a token that is %s: %s", c.name, out)
		}
	}

	// The broker. Each is refused in its own way: by the handshake, by the answer to
	// CONNECT, by a closed connection, or in silence.
	for _, c := range []struct {
		name string
		from string
		args []string
	}{
		{"nobody", "web2", []string{"-t", presence, "-m", "x"}},
		{"a host without its key", "web2", []string{"-i", "web1", "-u", "web1", "-P", "machine-of-web1", "-t", presence, "-m", "x"}},
		{"a guessed password", "web2", []string{"-u", "root", "-P", "root", "-t", presence, "-m", "x"}},
		{"another's topic", "web1", append(asHost("web1", cert, key), "-t", wire.Host("web2", wire.LeafPresence), "-m", "x")},
		{"another's id", "web1", append(asHost("web2", cert, key), "-t", wire.Host("web2", wire.LeafPresence), "-m", "x")},
		{"a Will for another", "web1", append(asHost("web1", cert, key), "--will-topic", wire.Host("web2", wire.LeafPresence), "--will-payload", "x", "-t", presence, "-m", "x")},
		{"its own command", "web1", append(asHost("web1", cert, key), "-t", wire.Host("web1", "command"), "-m", "drain")},
		{"its own desired state", "web1", append(asHost("web1", cert, key), "-r", "-t", wire.Host("web1", wire.LeafDesired), "-n")},
	} {
		if out, err := p.stock(c.from, "mosquitto_pub", ca, append([]string{"-q", "1"}, c.args...)...); err == nil {
			t.Errorf("%s was let in: %s", c.name, out)
		}
	}
	for name, topic := range map[string]string{"all": "#", "all of Muster's": "muster/v1/#", "another's desired": wire.Host("web2", wire.LeafDesired)} {
		out, err := p.stock("web1", "mosquitto_sub", ca, append(asHost("web1", cert, key), "-C", "1", "-W", "3", "-t", topic)...)
		if err == nil && !strings.Contains(out, "requests were denied") || strings.Contains(out, "{") {
			t.Errorf("web1 reads %s: %s", name, out)
		}
	}
	p.openssl(ca)

	p.untouched(before)
	for host, n := range p.sessions() { // web1's was taken over with web1's own key
		if host != "web1" && n != alive[host] {
			t.Errorf("%s has connected %d times more", host, n-alive[host])
		}
	}
	p.never(fleet.EventHostLost, fleet.EventInstanceExited)
	p.mustMuster("scale", "refuse/web=4", "--wait")
}

// openssl looks at the hub's doors as a stranger does.
func (p *project) openssl(ca string) {
	p.Helper()
	hub := p.c.Fleet.Host(cluster.HubHost)
	look := func(args ...string) string {
		cmd := hub.Command(p.ctx(), "openssl", append([]string{"s_client", "-CAfile", ca, "-verify_return_error", "-brief"}, args...)...)
		cmd.Stdin = strings.NewReader("")
		out, _ := cmd.CombinedOutput() // what it says counts
		return string(out)
	}
	for _, port := range []string{"8883", "8443"} {
		address := net.JoinHostPort(hub.Address, port)
		if out := look("-connect", address, "-verify_ip", hub.Address); !strings.Contains(out, "Verification: OK") || !strings.Contains(out, "TLSv1.3") {
			p.Errorf("%s: %s", port, out)
		}
		if out := look("-connect", address, "-verify_hostname", "elsewhere.example"); strings.Contains(out, "Verification: OK") {
			p.Errorf("%s is taken for elsewhere: %s", port, out)
		}
		if out := look("-connect", address, "-tls1_1"); strings.Contains(out, "Verification: OK") {
			p.Errorf("%s speaks TLS 1.1: %s", port, out)
		}
	}
}

// sessions counts how often each agent connected, by its log, over all releases.
func (p *project) sessions() map[string]int {
	p.Helper()
	out := map[string]int{}
	for _, name := range names {
		raw, err := os.ReadFile(filepath.Join(p.c.Fleet.Dir, name+".log"))
		p.must(err)
		out[name] = strings.Count(string(raw), "hub connected")
	}
	return out
}
