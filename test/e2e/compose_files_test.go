//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/test/cluster"
)

// expectation is what becomes of one of the files in testdata/compose.
type expectation struct {
	Files    []string       `yaml:"files"`    // compose.yaml, if not stated
	Args     []string       `yaml:"args"`     // of muster apply
	Env      []string       `yaml:"env"`      // of the shell
	Generate map[string]int `yaml:"generate"` // files of so many bytes

	Unwaited   bool                         `yaml:"unwaited"` // that a container is made is enough
	Says       []string                     `yaml:"says"`     // what apply tells, too
	Refused    []string                     `yaml:"refused"`  // all that apply says instead
	Held       map[string]string            `yaml:"held"`     // why a service can't be placed
	Stuck      map[string]string            `yaml:"stuck"`    // why an instance can't be made
	Containers map[string]wanted            `yaml:"containers"`
	Absent     []string                     `yaml:"absent"`   // services that aren't there
	Service    map[string]map[string]string `yaml:"service"`  // labels of services
	Networks   map[string]map[string]any    `yaml:"networks"` // as an engine says
}

// wanted is what a service's containers are to be like.
type wanted struct {
	Count   int               `yaml:"count"` // 1, if not stated
	Host    string            `yaml:"host"`
	Inspect map[string]any    `yaml:"inspect"` // by path in what the engine says
	Files   map[string]string `yaml:"files"`   // content by path
	Modes   map[string]string `yaml:"modes"`   // "0444 0:0" by path
}

// TestComposeFiles: files as people have them are carried out, and the engines say so
// of the containers; or they are refused with each place.
func TestComposeFiles(t *testing.T) {
	folders, err := filepath.Glob("testdata/compose/*/expect.yaml")
	if err != nil || len(folders) < 25 {
		t.Fatalf("there are %d files, %v", len(folders), err)
	}
	at := make(chan struct{}, 6)
	for _, path := range folders {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			at <- struct{}{}
			defer func() { <-at }()
			p := begin(t, filepath.Base(dir))
			raw, err := os.ReadFile(path)
			p.must(err)
			var e expectation
			p.must(yaml.Unmarshal(raw, &e))
			p.expect(dir, &e)
		})
	}
}

func (p *project) expect(dir string, e *expectation) {
	p.Helper()
	if len(e.Generate) > 0 {
		copied := p.TempDir()
		p.must(os.CopyFS(copied, os.DirFS(dir)))
		dir = copied
		for name, size := range e.Generate {
			p.must(os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("x", size)), 0o600))
		}
	}
	args := append([]string{"apply"}, e.Args...)
	for _, file := range append([]string{}, e.files()...) {
		args = append(args, "-f", filepath.Join(dir, file))
	}
	waits := len(e.Refused)+len(e.Held)+len(e.Stuck) == 0 && !e.Unwaited
	if waits {
		args = append(args, "--wait", "--timeout", patience)
	}
	out, err := p.with(e.Env, "", args...)
	if len(e.Refused) > 0 {
		if err == nil {
			p.Errorf("it isn't refused:\n%s", out)
		}
		p.says(out, e.Refused...)
		if list, err := p.c.Client.Services(p.ctx(), p.name); err != nil || len(list.Items) > 0 {
			p.Errorf("refused, and there are %v, %v", list.Items, err)
		}
		return
	}
	if err != nil {
		p.Fatalf("%v\n%s", err, out)
	}
	p.says(out, e.Says...)
	p.waitsFor(e)
	if e.Unwaited {
		p.until(30*time.Second, "containers are made", func() (bool, string) { return len(p.containers()) == len(e.Containers), "" })
	}
	p.compare(e)
}

func (e *expectation) files() []string {
	if len(e.Files) == 0 {
		return []string{"compose.yaml"}
	}
	return e.Files
}

