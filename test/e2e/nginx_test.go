//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
	"github.com/musterhq/muster/test/cluster"
	"github.com/musterhq/muster/test/load"
)

// nginxOf is the program of this machine's nginx, or that of a release of Debian,
// which packaging/dev/nginx.sh puts into bin/ once.
func nginxOf(t *testing.T, release string) (program string, version lbconf.NginxVersion) {
	t.Helper()
	program = "nginx"
	if release != "" {
		root, err := filepath.Abs("../..")
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), filepath.Join(root, "packaging/dev/nginx.sh"), release).CombinedOutput(); err != nil {
			t.Fatalf("get the nginx of %s: %v\n%s", release, err, out)
		}
		program = filepath.Join(root, "bin/nginx", release, "usr/sbin/nginx")
	}
	out, err := exec.CommandContext(t.Context(), program, "-v").CombinedOutput()
	version, ok := lbconf.ParseNginxVersion(string(out))
	if err != nil || !ok {
		t.Fatalf("ask %s for its version: %v\n%s", program, err, out)
	}
	return program, version
}

// TestNginx takes the main job's way with nginx as the balancer: this machine's, and
// in long tests one that doesn't close idle clients at a reload, too. Services exit at
// once on SIGTERM, in long tests one stops gracefully as well. A load survives
// that never tries twice where it is promised, and one that does with every nginx.
func TestNginx(t *testing.T) {
	t.Parallel()
	releases, services := []string{""}, []string{"rude"}
	if long {
		releases, services = append(releases, "forky"), append(services, "app")
	}
	for _, release := range releases {
		program, version := nginxOf(t, release)
		t.Run(version.String(), func(t *testing.T) {
			p := onNginx(t, program)
			p.promised(version)
			for n, service := range services {
				t.Run(service, func(t *testing.T) {
					t.Parallel()
					of := *p
					of.T = t
					of.mainJob(service, 9400+n, names[1+n], version)
				})
			}
		})
	}
}

// onNginx is a project on a fleet of its own, whose balancer is a nginx.
func onNginx(t *testing.T, program string) *project {
	return ofItsOwn(t, "shop", cluster.Options{
		Hosts: names, Nginx: []string{"web1"}, Open: true, AgentArgs: []string{"--nginx-binary", program, "--nginx-retries", "0"},
	})
}

// promised waits until what a nginx of this version promises is said.
func (p *project) promised(version lbconf.NginxVersion) {
	p.Helper()
	p.until(30*time.Second, "what is promised is said", func() (bool, string) {
		out := p.mustMuster("lb")
		said := strings.Join(strings.Fields(out), " ")
		return strings.Contains(said, "web1/nginx up") && strings.Contains(said, "nginx "+version.String()) && strings.Contains(said, "no request is dropped") &&
			strings.Contains(said, "clients that try again") != version.AtLeast(lbconf.NginxKeepsClients), out
	})
}

// mainJob applies, scales, upgrades, takes a bad canary back and empties a host,
// for a service that stops gracefully or for one that exits at once.
func (p *project) mainJob(program string, port int, host string, version lbconf.NginxVersion) {
	keeps := version.AtLeast(lbconf.NginxKeepsClients)
	file := func(image string, replicas int, rollout string) string {
		content := strings.Replace(web(image, replicas, port), "{monitor: 1s}", rollout, 1)
		return p.file(strings.Replace(content, "web:", program+":", 1))
	}
	apply := func(image string, replicas int, rollout string) {
		p.mustMuster("apply", "-f", file(image, replicas, rollout), "--wait", "--timeout", patience)
	}
	service := "shop/" + program
	apply(program+":1", 3, "{monitor: 1s}")
	p.allAnswer(port, 3)
	options := load.DefaultOptions(p.url(port))
	options.Rate, options.Total, options.WSLife, options.Again = 100, 1_000_000, 8*time.Second, !keeps
	g, end := p.under(options)
	step := func(what string, do func()) {
		before, began := g.Snapshot(), time.Now()
		do()
		now := g.Snapshot()
		p.Logf("%s, %s: %s took %s: %d sent, %d failed, %d sent again", version, program, what, time.Since(began).Round(100*time.Millisecond),
			now.Sent-before.Sent, now.Failed-before.Failed, now.Again-before.Again)
	}
	step("scale to 6", func() { p.mustMuster("scale", service+"=6", "--wait") })
	step("three reloads by hand", func() {
		for range 3 {
			p.reloadNginx()
		}
	})
	step("scale to 3", func() { p.mustMuster("scale", service+"=3", "--wait") })
	step("rolling upgrade", func() { apply(program+":2", 3, "{strategy: rolling, monitor: 1s}") })
	step("canary", func() {
		apply(program+":1", 3, "{strategy: canary, steps: [25, 50], monitor: 2s, keep: 1s, verify: {interval: 4s}}")
	})
	step("canary that is taken back", func() {
		out, err := p.muster("apply", "-f", file("err:3", 3, "{strategy: canary, steps: [25, 50], monitor: 5s, keep: 1s, verify: {interval: 5s}}"), "--wait", "--timeout", patience)
		if err == nil || !strings.Contains(out, "requests failed") {
			p.Errorf("a canary that fails: %v\n%s", err, out)
		}
		p.until(time.Minute, "it is taken back", func() (bool, string) {
			r := p.service(program).Rollout
			return r != nil && r.State == fleet.RolloutRolledBack, fmt.Sprintf("%+v", r)
		})
	})
	step("host drain", func() {
		p.mustMuster("host", "drain", host, "--wait")
		p.mustMuster("host", "activate", host)
	})
	enough := 5_000 // in a minute or so
	if long {
		enough = 20_000
	}
	p.until(3*time.Minute, "enough requests were sent", func() (bool, string) {
		sent := g.Snapshot().Sent
		return sent >= enough, fmt.Sprint(sent)
	})
	r := p.whole(g, end, "3")
	p.Logf("nginx %s, %s: %d POSTs, %d lost by clients that try again once, %d by those that never do; worst %s; WebSockets %+v",
		version, program, r.Sent, r.Lost(), r.Lost()+r.Again, r.Latency.Max, r.WebSockets)
	if r.Latency.Max > worstLatency(r) {
		p.Errorf("the worst latency was %s", r.Latency.Max)
	}
	if r.ByVersion["1"] == 0 || r.ByVersion["2"] == 0 || r.RefusedBy["3"] == 0 {
		p.Errorf("by version %v, refused by %v", r.ByVersion, r.RefusedBy)
	}
}

// reloadNginx has nginx read its file again, as an operator could.
func (p *project) reloadNginx() {
	p.Helper()
	text, err := os.ReadFile(filepath.Join(p.c.StateDir("web1"), "nginx", lbconf.NginxPIDFile))
	if err != nil {
		p.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		p.Fatal(err)
	}
	p.must(syscall.Kill(pid, syscall.SIGHUP))
	time.Sleep(time.Second)
}
