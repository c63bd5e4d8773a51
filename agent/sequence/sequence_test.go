package sequence

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

type pools = []fleet.Pool

// started is a balancer with a and b in service at generation 1.
func started(t *testing.T) *fake {
	f := newFake(t)
	f.healthy["a"], f.healthy["b"] = true, true
	f.run(pools{pool(1, ready("a"), ready("b"))})
	f.log = nil
	return f
}

func TestANewServiceEntersInDrain(t *testing.T) {
	f := newFake(t)
	f.healthy["a"] = true
	want := pools{pool(1, ready("a"))}
	turn := f.settle(want)
	if s := f.server(webKey, "a"); s.State != StateDrain {
		t.Errorf("before its check it is %s", s.State)
	}
	if got := reported(turn, webKey).Generation; got != 1 {
		t.Errorf("generation %d is acknowledged: a ready endpoint may wait for its check", got)
	}
	if turn.Wake != FastWake {
		t.Errorf("the next look is in %s", turn.Wake)
	}
	turn = f.run(want)
	if s := f.server(webKey, "a"); s.State != StateReady || s.Weight != 128 {
		t.Errorf("after its check it is %+v", s)
	}
	if f.memory.Filed[0].Endpoints[0].State != fleet.EndpointReady {
		t.Error("the file has not followed")
	}
	if turn.Wake != SlowWake {
		t.Errorf("at rest the next look is in %s", turn.Wake)
	}
}

func TestEndpointsChangeInTheRunningWorker(t *testing.T) {
	f := started(t)
	f.healthy["c"] = true
	f.run(pools{pool(2, draining("a"), ready("b"), ready("c"))})
	if f.reloads != 0 {
		t.Errorf("%d reloads", f.reloads)
	}
	want := []string{
		"set-state shop/web:80/a drain", "add-server shop/web:80/c", "set-state shop/web:80/c drain",
		"enable-health shop/web:80/c", "write", "set-state shop/web:80/c ready", "write",
	}
	if !slices.Equal(f.log, want) {
		t.Errorf("it did\n%s", strings.Join(f.log, "\n"))
	}
}

func TestRoutesAndChecksNeedAReloadAfterRemovals(t *testing.T) {
	f := started(t)
	next := pool(2, draining("a"), ready("b"), ready("c"))
	next.Check.Path = "/x"
	turn := f.settle(pools{next})
	if f.log[0] != "set-state shop/web:80/a drain" || !strings.HasPrefix(f.log[1], "reload: ") || f.reloads != 1 {
		t.Errorf("it did\n%s", strings.Join(f.log, "\n"))
	}
	if got := reported(turn, webKey).Generation; got != 2 {
		t.Errorf("generation %d", got)
	}
	if a, c := f.server(webKey, "a"), f.server(webKey, "c"); a.State != StateDrain || c.State != StateDrain {
		t.Errorf("after the reload: %+v %+v", a, c)
	}
}

func TestAFailingEndpointIsNotTrustedByANewWorker(t *testing.T) {
	f := started(t)
	f.healthy["a"] = false
	f.pass(time.Second)
	next := pool(2, ready("a"), ready("b"))
	next.Check.Path = "/x"
	f.settle(pools{next})
	if a, b := f.server(webKey, "a"), f.server(webKey, "b"); a.State != StateDrain || b.State != StateReady {
		t.Errorf("after the reload: %+v %+v", a, b)
	}
	f.healthy["a"] = true
	f.run(pools{next})
	if a := f.server(webKey, "a"); a.State != StateReady {
		t.Errorf("well again: %+v", a)
	}
}

