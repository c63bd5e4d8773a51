package nginx

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// served is a rig whose nginx sends to one program.
func served(t *testing.T) (*rig, *fleet.Pool) {
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

func kill(t *testing.T, pid int, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, signal); err != nil {
		t.Fatal(err)
	}
}

// TestReloadedAndStoppedByHand does with nginx what an operator can.
func TestReloadedAndStoppedByHand(t *testing.T) {
	t.Parallel()
	r, web := served(t)
	r.reload()
	r.until("the new workers are the ones that are looked at", func(x fleet.BalancerActual) bool { return x.Up && x.Problem == "" })
	r.ready(web, "a")
	r.answers(web, "a")
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGQUIT} {
		kill(t, r.pids().master, signal)
		r.until("the end is reported", func(x fleet.BalancerActual) bool { return !x.Up && strings.Contains(x.Problem, "started again") })
		r.until("it is started again", func(x fleet.BalancerActual) bool { return x.Up && x.Problem == "" })
		r.ready(web, "a")
		r.answers(web, "a")
	}
}

// TestAnotherOneStartedByHand starts nginx once more, from the same file. It
// finds the ports taken, and the first one goes on.
func TestAnotherOneStartedByHand(t *testing.T) {
	t.Parallel()
	r, web := served(t)
	former := r.pids().master
	if err := r.lb.run(t.Context(), "-c", r.lb.File.Path); err == nil {
		t.Fatal("two of them listen on the same ports")
	}
	web.Endpoints = append(web.Endpoints, newProgram(t, "b").endpoint(fleet.EndpointReady))
	r.apply(web)
	r.ready(web, "b")
	if now := r.pids().master; now != former {
		t.Errorf("the master is %d, and was %d", now, former)
	}
}

// TestASocketThatIsGone: nobody can make it again for a nginx that runs. That
// one goes on as it is, and its agent says how to go on.
func TestASocketThatIsGone(t *testing.T) {
	t.Parallel()
	r, web := served(t)
	master := r.pids().master
	path := r.lb.Path(lbconf.NginxStatusSocket)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wayOut := fmt.Sprintf("kill -QUIT %d", master)
	r.until("the problem names the socket and the way out", func(x fleet.BalancerActual) bool {
		return x.Up && strings.Contains(x.Problem, path) && strings.Contains(x.Problem, wayOut)
	})
	r.answers(web, "a")
	kill(t, master, syscall.SIGQUIT)
	r.until("it is started again", func(x fleet.BalancerActual) bool { return x.Up && x.Problem == "" })
	r.ready(web, "a")
	r.answers(web, "a")
}

// TestAMasterThatIsKilledLeavesWorkers, which hold its ports: they finish what
// they have, and nginx is started anew beside them.
func TestAMasterThatIsKilledLeavesWorkers(t *testing.T) {
	t.Parallel()
	r, web := served(t)
	conn, reader := openSocket(t, address(web))
	before := r.pids()
	kill(t, before.master, syscall.SIGKILL)
	r.until("the fall is reported", func(x fleet.BalancerActual) bool { return !x.Up })
	r.until("it is started again", func(x fleet.BalancerActual) bool { return x.Up && x.Problem == "" })
	r.answers(web, "a")
	if now := r.pids(); now.master == before.master {
		t.Error("the master is the same")
	}
	web.Endpoints = append(web.Endpoints, newProgram(t, "b").endpoint(fleet.EndpointReady))
	r.apply(web)
	r.ready(web, "b")
	set(web, "a", fleet.EndpointDraining)
	r.apply(web)
	answersAlone(t, web, "b")
	if _, err := fmt.Fprintln(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	if line, err := reader.ReadString('\n'); err != nil || line != "hello\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if endpointOf(r.now(), web.Service, "a").Drained {
		t.Error("drained under a connection of a worker that lost its master")
	}
	conn.Close()
	r.drained(web, "a")
}

// TestAMasterThatIsKilledWhileTheAgentIsAway: its workers are found by the log
// that they write, and an agent that never saw them otherwise waits for what they
// have: also the one after it, which finds a master again.
func TestAMasterThatIsKilledWhileTheAgentIsAway(t *testing.T) {
	t.Parallel()
	r, web := served(t)
	conn, _ := openSocket(t, address(web))
	before := r.pids()
	r.detach()
	kill(t, before.master, syscall.SIGKILL)
	r.answers(web, "a")
	r.attach()
	r.want(web)
	r.until("it is started again", func(x fleet.BalancerActual) bool { return x.Up && x.Problem == "" })
	r.ready(web, "a")
	r.answers(web, "a")
	web.Endpoints = append(web.Endpoints, newProgram(t, "b").endpoint(fleet.EndpointReady))
	r.apply(web)
	r.ready(web, "b")
	set(web, "a", fleet.EndpointDraining)
	r.apply(web)
	for range 2 {
		answersAlone(t, web, "b")
		time.Sleep(sequence.MinDrain + time.Second)
		if endpointOf(r.now(), web.Service, "a").Drained {
			t.Error("drained under a connection of a worker that nobody had seen before")
		}
		r.detach()
		r.attach()
		r.apply(web)
	}
	conn.Close()
	r.drained(web, "a")
	poll(t, "the former workers are gone", func() bool { return len(r.lb.orphans()) == 0 })
}

// TestKilledInAReload ends nginx at several moments of a reload: it comes
// back with what is wanted, and no service gets the blame.
func TestKilledInAReload(t *testing.T) {
	t.Parallel()
	r, web := served(t)
	for round := range 4 {
		// Another port needs a reload.
		web.Routes[0].Listen = []int{freePort(t)}
		before, master := r.reloads.Load(), r.pids().master
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
