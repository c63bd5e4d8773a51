//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
	"github.com/musterhq/muster/test/cluster"
	"github.com/musterhq/muster/test/logbuf"
)

// joinFrom has a machine try to join a hub, as a host that is none yet.
func (p *project) joinFrom(host, hub, token string) string {
	p.Helper()
	cmd := p.c.Fleet.Host(host).Command(p.ctx(), filepath.Join(p.c.Fleet.Dir, "muster-agent"), "--state-dir", p.TempDir(), "--host-id", "stranger", "join", hub, token)
	out, err := cmd.CombinedOutput()
	if err == nil {
		p.Errorf("it has joined: %s", out)
	}
	return string(out)
}

// token makes one, and says what the line to paste has of it.
func (p *project) token(cli ...string) string {
	p.Helper()
	return strings.Fields(p.mustMuster(append([]string{"token", "create"}, cli...)...))[3]
}

// TestTrustStrangers: who isn't the hub, whose time is wrong, and who comes over the
// web gets nothing.
func TestTrustStrangers(t *testing.T) {
	t.Parallel()
	p := behindDoors(t, "strangers")
	hub := p.c.Fleet.Host(cluster.HubHost).Address
	shortly, made := p.token("--ttl", "1m"), time.Now()
	p.manInTheMiddle(p.token())
	p.hubOfTomorrow()
	p.overTheWeb("https://" + net.JoinHostPort(hub, "8443"))
	time.Sleep(time.Until(made.Add(time.Minute + time.Second)))
	if out := p.joinFrom("web2", net.JoinHostPort(hub, "8443"), shortly); !strings.Contains(out, "expired") {
		t.Errorf("an expired token: %s", out)
	}
}

// manInTheMiddle answers in the hub's place, with a certificate of its own, and is
// told nothing.
func (p *project) manInTheMiddle(token string) {
	p.Helper()
	cert, key := filepath.Join(p.TempDir(), "cert.pem"), filepath.Join(p.TempDir(), "key.pem")
	between := p.c.Fleet.Host("web3")
	p.run(exec.CommandContext(p.ctx(), "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
		"-subj", "/CN=muster-hub", "-addext", "subjectAltName=IP:"+between.Address, "-keyout", key, "-out", cert))
	said := p.background(between.Command(p.Context(), "openssl", "s_server", "-accept", "9443", "-cert", cert, "-key", key), "ACCEPT")
	out := p.joinFrom("web2", net.JoinHostPort(between.Address, "9443"), token)
	if !strings.Contains(out, "not the hub that the join token is of") {
		p.Errorf("in the middle: %s", out)
	}
	for _, word := range []string{"POST", "stranger", token, token[len(token)/2:]} {
		if strings.Contains(said.String(), word) {
			p.Errorf("the man in the middle was told %q: %s", word, said)
		}
	}
	p.until(20*time.Second, "somebody has called the man in the middle", func() (bool, string) {
		return strings.Contains(said.String(), "CIPHER") || strings.Contains(said.String(), "alert"), said.String()
	})
}

// hubOfTomorrow has a certificate that isn't valid yet where the clock is right: for
// who asks it, either clock may be wrong.
func (p *project) hubOfTomorrow() {
	p.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "tomorrow")
	p.must(err)
	p.Cleanup(func() { _ = os.RemoveAll(dir) })
	host := p.c.Fleet.Host("web3")
	at := func(name string) string { return filepath.Join(dir, name) }
	p.must(os.WriteFile(at("index.txt"), nil, 0o600))
	p.must(os.WriteFile(at("ca.cnf"), []byte(fmt.Sprintf(`[ca]
default_ca = tomorrow
[tomorrow]
database = %[1]s/index.txt
new_certs_dir = %[1]s
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = hub
[any]
commonName = supplied
[hub]
subjectAltName = IP:%[2]s
`, dir, host.Address)), 0o600))
	p.run(exec.CommandContext(p.ctx(), "openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=tomorrow", "-keyout", at("key.pem"), "-out", at("request.pem")))
	day := func(days int) string { return time.Now().AddDate(0, 0, days).UTC().Format("20060102150405Z") }
	p.run(exec.CommandContext(p.ctx(), "openssl", "ca", "-batch", "-notext", "-selfsign", "-config", at("ca.cnf"), "-keyfile", at("key.pem"), "-startdate", day(1), "-enddate", day(30), "-in", at("request.pem"), "-out", at("cert.pem")))
	socket, join := at("hub.sock"), net.JoinHostPort(host.Address, "18443")
	p.background(host.Command(p.Context(), filepath.Join(p.c.Fleet.Dir, "muster-hub"), "--state-dir", at("state"), "--socket", socket, "--mqtts", net.JoinHostPort(host.Address, "18883"), "--https", join,
		"--tls-cert", at("cert.pem"), "--tls-key", at("key.pem")), "hub started")
	line := p.run(exec.CommandContext(p.ctx(), p.c.CLI, "--hub", "unix://"+socket, "token", "create"))
	if out := p.joinFrom("web2", join, strings.Fields(line)[3]); !strings.Contains(out, "clock right") {
		p.Errorf("a hub of tomorrow: %s", out)
	}
}

