package haproxy

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/lbtest"
)

// TestReloadedAndStoppedByHand does with HAProxy what an operator can.
func TestReloadedAndStoppedByHand(t *testing.T) {
	t.Parallel()
	r, web := lbtest.Serving(t, driver())
	before := r.Processes(t)
	lbtest.Kill(t, before.Master, syscall.SIGUSR2)
	r.Until("the new worker is the one that is looked at", func(x fleet.BalancerActual) bool {
		now, err := lbOf(r).processes(t.Context())
		return err == nil && now.current != before.Current && now.current != 0 && x.Up && x.Problem == ""
	})
	r.Ready(web, "a")
	r.Answers(web, "a")

	lbtest.Kill(t, before.Master, syscall.SIGTERM)
	r.Until("the end is reported", func(x fleet.BalancerActual) bool { return !x.Up && strings.Contains(x.Problem, "started again") })
	r.Until("it is started again", func(x fleet.BalancerActual) bool { return x.Up && x.Problem == "" })
	r.Ready(web, "a")
	r.Answers(web, "a")
}

// TestAnotherOneStartedByHand starts HAProxy once more, from the same file: both
// would listen on the same ports, and one would never learn anything new.
func TestAnotherOneStartedByHand(t *testing.T) {
	t.Parallel()
	r, web := lbtest.Serving(t, driver())
	former := r.Master(t)
	if err := lbOf(r).launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	lbtest.Poll(t, "the former one is gone", func() bool {
		_, alive := balancer.WorkerOf(former)
		return !alive
	})
	if now := r.Master(t); now == former {
		t.Errorf("%d is the master still", now)
	}
	web.Endpoints = append(web.Endpoints, lbtest.NewProgram(t, "b").Endpoint(fleet.EndpointReady))
	r.Apply(web)
	r.Ready(web, "b")
	lbtest.Set(web, "a", fleet.EndpointDraining)
	r.Apply(web)
	lbtest.Answer(t, web, "b")
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
			r, web := lbtest.Serving(t, driver())
			master := r.Processes(t).Master
			if err := os.Remove(path(lbOf(r))); err != nil {
				t.Fatal(err)
			}
			wayOut := fmt.Sprintf("kill %d", master)
			r.Until("the problem names the socket and the way out", func(x fleet.BalancerActual) bool {
				return x.Up && strings.Contains(x.Problem, path(lbOf(r))) && strings.Contains(x.Problem, wayOut)
			})
			r.Answers(web, "a")
			lbtest.Kill(t, master, syscall.SIGTERM)
			r.Until("it is started again", func(x fleet.BalancerActual) bool { return x.Up && x.Problem == "" })
			r.Ready(web, "a")
			r.Answers(web, "a")
		})
	}
}
