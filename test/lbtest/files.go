package lbtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// AFileChangedByHandIsLeftAlone until it is gone. What can be changed without the file is.
func AFileChangedByHandIsLeftAlone(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web := NewPool(t, "web")
	a, b := NewProgram(t, "a"), NewProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")
	acknowledged := web.Generation
	path := filepath.Join(r.Options.Dir, d.File)
	ours, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	edited := append(ours, []byte("# mine\n")...)
	if err := os.WriteFile(path, edited, 0o600); err != nil {
		t.Fatal(err)
	}
	r.Until("the edit is reported", func(x fleet.BalancerActual) bool { return strings.Contains(x.Problem, "changed since") })
	web.Endpoints = append(web.Endpoints, b.Endpoint(fleet.EndpointReady))
	r.WantNext(web)
	if d.AsItRuns {
		r.Ready(web, "b")
	} else {
		time.Sleep(time.Second)
		Answer(t, web, "a")
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != string(edited) {
		t.Errorf("the file was overwritten (%v)", err)
	}
	if got := PoolOf(r.Now(), web.Service).Generation; got != acknowledged {
		t.Errorf("generation %d acknowledged without a file", got)
	}
	if err := os.Rename(path, path+".mine"); err != nil {
		t.Fatal(err)
	}
	r.Until("written anew", func(x fleet.BalancerActual) bool {
		return x.Problem == "" && PoolOf(x, web.Service).Generation == web.Generation
	})
}

// AFileChangedWhileTheAgentWasAway is left alone, too, and not loaded.
func AFileChangedWhileTheAgentWasAway(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web := NewPool(t, "web")
	a, b := NewProgram(t, "a"), NewProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")
	before := r.Processes(t)
	r.Detach()
	path := filepath.Join(r.Options.Dir, d.File)
	if err := os.WriteFile(path, []byte(d.Foreign), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Attach()
	web.Endpoints = append(web.Endpoints, b.Endpoint(fleet.EndpointReady))
	r.WantNext(web)
	r.Until("the edit is reported", func(x fleet.BalancerActual) bool { return x.Up && strings.Contains(x.Problem, "changed since") })
	if now := r.Processes(t); now.Current != before.Current {
		t.Error("somebody else's file was loaded")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r.Ready(web, "a")
	r.Ready(web, "b")
	r.Until("written anew", func(x fleet.BalancerActual) bool {
		return x.Problem == "" && PoolOf(x, web.Service).Generation == web.Generation && PoolOf(x, web.Service).Problem == ""
	})
}

// AProgramThatIsMissingIsSaidAndTriedAgain while it ends nobody and no pool gets the blame.
func AProgramThatIsMissingIsSaidAndTriedAgain(t *testing.T, d Driver) {
	program, err := exec.LookPath(d.Program)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	r := NewRig(t, d, func(o *Options) { o.Program = filepath.Base(program) })
	web := NewPool(t, "web")
	a := NewProgram(t, "a")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady)}
	r.WantNext(web)
	r.Until("the cause is reported", func(x fleet.BalancerActual) bool {
		return !x.Up && strings.Contains(x.Problem, "executable file not found")
	})
	if problem := PoolOf(r.Now(), web.Service).Problem; problem != "" {
		t.Errorf("the pool gets the blame: %s", problem)
	}
	t.Setenv("PATH", filepath.Dir(program)+":/usr/sbin:/usr/bin:/bin") // that of a wrapped one needs a shell
	r.Ready(web, "a")
	r.Until("it runs", func(x fleet.BalancerActual) bool { return x.Up && x.Problem == "" && strings.Contains(x.Version, ".") })
}