// waitsFor wants services not to get there, and to say why.
func (p *project) waitsFor(e *expectation) {
	p.Helper()
	for name, why := range e.Held {
		p.until(30*time.Second, name+" is held", func() (bool, string) {
			v := p.service(name)
			reasons := strings.Join(v.Reasons, "; ")
			return strings.Count(reasons, why) == len(names) && len(v.Instances) == 0, reasons
		})
	}
	for name, why := range e.Stuck {
		p.until(30*time.Second, name+" says why", func() (bool, string) {
			reason := ""
			for _, in := range p.service(name).Instances {
				reason += in.Actual.Reason
			}
			return strings.Contains(reason, why), reason
		})
	}
}

func (p *project) compare(e *expectation) {
	p.Helper()
	all := p.containers()
	for name, want := range e.Containers {
		found := 0
		for _, c := range all {
			if c.Service == name {
				found++
				p.matches(c, &want)
			}
		}
		if found != max(want.Count, 1) {
			p.Errorf("%s has %d containers", name, found)
		}
	}
	for _, name := range e.Absent {
		if _, err := p.c.Client.Service(p.ctx(), p.key(name)); err == nil {
			p.Errorf("there is a service %s", name)
		}
	}
	for name, labels := range e.Service {
		v := p.service(name)
		for key, want := range labels {
			if got := v.Service.Labels[key]; got != want {
				p.Errorf("%s has the label %s=%q, want %q", name, key, got, want)
			}
		}
	}
	for name, want := range e.Networks {
		p.network(name, want)
	}
}

func (p *project) matches(c cluster.Container, want *wanted) {
	p.Helper()
	if want.Host != "" && c.Host != want.Host {
		p.Errorf("%s is on %s", c.Name, c.Host)
	}
	said := p.inspected(c.Host, "inspect", c.ID)
	for path, value := range want.Inspect {
		if got := part(said, strings.Split(path, ".")); !covers(got, value) {
			p.Errorf("of %s the engine says %s: %v, want %v", c.Name, path, text(got), text(value))
		}
	}
	root := filepath.Join("/proc", strconv.Itoa(c.Pid), "root")
	for path, content := range want.Files {
		if got, err := os.ReadFile(filepath.Join(root, path)); err != nil || string(got) != content {
			p.Errorf("%s has %q in %s, want %q (%v)", c.Name, got, path, content, err)
		}
	}
	for path, mode := range want.Modes {
		info, err := os.Stat(filepath.Join(root, path))
		p.must(err)
		owner := info.Sys().(*syscall.Stat_t)
		if got := fmt.Sprintf("%04o %d:%d", info.Mode().Perm(), owner.Uid, owner.Gid); got != mode {
			p.Errorf("%s has %s as %s, want %s", c.Name, path, got, mode)
		}
	}
}

// network wants at least one host to have a network, made by Muster.
func (p *project) network(name string, want map[string]any) {
	p.Helper()
	found := false
	for _, host := range names {
		if p.c.Fleet.Host(host).Docker(p.ctx(), "network", "inspect", name).Run() != nil {
			continue
		}
		found = true
		said := p.inspected(host, "network", "inspect", name)
		if !covers(said, want) || part(said, []string{"Labels", "muster.project"}) != p.name {
			p.Errorf("the network %s is %v, want %v", name, text(said), text(want))
		}
	}
	if !found {
		p.Errorf("no host has a network %s", name)
	}
}

func (p *project) inspected(host string, args ...string) any {
	p.Helper()
	out, err := p.c.Fleet.Host(host).Docker(p.ctx(), args...).Output()
	p.must(err)
	var list []any
	p.must(json.Unmarshal(out, &list))
	return list[0]
}

// part is what a path leads to, like "HostConfig.Mounts.0.Type".
func part(value any, path []string) any {
	for i, step := range path {
		switch v := value.(type) {
		case map[string]any:
			if rest := strings.Join(path[i:], "."); v[rest] != nil {
				return v[rest]
			}
			value = v[step]
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n >= len(v) {
				return nil
			}
			value = v[n]
		default:
			return nil
		}
	}
	return value
}

