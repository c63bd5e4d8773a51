package haproxy

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/shared/fleet"
)

// serving is a rig whose HAProxy sends to one program.
func serving(t *testing.T) (*rig, *fleet.Pool) {
	t.Helper()
	r, web := newRig(t), newPool(t, "web")
	web.Endpoints = []fleet.Endpoint{newProgram(t, "a").endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")
	return r, web
}

// answers waits until requests get through: a worker that outlives its master
// for a moment takes some with it.
func (r *rig) answers(pool *fleet.Pool, want string) {
	r.t.Helper()
	poll(r.t, want+" answers", func() bool {
		c := &client{address: address(pool)}
		defer c.close()
		who, err := c.post("/")
		return err == nil && who == want
	})
}

// answersAlone asks ten times, and wants the same answer each time.
func answersAlone(t *testing.T, pool *fleet.Pool, want string) {
	t.Helper()
	c := &client{address: address(pool)}
	defer c.close()
	for range 10 {
		if who, err := c.post("/"); err != nil || who != want {
			t.Fatalf("answered by %q, %v; want %s", who, err, want)
		}
	}
}

// master is HAProxy's first process, once it answers.
func (r *rig) master() (pid int) {
	r.t.Helper()
	poll(r.t, "HAProxy answers", func() bool {
		now, err := r.lb.processes(context.Background())
		pid = now.master
		return err == nil && pid != 0
	})
	return pid
}

func kill(t *testing.T, pid int, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, signal); err != nil {
		t.Fatal(err)
	}
}

// TestReloadedAndStoppedByHand does with HAProxy what an operator can.
func TestReloadedAndStoppedByHand(t *testing.T) {
	t.Parallel()
	r, web := serving(t)
	before := r.pids()
	kill(t, before.master, syscall.SIGUSR2)
	r.until("the new worker is the one that is looked at", func(x fleet.BalancerActual) bool {
		now, err := r.lb.processes(t.Context())
		return err == nil && now.current != before.current && now.current != 0 && x.Up && x.Problem == ""
	})
	r.ready(web, "a")
	r.answers(web, "a")

	kill(t, before.master, syscall.SIGTERM)
	r.until("the end is reported", func(x fleet.BalancerActual) bool { return !x.Up && strings.Contains(x.Problem, "started again") })
	r.until("it is started again", func(x fleet.BalancerActual) bool { return x.Up && x.Problem == "" })
	r.ready(web, "a")
	r.answers(web, "a")
}

// TestAnotherOneStartedByHand starts HAProxy once more, from the same file: both
// would listen on the same ports, and one would never learn anything new.
func TestAnotherOneStartedByHand(t *testing.T) {
	t.Parallel()
	r, web := serving(t)
	former := r.master()
	if err := r.lb.launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	poll(t, "the former one is gone", func() bool {
		_, alive := balancer.WorkerOf(former)
		return !alive
	})
	if now := r.master(); now == former {
		t.Errorf("%d is the master still", now)
	}
	web.Endpoints = append(web.Endpoints, newProgram(t, "b").endpoint(fleet.EndpointReady))
	r.apply(web)
	r.ready(web, "b")
	set(web, "a", fleet.EndpointDraining)
	r.apply(web)
	answersAlone(t, web, "b")
}

// TestASocketThatIsGone: nobody can make it again for a HAProxy that runs. That
// one goes on as it is, and its agent says how to go on.
func TestASocketThatIsGone(t *testing.T) {
	t.Parallel()
	for what, path := range map[string]func(*Balancer) string{
		"master": func(b *Balancer) string { return string(b.master) },
		"worker": func(b *Balancer) string { return string(b.runtime) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r, web := serving(t)
			master := r.pids().master
			if err := os.Remove(path(r.lb)); err != nil {
				t.Fatal(err)
			}
			wayOut := fmt.Sprintf("kill %d", master)
			r.until("the problem names the socket and the way out", func(x fleet.BalancerActual) bool {
				return x.Up && strings.Contains(x.Problem, path(r.lb)) && strings.Contains(x.Problem, wayOut)
			})
			r.answers(web, "a")
			kill(t, master, syscall.SIGTERM)
			r.until("it is started again", func(x fleet.BalancerActual) bool { return x.Up && x.Problem == "" })
			r.ready(web, "a")
			r.answers(web, "a")
		})
	}
}

// TestKilledInAReload ends HAProxy at several moments of a reload: it comes
// back with what is wanted, and no service gets the blame.
func TestKilledInAReload(t *testing.T) {
	t.Parallel()
	r, web := serving(t)
	for round := range 4 {
		// Another port needs a reload.
		web.Routes[0].Listen = []int{freePort(t)}
		before, master := r.reloads.Load(), r.master()
		r.want(web)
		poll(t, "a reload begins", func() bool { return r.reloads.Load() > before })
		balancer.Pause(t.Context(), shortPause*2*time.Duration(round)) // from its beginning to its end
		kill(t, master, syscall.SIGKILL)
		r.until("what is wanted is there", func(x fleet.BalancerActual) bool {
			return x.Up && x.Problem == "" && poolOf(x, web.Service).Generation == web.Generation
		})
		r.ready(web, "a")
		r.answers(web, "a")
	}
	if n := r.blames.Load(); n > 0 {
		t.Errorf("%d times a service was rejected for it", n)
	}
}
