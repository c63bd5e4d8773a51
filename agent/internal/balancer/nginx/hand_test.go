package nginx

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
	"github.com/musterhq/muster/test/lbtest"
)

// TestReloadedAndStoppedByHand does with nginx what an operator can.
func TestReloadedAndStoppedByHand(t *testing.T) {
	t.Parallel()
	r, web := lbtest.Serving(t, driver())
	r.Reload(t)
	r.Until("the new workers are the ones that are looked at", func(x fleet.BalancerActual) bool { return x.Up && x.Problem == "" })
	r.Ready(web, "a")
	r.Answers(web, "a")
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGQUIT} {
		lbtest.Kill(t, r.Processes(t).Master, signal)
		r.Until("the end is reported", func(x fleet.BalancerActual) bool { return !x.Up && strings.Contains(x.Problem, "started again") })
		r.Until("it is started again", func(x fleet.BalancerActual) bool { return x.Up && x.Problem == "" })
		r.Ready(web, "a")
		r.Answers(web, "a")
	}
}

// TestAnotherOneStartedByHand starts nginx once more, from the same file. It
// finds the ports taken, and the first one goes on.
func TestAnotherOneStartedByHand(t *testing.T) {
	t.Parallel()
	r, web := lbtest.Serving(t, driver())
	former := r.Processes(t).Master
	if err := lbOf(r).run(t.Context(), "-c", lbOf(r).File.Path); err == nil {
		t.Fatal("two of them listen on the same ports")
	}
	web.Endpoints = append(web.Endpoints, lbtest.NewProgram(t, "b").Endpoint(fleet.EndpointReady))
	r.Apply(web)
	r.Ready(web, "b")
	if now := r.Processes(t).Master; now != former {
		t.Errorf("the master is %d, and was %d", now, former)
	}
}

// TestASocketThatIsGone: nobody can make it again for a nginx that runs. That
// one goes on as it is, and its agent says how to go on.
func TestASocketThatIsGone(t *testing.T) {
	t.Parallel()
	r, web := lbtest.Serving(t, driver())
	master := r.Processes(t).Master
	path := lbOf(r).Path(lbconf.NginxStatusSocket)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wayOut := fmt.Sprintf("kill -QUIT %d", master)
	r.Until("the problem names the socket and the way out", func(x fleet.BalancerActual) bool {
		return x.Up && strings.Contains(x.Problem, path) && strings.Contains(x.Problem, wayOut)
	})
	r.Answers(web, "a")
	lbtest.Kill(t, master, syscall.SIGQUIT)
	r.Until("it is started again", func(x fleet.BalancerActual) bool { return x.Up && x.Problem == "" })
	r.Ready(web, "a")
	r.Answers(web, "a")
}

// TestAMasterThatIsKilledLeavesWorkers, which hold its ports: they finish what
// they have, and nginx is started anew beside them.
func TestAMasterThatIsKilledLeavesWorkers(t *testing.T) {
	t.Parallel()
	r, web := lbtest.Serving(t, driver())
	conn, reader := lbtest.OpenSocket(t, lbtest.Address(web))
	before := r.Processes(t)
	lbtest.Kill(t, before.Master, syscall.SIGKILL)
	r.Until("the fall is reported", func(x fleet.BalancerActual) bool { return !x.Up })
	r.Until("it is started again", func(x fleet.BalancerActual) bool { return x.Up && x.Problem == "" })
	r.Answers(web, "a")
	if now := r.Processes(t); now.Master == before.Master {
		t.Error("the master is the same")
	}
	web.Endpoints = append(web.Endpoints, lbtest.NewProgram(t, "b").Endpoint(fleet.EndpointReady))
	r.Apply(web)
	r.Ready(web, "b")
	lbtest.Set(web, "a", fleet.EndpointDraining)
	r.Apply(web)
	lbtest.Answer(t, web, "b")
	if _, err := fmt.Fprintln(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	if line, err := reader.ReadString('\n'); err != nil || line != "hello\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if lbtest.EndpointOf(r.Now(), web.Service, "a").Drained {
		t.Error("drained under a connection of a worker that lost its master")
	}
	conn.Close()
	r.Drained(web, "a")
}

// TestAMasterThatIsKilledWhileTheAgentIsAway: its workers are found by the log
// that they write, and an agent that never saw them otherwise waits for what they
// have: also the one after it, which finds a master again.
func TestAMasterThatIsKilledWhileTheAgentIsAway(t *testing.T) {
	t.Parallel()
	r, web := lbtest.Serving(t, driver())
	conn, _ := lbtest.OpenSocket(t, lbtest.Address(web))
	before := r.Processes(t)
	r.Detach()
	lbtest.Kill(t, before.Master, syscall.SIGKILL)
	r.Answers(web, "a")
	r.Attach()
	r.WantNext(web)
	r.Until("it is started again", func(x fleet.BalancerActual) bool { return x.Up && x.Problem == "" })
	r.Ready(web, "a")
	r.Answers(web, "a")
	web.Endpoints = append(web.Endpoints, lbtest.NewProgram(t, "b").Endpoint(fleet.EndpointReady))
	r.Apply(web)
	r.Ready(web, "b")
	lbtest.Set(web, "a", fleet.EndpointDraining)
	r.Apply(web)
	for range 2 {
		lbtest.Answer(t, web, "b")
		time.Sleep(sequence.MinDrain + time.Second)
		if lbtest.EndpointOf(r.Now(), web.Service, "a").Drained {
			t.Error("drained under a connection of a worker that nobody had seen before")
		}
		r.Detach()
		r.Attach()
		r.Apply(web)
	}
	conn.Close()
	r.Drained(web, "a")
	lbtest.Poll(t, "the former workers are gone", func() bool { return len(lbOf(r).orphans()) == 0 })
}
