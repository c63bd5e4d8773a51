package haproxy

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// has waits until the worker runs with a file that has the line.
func (r *rig) has(line string) {
	r.t.Helper()
	poll(r.t, "the worker has "+line, func() bool {
		answer, err := r.lb.runtime.ask(context.Background(), "get var "+lbconf.StructureVar)
		_, value, _ := strings.Cut(answer, "value=<")
		structure, _, _ := strings.Cut(value, ">")
		file, failed := os.ReadFile(r.lb.File.Path)
		return err == nil && failed == nil && strings.Contains(string(file), "    "+line+"\n") &&
			strings.Contains(string(file), "str("+structure+")")
	})
}

func (r *rig) reloaded(times int64) {
	r.t.Helper()
	if n := r.reloads.Swap(0); n != times {
		r.t.Errorf("%d reloads, want %d", n, times)
	}
}

// An old worker ends by the time that it was started with, so the longest
// drain of all services is a reload's business; any other drain isn't.
func TestTheLongestDrainReachesTheWorker(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web, api := newPool(t, "web"), newPool(t, "api")
	web.Endpoints = []fleet.Endpoint{newProgram(t, "a").endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")
	r.has("hard-stop-after 30000ms")
	web.DrainTimeout = fleet.Duration(10 * time.Minute)
	r.apply(web)
	r.has("hard-stop-after 600000ms")
	r.reloaded(1)
	r.apply(api, web) // for its listener
	r.reloaded(1)
	api.DrainTimeout = fleet.Duration(time.Minute)
	r.apply(api, web)
	r.reloaded(0)
	web.Removed, web.Endpoints = true, nil
	r.apply(api, web)
	r.has("hard-stop-after 60000ms")
	r.reloaded(1)
	r.apply(api)
	r.reloaded(0)
}

func TestChangedSettingsReachTheWorker(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	r.apply(web)
	r.maxConn = 500
	for _, reloads := range []int64{1, 0} { // the same settings reload nothing
		r.detach()
		r.attach()
		r.apply(web)
		r.has("maxconn 500")
		r.reloaded(reloads)
	}
	info, err := r.lb.runtime.ask(context.Background(), "show info")
	if err != nil || line(info, "Maxconn: ") != "500" {
		t.Errorf("the worker has %q, %v", line(info, "Maxconn: "), err)
	}
}

func TestSettingsThatFailHoldUpNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.binary = wrap(t, "ulimit -n 1000") })
	web := newPool(t, "web")
	web.Endpoints = []fleet.Endpoint{newProgram(t, "a").endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")
	before := r.pids()

	r.detach()
	r.maxConn = 5000
	r.attach()
	web.Endpoints = append(web.Endpoints, newProgram(t, "b").endpoint(fleet.EndpointReady))
	r.want(web)
	r.ready(web, "b")
	if problem := r.now().Problem; !strings.Contains(problem, "the new worker did not start") || !strings.Contains(problem, "--haproxy-maxconn") {
		t.Errorf("its problem is %q", problem)
	}
	if now := r.pids(); now.current != before.current {
		t.Errorf("%+v became %+v", before, now)
	}

	r.detach()
	r.maxConn = 400
	r.attach()
	r.apply(web)
	r.has("maxconn 400")
	r.until("all is well", func(a fleet.BalancerActual) bool { return a.Problem == "" })
}