// covers reports whether got has all that is wanted: of a mapping its keys, of a list
// its elements, in whatever order.
func covers(got, want any) bool {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		for key, value := range w {
			ok = ok && covers(g[key], value)
		}
		return ok
	case []any:
		g, ok := got.([]any)
		for _, value := range w {
			ok = ok && slices.ContainsFunc(g, func(have any) bool { return covers(have, value) })
		}
		return ok
	case nil:
		return got == nil
	}
	return text(got) == text(want)
}

func text(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(raw)
}

// TestNetworksGoWithTheirContainers: what Muster made of a file is gone with it, and
// what somebody else made isn't.
func TestNetworksGoWithTheirContainers(t *testing.T) {
	t.Parallel()
	p := begin(t, "netgone")
	host := p.c.Fleet.Host("web2")
	p.must(host.Docker(p.ctx(), "network", "create", "netgone_theirs").Run())
	t.Cleanup(func() { p.must(host.Docker(p.ctx(), "network", "rm", "netgone_theirs").Run()) })
	list := func() string {
		out, err := host.Docker(p.ctx(), "network", "ls", "--filter", "name=netgone_", "--format", "{{.Name}}").Output()
		p.must(err)
		lines := strings.Fields(string(out))
		slices.Sort(lines)
		return strings.Join(lines, " ")
	}
	file := `
services:
  web:
    image: IMAGE
    networks: [back]
    ports: ["9350:8080"]
    deploy: {replicas: 2, x-rollout: {monitor: 1s}, placement: {constraints: [node.hostname == web2]}}
networks: {back: {}}
`
	p.apply(strings.Replace(file, "IMAGE", "app:1", 1))
	if got := list(); got != "netgone_back netgone_theirs" {
		t.Errorf("the host has %s", got)
	}
	p.apply(strings.Replace(file, "IMAGE", "app:2", 1))
	if got := p.answers(9350, 20); len(got) != 2 {
		t.Errorf("%d instances answered: %v", len(got), got)
	}
	for id := range p.containers() { // by hand
		if out, err := host.Docker(p.ctx(), "network", "disconnect", "netgone_back", id).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		p.until(30*time.Second, "it is on its network again", func() (bool, string) {
			networks := part(p.inspected("web2", "inspect", id), []string{"NetworkSettings", "Networks", "netgone_back", "Aliases"})
			return covers(networks, []any{"web"}), text(networks)
		})
		break
	}
	p.mustMuster("rm", "netgone/web", "--wait", "--yes")
	p.until(20*time.Second, "its network is gone", func() (bool, string) { return list() == "netgone_theirs", list() })
}

// TestConfigsAreOfTheirVersion: another content is another version, which a rollback
// takes back, and a restart of the container has it again.
func TestConfigsAreOfTheirVersion(t *testing.T) {
	t.Parallel()
	p := begin(t, "configs")
	file := `
services:
  web:
    image: app:1
    environment: {SHOW: /etc/app.conf}
    configs: [{source: app, target: /etc/app.conf}]
    x-probe: {http: /healthz, port: 8080, interval: 1s}
    deploy: {x-rollout: {monitor: 1s}}
configs: {app: {content: "CONTENT"}}
`
	p.apply(strings.Replace(file, "CONTENT", "first-4711", 1))
	p.shows("first-4711")
	out := p.apply(strings.Replace(file, "CONTENT", "second-4711", 1))
	p.says(out, "spec.configs.app.sum")
	p.shows("second-4711")
	if strings.Contains(out, "second-4711") || strings.Contains(p.mustMuster("service", "configs/web", "-o", "json"), "second-4711") {
		t.Error("what is in it is shown")
	}
	p.restartsOne(p.containers())
	p.shows("second-4711")
	p.mustMuster("rollback", "configs/web", "--wait")
	p.shows("first-4711")
	instances := p.containers()
	p.mustMuster("rm", "configs/web", "--wait", "--yes")
	for _, c := range instances {
		p.until(10*time.Second, "its files are gone", func() (bool, string) {
			err := exec.CommandContext(p.ctx(), "ls", filepath.Join(p.c.StateDir(c.Host), "configs", c.Instance)).Run()
			return err != nil, c.Instance
		})
	}
}
