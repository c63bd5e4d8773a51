package haproxy

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/lbtest"
)

// What a turn did besides a rejection is looked at without a pause.
func TestARejectionHoldsUpNobody(t *testing.T) {
	t.Parallel()
	r := lbtest.NewRig(t, driver())
	web := lbtest.NewPool(t, "web")
	a := lbtest.NewProgram(t, "a")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Detach()
	web.Check.Interval = fleet.Duration(1000 * time.Hour)
	r.WantNext(web)
	pause := lbOf(r).step(context.Background())
	if len(lbOf(r).Memory.Rejected) != 1 || pause >= balancer.RetryPause {
		t.Errorf("%+v, and a pause of %s", lbOf(r).Memory.Rejected, pause)
	}
}

// Only what has changed can be at fault: the checker isn't asked about the rest.
func TestOnlyChangedPoolsAreSuspected(t *testing.T) {
	options := DefaultOptions()
	options.Dir = t.TempDir()
	options.Binary = lbtest.Wrap(t, "haproxy", `echo >> "$0.runs"`)
	lb, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		pool := lbtest.NewPool(t, name)
		pool.Endpoints = []fleet.Endpoint{lbtest.NewProgram(t, name).Endpoint(fleet.EndpointReady)}
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
