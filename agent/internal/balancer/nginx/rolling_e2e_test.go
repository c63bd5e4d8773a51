//go:build e2e

package nginx

import (
	"fmt"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

const replacements = 10

// roll replaces instances one after the other, each by one that is there
// first, by programs that exit at once when they are told to.
func roll(t *testing.T, r *rig, pool *fleet.Pool, barrier bool) {
	old := []*program{newProgram(t, "v0"), newProgram(t, "w0"), newProgram(t, "x0")}
	for _, p := range old {
		pool.Endpoints = append(pool.Endpoints, p.endpoint(fleet.EndpointReady))
	}
	r.apply(pool)
	for _, p := range old {
		r.ready(pool, p.id)
	}
	l := startLoad(t, address(pool), 16, 50*time.Millisecond)
	idle := startLoad(t, address(pool), 6, 3*time.Second)
	for n := range replacements {
		next, last := newProgram(t, fmt.Sprintf("n%d", n)), old[0]
		old = append(old[1:], next)
		pool.Endpoints = append(pool.Endpoints, next.endpoint(fleet.EndpointReady))
		r.apply(pool)
		r.ready(pool, next.id)
		if n == 3 || n == 7 {
			r.reload()
		}
		set(pool, last.id, fleet.EndpointDraining)
		r.apply(pool)
		if barrier {
			r.drained(pool, last.id)
		}
		last.exit()
		remove(pool, last.id)
		r.apply(pool)
	}
	l.end()
	idle.end()
	sent, failed := l.sent.Load()+idle.sent.Load(), l.failed.Load()+idle.failed.Load()
	t.Logf("%d of %d POSTs failed: %v %v", failed, sent, l.errors, idle.errors)
	if !barrier {
		if failed == 0 {
			t.Error("without the barrier nothing failed: the load proves nothing")
		}
		return
	}
	if failed != 0 {
		t.Error("requests were lost")
	}
}

func TestRollingReplacementsLoseNothing(t *testing.T) {
	r := newRig(t)
	roll(t, r, newPool(t, "web"), true)
}

func TestRollingReplacementsWithoutTheBarrierLose(t *testing.T) {
	r := newRig(t)
	roll(t, r, newPool(t, "web"), false)
}

// TestForcedReloadsLoseNothing reloads while clients are busy, and checks that
// the barrier holds through all the old workers that are left behind.
func TestForcedReloadsLoseNothing(t *testing.T) {
	r := newRig(t)
	web := newPool(t, "web")
	a, b := newProgram(t, "a"), newProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady), b.endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")
	r.ready(web, "b")
	l := startLoad(t, address(web), 16, 50*time.Millisecond)
	idle := startLoad(t, address(web), 6, 4*time.Second)
	master, _ := r.lb.named()
	for range 10 {
		r.reload()
	}
	if now, _ := r.lb.named(); now != master {
		t.Errorf("master %d became %d: a second nginx was started beside the first", master, now)
	}
	set(web, "a", fleet.EndpointDraining)
	r.apply(web)
	r.drained(web, "a")
	a.exit()
	poll(t, "enough was sent after the exit", func() bool { return idle.sent.Load() > 24 })
	l.end()
	idle.end()
	sent, failed := l.sent.Load()+idle.sent.Load(), l.failed.Load()+idle.failed.Load()
	t.Logf("%d of %d POSTs failed: %v %v", failed, sent, l.errors, idle.errors)
	if failed != 0 {
		t.Error("requests were lost")
	}
}