func TestDrained(t *testing.T) {
	leave := pools{pool(2, draining("a"), ready("b"))}
	until := func(f *fake, limit time.Duration) time.Duration {
		for waited := time.Duration(0); waited <= limit; waited += 100 * time.Millisecond {
			if e, _ := reportedEndpoint(f.settle(leave), "a"); e.Drained {
				return waited
			}
			f.pass(100 * time.Millisecond)
		}
		return -1
	}
	reload := func(f *fake) *fakeWorker { f.old = append(f.old, f.current); f.spawn(); return f.old[0] }
	cases := map[string]struct {
		before, after func(f *fake) // the drain
		want          time.Duration
	}{
		"idle":                            {want: MinDrain},
		"busy to the limit":               {after: func(f *fake) { f.server(webKey, "a").Connections = 1 }, want: fleet.DefaultDrainTimeout},
		"an old worker with idle clients": {before: func(f *fake) { reload(f).sessions[webKey] = 1 }, want: -1},
		"an old worker with clients of another service": {before: func(f *fake) {
			reload(f).sessions[fleet.ServiceKey{Project: "x", Name: "y"}] = 1
		}, want: MinDrain},
		"an old worker that doesn't answer": {before: func(f *fake) { reload(f).mute = true }, want: -1},
		"a reload after the drain":          {after: func(f *fake) { reload(f).sessions[webKey] = 1 }, want: MinDrain},
		"a reload after the drain, busy": {after: func(f *fake) {
			old := reload(f)
			old.sessions[webKey] = 1
			old.servers[ServerKey{webKey, 80, "a"}].Connections = 1
		}, want: fleet.DefaultDrainTimeout},
		"a reload after the drain, silent": {after: func(f *fake) { reload(f).mute = true }, want: fleet.DefaultDrainTimeout},
		"a new agent begins anew": {after: func(f *fake) {
			f.pass(MinDrain - 100*time.Millisecond)
			f.restart()
		}, want: MinDrain},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := started(t)
			if c.before != nil {
				c.before(f)
			}
			f.settle(leave)
			if c.after != nil {
				c.after(f)
			}
			if got := until(f, 2*fleet.DefaultDrainTimeout); got != c.want {
				t.Errorf("drained after %s, want %s", got, c.want)
			}
		})
	}
	t.Run("the old worker ends", func(t *testing.T) {
		f := started(t)
		reload(f).sessions[webKey] = 1
		if got := until(f, time.Minute); got != -1 {
			t.Errorf("drained after %s", got)
		}
		f.old = nil
		if got := until(f, time.Minute); got != 0 {
			t.Errorf("still held for %s", got)
		}
	})
}

func TestWantedReadyAgainIsNeverDrained(t *testing.T) {
	f := started(t)
	leave := pools{pool(2, draining("a"), ready("b"))}
	f.settle(leave)
	f.pass(time.Minute)
	if e, _ := reportedEndpoint(f.settle(leave), "a"); !e.Drained {
		t.Fatal("not drained")
	}
	turn := f.settle(pools{pool(3, ready("a"), ready("b"))})
	if e, _ := reportedEndpoint(turn, "a"); e.Drained || e.State != fleet.EndpointReady {
		t.Errorf("%+v", e)
	}
}

func TestAnEndpointThatLeftIsReportedUntilDrained(t *testing.T) {
	f := started(t)
	f.server(webKey, "a").Connections = 2
	want := pools{pool(2, ready("b"))}
	turn := f.settle(want)
	if e, found := reportedEndpoint(turn, "a"); !found || e.Drained || e.Connections != 2 || e.State != fleet.EndpointPreparing {
		t.Errorf("busy: %+v, %v", e, found)
	}
	if got := reported(turn, webKey).Generation; got != 2 {
		t.Errorf("generation %d", got)
	}
	f.server(webKey, "a").Connections = 0
	turn = f.settle(want)
	if _, found := f.current.servers[ServerKey{webKey, 80, "a"}]; found {
		t.Error("it wasn't deleted")
	}
	if e, found := reportedEndpoint(turn, "a"); !found || e.Drained {
		t.Errorf("too early: %+v, %v", e, found)
	}
	f.pass(MinDrain)
	if e, found := reportedEndpoint(f.settle(want), "a"); found {
		t.Errorf("still there: %+v", e)
	}
}

