package haproxy

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/shared/fleet"
)

func TestARejectedSectionStopsOnlyItsService(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web, api := newPool(t, "web"), newPool(t, "api")
	a, b, c := newProgram(t, "a"), newProgram(t, "b"), newProgram(t, "c")
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady), b.endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")
	acknowledged := web.Generation
	// HAProxy itself rejects a timer of more than 24 days; ports are known to be taken earlier.
	web.Check.Interval = fleet.Duration(1000 * time.Hour)
	set(web, "a", fleet.EndpointDraining)
	api.Endpoints = []fleet.Endpoint{c.endpoint(fleet.EndpointReady)}
	r.want(api, web)
	r.ready(api, "c")
	r.until("the problem is reported, the removal in force", func(x fleet.BalancerActual) bool {
		pool := poolOf(x, web.Service)
		return strings.Contains(pool.Problem, "rejects") && strings.Contains(pool.Problem, "timer overflow") && pool.Generation == acknowledged &&
			endpointOf(x, web.Service, "a").State == fleet.EndpointDraining
	})
	web.Check.Interval = 0
	r.apply(api, web)
	if problem := poolOf(r.now(), web.Service).Problem; problem != "" {
		t.Error(problem)
	}
}

// What a turn did besides a rejection is looked at without a pause.
func TestARejectionHoldsUpNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	a := newProgram(t, "a")
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.detach()
	web.Check.Interval = fleet.Duration(1000 * time.Hour)
	r.want(web)
	pause := r.lb.step(context.Background())
	if len(r.lb.Memory.Rejected) != 1 || pause >= balancer.RetryPause {
		t.Errorf("%+v, and a pause of %s", r.lb.Memory.Rejected, pause)
	}
}

// Only what has changed can be at fault: the checker isn't asked about the rest.
func TestOnlyChangedPoolsAreSuspected(t *testing.T) {
	options := DefaultOptions()
	options.Dir = t.TempDir()
	options.Binary = wrap(t, `echo >> "$0.runs"`)
	lb, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		pool := newPool(t, name)
		pool.Endpoints = []fleet.Endpoint{newProgram(t, name).endpoint(fleet.EndpointReady)}
		lb.Memory.Filed = append(lb.Memory.Filed, *pool)
	}
	want := slices.Clone(lb.Memory.Filed)
	want[1].Generation, want[1].DrainTimeout = 2, fleet.Duration(time.Minute)
	want[3].Generation, want[3].Check.Interval = 2, fleet.Duration(1000*time.Hour)
	if !lb.isolate(context.Background(), want) {
		t.Error("nobody is rejected")
	}
	for key, rejection := range lb.Memory.Rejected {
		if key != want[3].Service || rejection.Generation != 2 {
			t.Errorf("%s is rejected: %+v", key, rejection)
		}
	}
	if runs, err := os.ReadFile(options.Binary + ".runs"); err != nil || len(runs) != 2 {
		t.Errorf("the checker ran %d times, %v; want 2", len(runs), err)
	}
}

func TestATakenPortStopsOnlyItsService(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web, api := newPool(t, "web"), newPool(t, "api")
	holder, c := newProgram(t, "holder"), newProgram(t, "c")
	web.Routes[0].Listen = []int{holder.port}
	api.Endpoints = []fleet.Endpoint{c.endpoint(fleet.EndpointReady)}
	r.want(api, web)
	r.ready(api, "c")
	r.until("the port's problem", func(x fleet.BalancerActual) bool {
		return strings.Contains(poolOf(x, web.Service).Problem, "can't listen")
	})
	holder.exit()
	r.until("the port is had", func(x fleet.BalancerActual) bool {
		return poolOf(x, web.Service).Generation == web.Generation && poolOf(x, web.Service).Problem == ""
	})
}

func TestAFileChangedByHandIsLeftAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	a, b := newProgram(t, "a"), newProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")
	acknowledged := web.Generation
	path := filepath.Join(r.dir, "haproxy.cfg")
	ours, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	edited := append(ours, []byte("# mine\n")...)
	if err := os.WriteFile(path, edited, 0o600); err != nil {
		t.Fatal(err)
	}
	r.until("the edit is reported", func(x fleet.BalancerActual) bool { return strings.Contains(x.Problem, "changed since") })
	web.Endpoints = append(web.Endpoints, b.endpoint(fleet.EndpointReady))
	r.want(web)
	r.ready(web, "b")
	if now, err := os.ReadFile(path); err != nil || string(now) != string(edited) {
		t.Errorf("the file was overwritten (%v)", err)
	}
	if got := poolOf(r.now(), web.Service).Generation; got != acknowledged {
		t.Errorf("generation %d acknowledged without a file", got)
	}
	if err := os.Rename(path, path+".mine"); err != nil {
		t.Fatal(err)
	}
	r.until("written anew", func(x fleet.BalancerActual) bool {
		return x.Problem == "" && poolOf(x, web.Service).Generation == web.Generation
	})
}

func TestAFileChangedWhileTheAgentWasAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	a, b := newProgram(t, "a"), newProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")
	before := r.pids()
	r.detach()
	path := filepath.Join(r.dir, "haproxy.cfg")
	if err := os.WriteFile(path, []byte("global\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.attach()
	web.Endpoints = append(web.Endpoints, b.endpoint(fleet.EndpointReady))
	r.want(web)
	r.until("the edit is reported", func(x fleet.BalancerActual) bool { return x.Up && strings.Contains(x.Problem, "changed since") })
	if now := r.pids(); now.current != before.current {
		t.Error("somebody else's file was loaded")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r.ready(web, "a")
	r.ready(web, "b")
	r.until("written anew", func(x fleet.BalancerActual) bool {
		return x.Problem == "" && poolOf(x, web.Service).Generation == web.Generation && poolOf(x, web.Service).Problem == ""
	})
}

// It ends nobody, and no pool gets the blame.
func TestAProgramThatIsMissingIsSaidAndTriedAgain(t *testing.T) {
	program, err := exec.LookPath("haproxy")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	r := newRig(t)
	web := newPool(t, "web")
	a := newProgram(t, "a")
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady)}
	r.want(web)
	r.until("the cause is reported", func(x fleet.BalancerActual) bool {
		return !x.Up && strings.Contains(x.Problem, "executable file not found")
	})
	if problem := poolOf(r.now(), web.Service).Problem; problem != "" {
		t.Errorf("the pool gets the blame: %s", problem)
	}
	t.Setenv("PATH", filepath.Dir(program))
	r.ready(web, "a")
	r.until("it runs", func(x fleet.BalancerActual) bool { return x.Up && x.Problem == "" && strings.Contains(x.Version, ".") })
}

func TestAPortThatIsTakenAtTheStartStopsOnlyItsService(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web, api := newPool(t, "web"), newPool(t, "api")
	a, c := newProgram(t, "a"), newProgram(t, "c")
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady)}
	api.Endpoints = []fleet.Endpoint{c.endpoint(fleet.EndpointReady)}
	r.apply(api, web)
	r.ready(web, "a")
	r.ready(api, "c")
	r.detach()
	if err := r.lb.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	holder, err := net.Listen("tcp", address(web))
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	r.attach()
	r.want(api, web)
	r.ready(api, "c")
	r.until("the port's problem", func(x fleet.BalancerActual) bool {
		return strings.Contains(poolOf(x, web.Service).Problem, "can't listen")
	})
	holder.Close()
	r.ready(web, "a")
}
