package haproxy

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
	"github.com/musterhq/muster/test/lbtest"
)

// has waits until the worker runs with a file that has the line.
func has(t *testing.T, r *lbtest.Rig, line string) {
	t.Helper()
	lbtest.Poll(t, "the worker has "+line, func() bool {
		answer, err := lbOf(r).runtime.ask(context.Background(), "get var "+lbconf.StructureVar)
		_, value, _ := strings.Cut(answer, "value=<")
		structure, _, _ := strings.Cut(value, ">")
		file, failed := os.ReadFile(lbOf(r).File.Path)
		return err == nil && failed == nil && strings.Contains(string(file), "    "+line+"\n") &&
			strings.Contains(string(file), "str("+structure+")")
	})
}

func reloaded(t *testing.T, r *lbtest.Rig, times int64) {
	t.Helper()
	if n := r.Reloads.Swap(0); n != times {
		t.Errorf("%d reloads, want %d", n, times)
	}
}

// An old worker ends by the time that it was started with, so the longest
// drain of all services is a reload's business; any other drain isn't.
func TestTheLongestDrainReachesTheWorker(t *testing.T) {
	t.Parallel()
	r := lbtest.NewRig(t, driver())
	web, api := lbtest.NewPool(t, "web"), lbtest.NewPool(t, "api")
	web.Endpoints = []fleet.Endpoint{lbtest.NewProgram(t, "a").Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")
	has(t, r, "hard-stop-after 30000ms")
	web.DrainTimeout = fleet.Duration(10 * time.Minute)
	r.Apply(web)
	has(t, r, "hard-stop-after 600000ms")
	reloaded(t, r, 1)
	r.Apply(api, web) // for its listener
	reloaded(t, r, 1)
	api.DrainTimeout = fleet.Duration(time.Minute)
	r.Apply(api, web)
	reloaded(t, r, 0)
	web.Removed, web.Endpoints = true, nil
	r.Apply(api, web)
	has(t, r, "hard-stop-after 60000ms")
	reloaded(t, r, 1)
	r.Apply(api)
	reloaded(t, r, 0)
}

func TestChangedSettingsReachTheWorker(t *testing.T) {
	t.Parallel()
	r := lbtest.NewRig(t, driver())
	web := lbtest.NewPool(t, "web")
	r.Apply(web)
	r.Options.MaxConn = 500
	for _, reloads := range []int64{1, 0} { // the same settings reload nothing
		r.Detach()
		r.Attach()
		r.Apply(web)
		has(t, r, "maxconn 500")
		reloaded(t, r, reloads)
	}
	info, err := lbOf(r).runtime.ask(context.Background(), "show info")
	if err != nil || line(info, "Maxconn: ") != "500" {
		t.Errorf("the worker has %q, %v", line(info, "Maxconn: "), err)
	}
}

func TestSettingsThatFailHoldUpNobody(t *testing.T) {
	t.Parallel()
	r := lbtest.NewRig(t, driver(), func(o *lbtest.Options) { o.Program = lbtest.Wrap(t, "haproxy", "ulimit -n 1000") })
	web := lbtest.NewPool(t, "web")
	web.Endpoints = []fleet.Endpoint{lbtest.NewProgram(t, "a").Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")
	before := r.Processes(t)

	r.Detach()
	r.Options.MaxConn = 5000
	r.Attach()
	web.Endpoints = append(web.Endpoints, lbtest.NewProgram(t, "b").Endpoint(fleet.EndpointReady))
	r.WantNext(web)
	r.Ready(web, "b")
	if problem := r.Now().Problem; !strings.Contains(problem, "the new worker did not start") || !strings.Contains(problem, "--haproxy-maxconn") {
		t.Errorf("its problem is %q", problem)
	}
	if now := r.Processes(t); now.Current != before.Current {
		t.Errorf("%+v became %+v", before, now)
	}

	r.Detach()
	r.Options.MaxConn = 400
	r.Attach()
	r.Apply(web)
	has(t, r, "maxconn 400")
	r.Until("all is well", func(a fleet.BalancerActual) bool { return a.Problem == "" })
}