func TestPreparingGetsNothingAtOnce(t *testing.T) {
	f := started(t)
	f.settle(pools{pool(2, preparing("a"), ready("b"))})
	if a := f.server(webKey, "a"); a.State != StateMaint || f.memory.Filed[0].Endpoints[0].State != fleet.EndpointPreparing {
		t.Errorf("%+v", a)
	}
	f.run(pools{pool(3, ready("a"), ready("b"))})
	if a := f.server(webKey, "a"); a.State != StateReady {
		t.Errorf("back again: %+v", a)
	}
}

func TestOneFailureChecksWaitForAFreshResult(t *testing.T) {
	f := started(t)
	want := pool(2, preparing("a"), ready("b"))
	want.Check.Fall = 1
	f.settle(pools{want})
	f.server(webKey, "a").Kept = 1 // so it isn't made anew
	want = pool(3, ready("a"), ready("b"))
	want.Check.Fall = 1
	f.settle(pools{want})
	f.server(webKey, "a").Check = fleet.CheckPassing // of before
	f.settle(pools{want})
	if a := f.server(webKey, "a"); a.State != StateDrain {
		t.Errorf("trusted an old result: %+v", a)
	}
	f.pass(3 * time.Second)
	f.settle(pools{want})
	if a := f.server(webKey, "a"); a.State != StateReady {
		t.Errorf("%+v", a)
	}
}

func TestAnotherAddressIsCheckedAnew(t *testing.T) {
	f := started(t)
	moved := ready("a")
	moved.Ports = map[int]int{80: 4000}
	want := pools{pool(2, moved, ready("b"))}
	f.settle(want)
	if a := f.server(webKey, "a"); a.Address != "ipv4@10.0.0.1:4000" || a.State != StateDrain {
		t.Errorf("%+v", a)
	}
	f.run(want)
	if a := f.server(webKey, "a"); a.State != StateReady || f.reloads != 0 {
		t.Errorf("%+v", a)
	}
}

func TestUnknownChangesNothing(t *testing.T) {
	f := started(t)
	f.memory = Memory{Filed: f.memory.Filed, Structure: "another"}
	if turn := f.settle(nil); len(f.log) != 0 || reported(turn, webKey).Generation != 0 {
		t.Errorf("%v", f.log)
	}
	f.memory.Structure = f.current.structure
	if turn := f.settle(nil); reported(turn, webKey).Generation != 1 {
		t.Errorf("what the file and the worker have is not acknowledged: %+v", turn.Report)
	}
	f.crash()
	f.settle(nil)
	if !f.up || f.server(webKey, "a").State != StateReady {
		t.Error("it wasn't started from its file")
	}
}

func TestLeavingOutIsNotRemoving(t *testing.T) {
	f := started(t)
	turn := f.settle(pools{})
	if len(f.log) != 0 || reported(turn, webKey).Generation != 1 {
		t.Errorf("%v %+v", f.log, turn.Report)
	}
	gone := fleet.Pool{Service: webKey, Generation: 2, Removed: true}
	turn = f.settle(pools{gone})
	if reported(turn, webKey).Generation != 2 || len(f.current.servers) != 0 {
		t.Errorf("%+v", turn.Report)
	}
	if turn = f.settle(pools{}); len(turn.Report) != 0 || len(f.memory.Filed) != 0 {
		t.Errorf("%+v", turn.Report)
	}
}

func TestAfterACrashNobodyIsRevived(t *testing.T) {
	f := started(t)
	f.crash()
	f.healthy["c"] = true
	turn := f.turn(pools{pool(2, draining("a"), ready("b"), ready("c"))})
	if a, b, c := f.server(webKey, "a"), f.server(webKey, "b"), f.server(webKey, "c"); a.State != StateDrain || b.State != StateReady || c.State != StateDrain {
		t.Errorf("%+v %+v %+v", a, b, c)
	}
	if got := reported(turn, webKey).Generation; got != 1 {
		t.Errorf("generation %d acknowledged before it was seen", got)
	}
}

