//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// secretService reads /run/secrets/x, on web2 and web3.
const secretService = `
services:
  web:
    image: app:1
    stop_grace_period: 2s
    environment: {SHOW: /run/secrets/x}
    secrets: [x, {source: tuned, target: /etc/tuned, uid: "1000", gid: "1001", mode: 0440}]
    deploy: {replicas: 2, placement: {constraints: [node.labels.tier == back]}, x-rollout: {monitor: 1s}}
    x-probe: {http: /healthz, port: 8080, interval: 1s}
secrets:
  x: {external: true}
  tuned: {environment: TUNED}
`

// TestSecrets: a service reads its secret, gets a new version with another value, and
// has it after a reboot; the values are on no disk, in no message but to its hosts
// (where they are encrypted), in no log and not in what the engines tell.
func TestSecrets(t *testing.T) {
	t.Parallel()
	p := begin(t, "secrets")
	p.exits(1, "apply", "-f", p.file(secretService)) // no TUNED
	values := []string{"xray-4711-first", "xray-4711-second", "tuned-4711-value"}
	if out := p.exits(1, "apply", "-f", p.file(strings.ReplaceAll(secretService, "environment: TUNED", "external: true"))); !strings.Contains(out, "muster secret set secrets/") {
		t.Errorf("without the secret:\n%s", out)
	}
	p.setSecret("x", values[0])
	p.exits(1, "secret", "set", "secrets/x", "--file", "/dev/null")
	apply := []string{"apply", "-f", p.file(secretService), "--wait", "--timeout", patience}
	out, err := p.with([]string{"TUNED=" + values[2]}, "", apply...)
	if err != nil || !strings.Contains(out, "+ secret secrets/tuned  (revision 1)") {
		t.Fatalf("%v\n%s", err, out)
	}
	p.shows(values[0])
	for _, c := range p.containers() {
		owner, err := os.Stat(filepath.Join("/proc", fmt.Sprint(c.Pid), "root/etc/tuned"))
		if err != nil || owner.Mode() != 0o440 {
			t.Errorf("%v, %v", owner, err)
		}
	}
	if out := p.mustMuster("secret", "ls", "secrets"); !strings.Contains(out, "secrets/x") || !strings.Contains(out, "secrets/web") {
		t.Errorf("listed:\n%s", out)
	}
	p.exits(5, "secret", "rm", "secrets/x")

	before := p.containers()
	if out := p.setSecret("x", values[1]); !strings.Contains(out, "revision 2; secrets/web gets version 2") {
		t.Errorf("set anew:\n%s", out)
	}
	p.until(time.Minute, "the new value is there", func() (bool, string) {
		v := p.service("web")
		return v.State == fleet.ServiceConverged && v.Version == 2, describe([]fleet.ServiceView{v})
	})
	p.shows(values[1])
	for id := range p.containers() {
		if _, old := before[id]; old {
			t.Errorf("%s has the old value", id)
		}
	}
	p.rebooted("web2")
	p.shows(values[1])

	p.nowhere(values...)
	p.mustMuster("rm", "secrets/web", "--wait", "--yes")
	for _, host := range []string{"web2", "web3"} {
		for id, c := range before {
			if c.Host == host {
				if _, err := os.Stat(filepath.Join(p.c.SecretsDir(host), c.Instance)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("the secrets of %s are left on %s: %v", id, host, err)
				}
			}
		}
	}
	p.mustMuster("secret", "rm", "secrets/x")
	p.mustMuster("secret", "rm", "secrets/tuned")
}

