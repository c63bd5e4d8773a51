package lbtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

const replacements = 10

// roll replaces instances one after the other, each by one that is there
// first, by programs that exit at once when they are told to.
func roll(t *testing.T, d Driver, barrier bool) {
	r, pool := NewRig(t, d), NewPool(t, "web")
	old := []*Program{NewProgram(t, "v0"), NewProgram(t, "w0"), NewProgram(t, "x0")}
	for _, p := range old {
		pool.Endpoints = append(pool.Endpoints, p.Endpoint(fleet.EndpointReady))
	}
	r.Apply(pool)
	for _, p := range old {
		r.Ready(pool, p.ID)
	}
	l := d.startLoad(t, Address(pool), 16, 50*time.Millisecond)
	idle := d.startLoad(t, Address(pool), 6, 3*time.Second)
	for n := range replacements {
		next, last := NewProgram(t, fmt.Sprintf("n%d", n)), old[0]
		old = append(old[1:], next)
		pool.Endpoints = append(pool.Endpoints, next.Endpoint(fleet.EndpointReady))
		r.Apply(pool)
		r.Ready(pool, next.ID)
		if n == 3 || n == 7 {
			r.Reload(t)
		}
		Set(pool, last.ID, fleet.EndpointDraining)
		r.Apply(pool)
		if barrier {
			r.Drained(pool, last.ID)
		}
		last.Exit()
		Remove(pool, last.ID)
		r.Apply(pool)
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

// RollingReplacementsLoseNothing as each waits until its predecessor is drained.
func RollingReplacementsLoseNothing(t *testing.T, d Driver) { roll(t, d, true) }

// RollingReplacementsWithoutTheBarrierLose some, so the load proves something.
func RollingReplacementsWithoutTheBarrierLose(t *testing.T, d Driver) { roll(t, d, false) }

// ForcedReloadsLoseNothing reloads while clients are busy, and checks that
// the barrier holds through all the old workers that are left behind.
func ForcedReloadsLoseNothing(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web := NewPool(t, "web")
	a, b := NewProgram(t, "a"), NewProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady), b.Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")
	r.Ready(web, "b")
	l := d.startLoad(t, Address(web), 16, 50*time.Millisecond)
	idle := d.startLoad(t, Address(web), 6, 4*time.Second)
	master := r.Named()
	for range 10 {
		r.Reload(t)
	}
	if now := r.Named(); now != master {
		t.Errorf("master %d became %d: a second one was started beside the first", master, now)
	}
	Set(web, "a", fleet.EndpointDraining)
	r.Apply(web)
	r.Drained(web, "a")
	a.Exit()
	Poll(t, "enough was sent after the exit", func() bool { return idle.sent.Load() > 24 })
	l.end()
	idle.end()
	sent, failed := l.sent.Load()+idle.sent.Load(), l.failed.Load()+idle.failed.Load()
	t.Logf("%d of %d POSTs failed: %v %v", failed, sent, l.errors, idle.errors)
	if failed != 0 {
		t.Error("requests were lost")
	}
}
