//go:build e2e && soak

package hosts_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/musterhq/muster/test/hosts"
)

func TestCloseLeavesNothing(t *testing.T) {
	before := traces(t)
	dir := t.TempDir()
	f, err := hosts.New(t.Context(), hosts.Options{Names: []string{"web1", "web2"}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { return f.StartEngines(t.Context()) },
		func() error { return f.LoadImage(t.Context(), imageTar) },
	} {
		if err := step(); err != nil {
			t.Fatal(errors.Join(err, f.Close()))
		}
	}
	start(t, f.Hosts[0], "a")
	start(t, f.Hosts[1], "b", "--memory", "24m")
	docker(t, f.Hosts[1], "pause", docker(t, f.Hosts[1], "ps", "--quiet"))
	program := f.Hosts[0].Command(t.Context(), "sleep", "1000")
	if err := program.Start(); err != nil {
		t.Fatal(errors.Join(err, f.Close()))
	}
	if during := traces(t); !strings.Contains(during, f.Name) {
		t.Fatalf("the traces of a living fleet aren't seen:\n%s", during)
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if err := program.Wait(); err == nil {
		t.Fatal("a program on the host ended by itself")
	}
	checkGone(t, f.Name, before, dir)
}

// TestSweep lets another process make a fleet and die.
func TestSweep(t *testing.T) {
	before := traces(t)
	dir := t.TempDir()
	victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$")
	victim.Env = append(os.Environ(), "HOSTS_E2E_VICTIM="+dir)
	stdout, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err := errors.Join(err, victim.Process.Kill()); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait() // it was killed
	victims := strings.TrimSpace(line)
	if seen := traces(t); !strings.Contains(seen, victims) {
		t.Fatalf("the victim's fleet %s left nothing to sweep", victims)
	}
	living, err := hosts.New(t.Context(), hosts.Options{Names: []string{"web1"}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := hosts.Sweep(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if err := living.Hosts[0].Command(t.Context(), "true").Run(); err != nil {
		t.Errorf("the sweep hit a living fleet: %v", err)
	}
	if err := living.Close(); err != nil {
		t.Fatal(err)
	}
	checkGone(t, victims, before, dir)
}

// TestVictim is the other process of TestSweep: alone it has nothing to do.
func TestVictim(t *testing.T) {
	dir := os.Getenv("HOSTS_E2E_VICTIM")
	if dir == "" {
		return
	}
	f, err := hosts.New(t.Context(), hosts.Options{Names: []string{"web1"}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.StartEngines(t.Context()); err != nil {
		t.Fatal(err)
	}
	fmt.Println(f.Name)
	<-t.Context().Done()
}

func TestLocalEngine(t *testing.T) {
	before := traces(t)
	dir := t.TempDir()
	l, err := hosts.LocalEngine(t.Context(), hosts.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := l.LoadImage(t.Context(), imageTar, helloImage); err != nil {
		t.Fatal(err)
	}
	out, err := l.Docker(t.Context(), "run", "--detach", "--env", "GREETING=local", "--publish", "127.0.0.1:0:8080", helloImage).Output()
	if err != nil {
		t.Fatal(err)
	}
	id := strings.TrimSpace(string(out))
	port, err := l.Docker(t.Context(), "port", id, "8080/tcp").Output()
	if err != nil {
		t.Fatal(err)
	}
	answers(t, "http://"+strings.TrimSpace(string(port)), "local")
	if err := l.Docker(t.Context(), "rm", "--force", id).Run(); err != nil {
		t.Fatal(err)
	}
	if !l.Own {
		return
	}
	if err := l.Docker(t.Context(), "network", "create", "extra").Run(); err != nil {
		t.Fatal(err)
	}
	name := fleetName.FindString(l.Dir)
	if during := traces(t); name == "" || !strings.Contains(during, name) {
		t.Fatalf("the traces of a living engine %q aren't seen:\n%s", name, during)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	checkGone(t, name, before, dir)
	for line := range strings.Lines(traces(t)) { // its bridges don't have its name
		if strings.HasPrefix(line, "/sys/class/net/") && !fleetName.MatchString(line) && !strings.Contains(before, strings.TrimSpace(line)) {
			t.Errorf("left behind: %s", line)
		}
	}
}

// fleetName is what all that belongs to a fleet or an engine has in its name.
var fleetName = regexp.MustCompile(`mht-[0-9]+`)
