package lbtest

import (
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// ACrashedOneComesBackAsItWas and sends nothing to who drained before.
func ACrashedOneComesBackAsItWas(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web := NewPool(t, "web")
	a, b := NewProgram(t, "a"), NewProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady), b.Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")
	r.Ready(web, "b")
	Set(web, "a", fleet.EndpointDraining)
	r.Apply(web)
	before := r.Processes(t)
	Kill(t, before.Master, syscall.SIGKILL)
	r.Until("the fall is reported", func(x fleet.BalancerActual) bool { return !x.Up && x.Problem != "" })
	r.Until("up again", func(x fleet.BalancerActual) bool { return x.Up && x.Problem == "" })
	if now := r.Processes(t); now.Master == before.Master {
		t.Error("the master is the same")
	}
	Answer(t, web, "b")
}

// ANewAgentAdopts the program that its predecessor left, as it is.
func ANewAgentAdopts(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web := NewPool(t, "web")
	a := NewProgram(t, "a")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")
	before := r.Processes(t)
	r.Detach()
	r.Attach()
	r.Until("acknowledged before anything is wanted", func(x fleet.BalancerActual) bool {
		return x.Up && PoolOf(x, web.Service).Generation == web.Generation
	})
	r.Apply(web)
	r.Ready(web, "a")
	if now := r.Processes(t); now.Master != before.Master || now.Current != before.Current {
		t.Errorf("%+v became %+v", before, now)
	}
}

// KilledInAReload ends the program at several moments of one: its agent notices at once, it
// comes back with what is wanted, and no service gets the blame.
func KilledInAReload(t *testing.T, d Driver) {
	r, web := Serving(t, d)
	for round := range 4 {
		// Another port needs a reload.
		web.Routes[0].Listen = []int{FreePort(t)}
		before, master := r.Reloads.Load(), r.Master(t)
		r.WantNext(web)
		Poll(t, "a reload begins", func() bool { return r.Reloads.Load() > before })
		time.Sleep(40 * time.Millisecond * time.Duration(round)) // from its beginning to its end
		Kill(t, master, syscall.SIGKILL)
		r.Until("what is wanted is there", func(x fleet.BalancerActual) bool {
			return x.Up && x.Problem == "" && PoolOf(x, web.Service).Generation == web.Generation
		})
		r.Ready(web, "a")
		r.Answers(web, "a")
	}
	if n := r.blames.Load(); n > 0 {
		t.Errorf("%d times a service was rejected for it", n)
	}
	if n := r.vain.Load(); n > 0 {
		t.Errorf("%d times a reload was waited for that nobody carried out any more", n)
	}
}
