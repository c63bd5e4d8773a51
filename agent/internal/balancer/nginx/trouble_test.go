package nginx

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/lbtest"
)

// bad is a snippet that only nginx knows to be wrong.
const bad = "add_header X-A;"

// Two services want the same port: the one that has it goes on.
func TestTwoServicesOnOneListener(t *testing.T) {
	t.Parallel()
	r := lbtest.NewRig(t, driver())
	web, api := lbtest.NewPool(t, "web"), lbtest.NewPool(t, "api")
	web.Endpoints = []fleet.Endpoint{lbtest.NewProgram(t, "a").Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")
	api.Routes[0].Listen = web.Routes[0].Listen
	api.Endpoints = []fleet.Endpoint{lbtest.NewProgram(t, "c").Endpoint(fleet.EndpointReady)}
	r.WantNext(api, web)
	r.Until("the conflict is reported", func(x fleet.BalancerActual) bool {
		return strings.Contains(lbtest.PoolOf(x, api.Service).Problem, "belongs to")
	})
	lbtest.Answer(t, web, "a")
	if problem := lbtest.PoolOf(r.Now(), web.Service).Problem; problem != "" {
		t.Errorf("the one that has it gets the blame: %s", problem)
	}
}

// What a turn did besides a rejection is looked at without a pause.
func TestARejectionHoldsUpNobody(t *testing.T) {
	t.Parallel()
	r := lbtest.NewRig(t, driver())
	web := lbtest.NewPool(t, "web")
	a := lbtest.NewProgram(t, "a")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")
	r.Detach()
	t.Cleanup(lbOf(r).checker.stop)
	web.Routes[0].Snippets = map[string]string{Driver: bad}
	r.WantNext(web)
	lbtest.Poll(t, "it is rejected", func() bool {
		pause := lbOf(r).step(context.Background())
		return len(lbOf(r).Memory.Rejected) == 1 && pause < balancer.RetryPause
	})
}

// Only what has changed can be at fault: the checker isn't asked about the rest.
func TestOnlyChangedPoolsAreSuspected(t *testing.T) {
	options := DefaultOptions()
	options.Dir = t.TempDir()
	options.Binary = lbtest.Wrap(t, tested, `echo >> "$0.runs"`)
	lb, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	if err := balancer.MakeDir(options.Dir + "/temp"); err != nil {
		t.Fatal(err)
	}
	if err := lb.lookAtProgram(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		pool := lbtest.NewPool(t, name)
		pool.Endpoints = []fleet.Endpoint{lbtest.NewProgram(t, name).Endpoint(fleet.EndpointReady)}
		lb.Memory.Filed = append(lb.Memory.Filed, *pool)
	}
	want := slices.Clone(lb.Memory.Filed)
	want[1].Generation, want[1].DrainTimeout = 2, fleet.Duration(time.Minute)
	want[3].Generation, want[3].Routes = 2, slices.Clone(want[3].Routes)
	want[3].Routes[0].Snippets = map[string]string{Driver: bad}
	if !lb.isolate(context.Background(), sequence.Action{Pools: want}) {
		t.Error("nobody is rejected")
	}
	for key, rejection := range lb.Memory.Rejected {
		if key != want[3].Service || rejection.Generation != 2 {
			t.Errorf("%s is rejected: %+v", key, rejection)
		}
	}
	if runs, err := os.ReadFile(options.Binary + ".runs"); err != nil || len(runs) != 3 { // one asks for the version
		t.Errorf("nginx ran %d times, %v; want 3", len(runs), err)
	}
}