// overTheWeb gives orders as another site's page would, and sends too much.
func (p *project) overTheWeb(url string) {
	p.Helper()
	ca, large := p.caFile(), filepath.Join(p.TempDir(), "large")
	p.must(os.WriteFile(large, []byte(`{"name":"`+strings.Repeat("x", 64<<20)+`"}`), 0o600))
	for _, c := range []struct {
		what, code string
		args       []string
	}{
		{"nobody", "401", []string{"-X", "POST", url + "/v1/hosts/web1/drain"}},
		{"another site's page", "403", []string{"-X", "POST", "-H", "Origin: https://evil.example", "-H", "Sec-Fetch-Site: cross-site", url + "/v1/hosts/web1/drain"}},
		{"64 MiB to log in with", "413", []string{"-H", "Content-Type: application/json", "--data-binary", "@" + large, url + "/v1/login"}},
	} {
		args := append([]string{"-s", "--expect100-timeout", "20", "-o", filepath.Join(p.TempDir(), "answer"), "-w", "%{http_code}", "--cacert", ca}, c.args...)
		out, err := p.c.Fleet.Host("web2").Command(p.ctx(), "curl", args...).Output()
		if string(out) != c.code {
			p.Errorf("%s: %s, %v; want %s", c.what, out, err, c.code)
		}
	}
	if h := p.host("web1"); h.Availability != "active" {
		p.Errorf("web1 is %s", h.Availability)
	}
}

// commandToWhoIsOff is answered all the same: what is asked of the host can't be, and
// what changes what it is to be is.
func (p *project) commandToWhoIsOff(host string) {
	p.Helper()
	ca, password := p.caFile(), p.account("patient", "operator")
	for order, ok := range map[string]bool{"ping": false, "activate": true} {
		out, err := p.stock("web2", "mosquitto_rr", ca, "-u", "patient", "-P", password, "-q", "1", "-W", "15",
			"-t", wire.Host(host, "command"), "-e", wire.Host(host, "result/"+order), "-m", order+" --id "+order)
		p.must(err)
		var r fleet.CommandResult
		p.must(json.Unmarshal([]byte(out), &r))
		if r.OK != ok || !ok && (r.Code != fleet.CodeUnavailable || !strings.Contains(r.Message, host)) {
			p.Errorf("%s of a host that is off: %+v", order, r)
		}
	}
}

// guessing: who guesses waits, with the right password, too; elsewhere it is let in.
func (p *project) guessing() {
	p.Helper()
	ca, password := p.caFile(), p.account("guessed", "viewer")
	try := func(from, password string) error {
		_, err := p.stock(from, "mosquitto_sub", ca, "-u", "guessed", "-P", password, "-E", "-t", "muster/v1/hub")
		return err
	}
	p.must(try("web2", password))
	for i := range 6 {
		if try("web2", fmt.Sprint("wrong ", i)) == nil {
			p.Error("a wrong password is taken")
		}
	}
	if try("web2", password) == nil {
		p.Error("who guesses doesn't wait")
	}
	if err := try("web1", password); err != nil {
		p.Errorf("another machine waits, too: %v", err)
	}
}

// run wants a program to do well, and returns what it says.
func (p *project) run(cmd *exec.Cmd) string {
	p.Helper()
	var said logbuf.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		p.Fatalf("%s: %v: %s", cmd, err, said.String())
	}
	return string(out)
}

// background starts a program that goes on until the test's end, and waits until it
// says a word.
func (p *project) background(cmd *exec.Cmd, word string) *logbuf.Buffer {
	p.Helper()
	said := &logbuf.Buffer{}
	cmd.Stdout, cmd.Stderr = said, said
	stdin, err := cmd.StdinPipe() // s_server ends with it
	p.must(err)
	p.must(cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	p.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = stdin.Close()
		<-ended
		if p.Failed() {
			p.Logf("%s: %s", cmd.Path, said)
		}
	})
	p.until(30*time.Second, cmd.Path+" says "+word, func() (bool, string) { return strings.Contains(said.String(), word), said.String() })
	return said
}