// with runs the command line with more of an environment, and something to read.
func (p *project) with(env []string, stdin string, args ...string) (string, error) {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.c.CLI, args...)
	cmd.Env = append(append(os.Environ(), "MUSTER_HUB="+p.c.URL), env...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (p *project) setSecret(name, value string) string {
	p.Helper()
	out, err := p.with(nil, value, "secret", "set", p.name+"/"+name)
	if err != nil {
		p.Fatalf("%v\n%s", err, out)
	}
	return out
}

// shows wants each instance that serves, and one at least, to read the value.
func (p *project) shows(value string) {
	p.Helper()
	p.until(20*time.Second, "each instance shows its secret", func() (bool, string) {
		addresses := p.service("web").Addresses
		for _, address := range addresses {
			if ok, is := showsAt(address, value); !ok {
				return false, address + ": " + is
			}
		}
		return len(addresses) > 0, "nobody serves"
	})
}

func showsAt(address, value string) (bool, string) {
	res, err := direct.Get("http://" + address + "/shown")
	if err != nil {
		return false, err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ok := err == nil && res.StatusCode == http.StatusOK && string(body) == value && res.Header.Get("X-Mode") == "-r--r--r--"
	return ok, fmt.Sprint(res.StatusCode, res.Header.Get("X-Mode"))
}

// rebooted does to a host's container what a reboot does: it has ended, the memory is
// empty, and the agent starts in another boot.
func (p *project) rebooted(host string) {
	p.Helper()
	broken.Lock()
	defer broken.Unlock()
	agent := p.c.Agents[host]
	p.must(agent.Stop())
	for id := range p.here(host) {
		p.must(p.c.Fleet.Host(host).Docker(p.ctx(), "kill", id).Run())
	}
	dir := p.c.SecretsDir(host)
	entries, err := os.ReadDir(dir)
	p.must(err)
	for _, entry := range entries {
		p.must(os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	before := p.here(host)
	p.must(agent.Start(p.ctx(), "--boot-id", "another-boot"))
	p.odd = append(p.odd, agent)
	p.until(time.Minute, "what ran runs again", func() (bool, string) {
		running := 0
		for id, c := range p.here(host) {
			if _, same := before[id]; same && c.State == "running" {
				running++
			}
		}
		return running == len(before) && running > 0, fmt.Sprint(running, " of ", len(before))
	})
	p.converged("web", time.Minute)
}

// nowhere looks for clear values wherever somebody may read them.
func (p *project) nowhere(values ...string) {
	p.Helper()
	look := func(where string, content []byte) {
		p.Helper()
		for _, value := range values {
			if bytes.Contains(content, []byte(value)) {
				p.Errorf("%s has the value %q", where, value)
			}
		}
	}
	dir := filepath.Dir(p.c.CLI)
	files := 0
	p.must(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil { // what goes away meanwhile says nothing
			return nil //nolint:nilerr // see above
		}
		if d.IsDir() && strings.HasSuffix(path, "-secrets") { // in memory
			return fs.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		if content, err := os.ReadFile(path); err == nil {
			files++
			look(path, content)
		}
		return nil
	}))
	for _, part := range []string{"hub-state/hub.db", "hub.log", "web2-state/state.json", "web2.log"} {
		if _, err := os.Stat(filepath.Join(dir, part)); err != nil {
			p.Errorf("%s isn't where it was looked for: %v", part, err)
		}
	}
	retained, _ := p.read("-W", "3", "-t", wire.Root+"/#") // it ends by the time
	if !strings.Contains(retained, "hosts/web1/presence") {
		p.Errorf("retained is %.300q", retained)
	}
	look("a retained message", []byte(retained))
	for _, host := range names {
		for _, c := range p.here(host) {
			for _, args := range [][]string{{"inspect", c.ID}, {"logs", c.ID}} {
				out, err := p.c.Fleet.Host(host).Docker(p.ctx(), args...).CombinedOutput()
				p.must(err)
				look("docker "+args[0]+" on "+host, out)
				if args[0] == "inspect" && host == "web2" && !bytes.Contains(out, []byte("/run/secrets/x")) {
					p.Errorf("the engine shows no mount:\n%s", out)
				}
			}
		}
	}
	for _, args := range [][]string{
		{"service", "secrets/web", "-o", "json"}, {"versions", "secrets/web", "-o", "json"}, {"secret", "ls", "-o", "json"}, {"events", "-o", "json"},
		{"audit", "-o", "json"}, {"instances", "-o", "json"}, {"hosts", "-o", "json"}, {"diff", "secrets/web", "-o", "json"},
	} {
		out, err := p.muster(args...)
		if err != nil {
			p.Errorf("muster %v: %v\n%s", args, err, out)
		}
		look(fmt.Sprint("muster ", args), []byte(out))
	}
	dump := filepath.Join(p.TempDir(), "dump.tar.gz")
	p.mustMuster("support", "dump", "--file", dump)
	unpacked := p.TempDir()
	p.must(exec.CommandContext(p.ctx(), "tar", "-xzf", dump, "-C", unpacked).Run())
	p.must(filepath.WalkDir(unpacked, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		look("the support dump's "+d.Name(), content)
		return err
	}))
	if files < 10 {
		p.Errorf("only %d files were looked at", files)
	}
}