func TestARejectedPoolKeepsItsSectionAndItsRemovals(t *testing.T) {
	f := started(t)
	f.healthy["c"] = true
	bad := pool(2, draining("a"), ready("b"), ready("c"))
	bad.Check.Path = "/bad"
	f.memory = f.memory.Reject(bad, "no", f.now)
	turn := f.run(pools{bad})
	p := reported(turn, webKey)
	if f.reloads != 0 || p.Generation != 1 || p.Removals != 2 || p.Problem != "no" {
		t.Errorf("%d reloads, %+v", f.reloads, p)
	}
	if a, c := f.server(webKey, "a"), f.server(webKey, "c"); a.State != StateDrain || c.State != StateReady {
		t.Errorf("%+v %+v", a, c)
	}
	if f.memory.Filed[0].Check.Path != "" || f.memory.Filed[0].Endpoints[0].State != fleet.EndpointDraining {
		t.Errorf("the file has %+v", f.memory.Filed[0])
	}
	f.pass(time.Minute)
	turn = f.turn(pools{bad})
	if f.reloads != 1 || reported(turn, webKey).Problem != "no" {
		t.Error("it isn't tried again, or its problem is forgotten too early")
	}
	if turn = f.settle(pools{bad}); reported(turn, webKey).Problem != "" || reported(turn, webKey).Generation != 2 || reported(turn, webKey).Removals != 0 {
		t.Errorf("%+v", turn.Report)
	}
}

// A pool that was never taken sends to nobody: whoever is to leave has left.
func TestAPoolThatWasNeverTakenHasNobodyToLose(t *testing.T) {
	f := started(t)
	other := pool(3, draining("x"))
	other.Service.Name = "never"
	f.memory = f.memory.Reject(other, "no", f.now)
	p := reported(f.run(pools{pool(1, ready("a"), ready("b")), other}), other.Service)
	if p.Generation != 0 || p.Removals != 3 || len(p.Endpoints) != 0 || p.Problem != "no" {
		t.Errorf("%+v", p)
	}
}

func TestARejectedPoolIsTriedEverMoreSeldom(t *testing.T) {
	var m Memory
	now := time.Unix(0, 0)
	var waits []time.Duration
	for _, generation := range []uint64{1, 1, 1, 1, 1, 1, 2, 2} {
		m = m.Reject(pool(generation), "no", now)
		waits = append(waits, m.Rejected[webKey].Retry.Sub(now))
		now = m.Rejected[webKey].Retry
	}
	s := time.Second
	if want := []time.Duration{5 * s, 10 * s, 20 * s, 40 * s, 60 * s, 60 * s, 5 * s, 10 * s}; !slices.Equal(waits, want) {
		t.Errorf("tried again after %v, want %v", waits, want)
	}
}

func TestAStaleFileIsWrittenAgain(t *testing.T) {
	f := started(t)
	f.memory.Stale = true
	f.settle(pools{pool(1, ready("a"), ready("b"))})
	if !slices.Equal(f.log, []string{"write"}) {
		t.Errorf("%v", f.log)
	}
}

func TestACommandThatFailsPromisesNothing(t *testing.T) {
	f := started(t)
	f.deaf = true
	want := pools{pool(2, draining("a"), ready("b"))}
	for range 5 {
		f.turn(want)
		f.pass(time.Minute)
	}
	turn := f.turn(want)
	if e, _ := reportedEndpoint(turn, "a"); e.Drained || e.State != fleet.EndpointReady || reported(turn, webKey).Generation != 1 {
		t.Errorf("%+v", turn.Report)
	}
	if f.memory.Filed[0].Endpoints[0].State != fleet.EndpointDraining {
		t.Error("the file would revive it")
	}
}
