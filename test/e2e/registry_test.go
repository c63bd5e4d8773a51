//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/hosts"
)

// TestRegistryLogins: hosts pull from a registry that wants a login. A wrong one is
// said without being shown, and the next one is used at once. By pull_policy, a new
// version has what the registry has then.
func TestRegistryLogins(t *testing.T) {
	t.Parallel()
	p := begin(t, "logins")
	const password, registry = "pull-4711-password", "127.0.0.1:5055"
	r := p.startRegistry("web3", registry, "ann", password)
	service := strings.ReplaceAll(`
services:
  web:
    image: REGISTRY/team/app:1
    pull_policy: always
    environment: {EDITION: "1"}
    deploy: {placement: {constraints: [node.hostname == web3]}, x-rollout: {monitor: 1s}}
    x-probe: {http: /healthz, port: 8080, interval: 1s}
`, "REGISTRY", registry)
	p.mustMuster("apply", "-f", p.file(service))
	reason := func(want string) {
		t.Helper()
		p.until(time.Minute, "it says why", func() (bool, string) {
			for _, in := range p.service("web").Instances {
				if strings.Contains(in.Actual.Reason, want) {
					return !strings.Contains(in.Actual.Reason, password), in.Actual.Reason
				}
			}
			return false, describe([]fleet.ServiceView{p.service("web")})
		})
	}
	reason("muster registry set " + registry)
	login := func(password string) {
		t.Helper()
		out, err := p.with(nil, password+"\n", "registry", "set", registry, "--username", "ann")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	login("wrong-4711-password")
	reason(`doesn't let "ann" in`)
	login(password)
	p.converged("web", time.Minute)
	if out := p.mustMuster("registry", "ls"); !strings.Contains(out, registry) || !strings.Contains(out, "ann") || strings.Contains(out, password) {
		t.Errorf("listed:\n%s", out)
	}
	p.nowhereOf(password, "wrong-4711-password")
	r.push("app:2")
	if id := r.id(r.ref); id != r.id("app:1") {
		t.Fatalf("the host has %s by %s already", id, r.ref)
	}
	p.apply(strings.Replace(service, `EDITION: "1"`, `EDITION: "2"`, 1))
	for _, c := range p.here("web3") {
		if got, want := r.mustDocker("container", "inspect", "--format", "{{.Image}}", c.ID), r.id("app:2"); got != want {
			t.Errorf("the new version runs %s, and the registry has %s", got, want)
		}
	}
	p.mustMuster("registry", "rm", registry)
}

// nowhereOf is nowhere for what isn't a service's secret.
func (p *project) nowhereOf(values ...string) {
	p.Helper()
	dir := filepath.Dir(p.c.CLI)
	for _, part := range []string{"hub-state", "web3-state", "hub.log", "web3.log"} {
		p.must(filepath.WalkDir(filepath.Join(dir, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil //nolint:nilerr // what goes away meanwhile says nothing
			}
			content, err := os.ReadFile(path)
			if err == nil && slices.ContainsFunc(values, func(v string) bool { return bytes.Contains(content, []byte(v)) }) {
				p.Errorf("%s has a password", path)
			}
			return nil
		}))
	}
	for _, c := range p.here("web3") {
		out, err := p.c.Fleet.Host("web3").Docker(p.ctx(), "inspect", c.ID).CombinedOutput()
		if err != nil || slices.ContainsFunc(values, func(v string) bool { return bytes.Contains(out, []byte(v)) }) {
			p.Errorf("the engine shows a password: %v", err)
		}
	}
}

// registry is one with one user, on a host's loopback.
type registry struct {
	p                            *project
	host                         *hosts.Host
	dir, address, user, password string
	ref                          string // of its image
}

// startRegistry has an image of the test's app there that the host doesn't have.
func (p *project) startRegistry(host, address, user, password string) *registry {
	p.Helper()
	r := &registry{p: p, host: p.c.Fleet.Host(host), dir: p.TempDir(), address: address, user: user, password: password, ref: address + "/team/app:1"}
	table, err := exec.CommandContext(p.ctx(), "htpasswd", "-Bbn", user, password).Output()
	p.must(err)
	users := filepath.Join(r.dir, "users")
	p.must(os.WriteFile(users, table, 0o600))
	config := filepath.Join(r.dir, "config.yml")
	p.must(os.WriteFile(config, fmt.Appendf(nil, `version: 0.1
storage: {filesystem: {rootdirectory: %s}}
http: {addr: %q}
auth: {htpasswd: {realm: test, path: %s}}
`, filepath.Join(r.dir, "data"), address, users), 0o600))
	program := r.host.Command(context.WithoutCancel(p.ctx()), "docker-registry", "serve", config)
	p.must(program.Start())
	p.Cleanup(func() {
		if err := errors.Join(program.Process.Kill(), program.Wait()); err == nil {
			p.Error("the registry ended by itself")
		}
	})
	p.until(20*time.Second, "the registry takes a login", func() (bool, string) {
		_, err := r.docker("login", "--username", user, "--password-stdin", address)
		return err == nil, fmt.Sprint(err)
	})
	r.push("app:1")
	r.mustDocker("rmi", r.ref)
	return r
}

// push gives the registry an image of the host's, and leaves the host what it had.
func (r *registry) push(image string) {
	r.p.Helper()
	before, err := r.docker("image", "inspect", "--format", "{{.Id}}", r.ref)
	r.mustDocker("tag", image, r.ref)
	r.mustDocker("push", r.ref)
	if err == nil {
		r.mustDocker("tag", before, r.ref)
	}
}

// id is that of an image that the host has.
func (r *registry) id(image string) string {
	r.p.Helper()
	return r.mustDocker("image", "inspect", "--format", "{{.Id}}", image)
}

func (r *registry) mustDocker(args ...string) string {
	r.p.Helper()
	out, err := r.docker(args...)
	r.p.must(err)
	return out
}

func (r *registry) docker(args ...string) (string, error) {
	cmd := r.host.Docker(r.p.ctx(), args...)
	cmd.Env = append(cmd.Environ(), "DOCKER_CONFIG="+r.dir)
	cmd.Stdin = strings.NewReader(r.password)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("docker %v: %w: %s", args, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}
