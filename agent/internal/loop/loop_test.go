package loop_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/loop"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestInstancesComeUpAndGo(t *testing.T) {
	r := run(t, nil)
	r.loop.Connected("s1")
	r.send(fleet.GoalRun, "a-1", "b-1")
	r.until("both are ready", func() bool { return r.ready() == 2 })
	a := r.actual()
	if a.Observed.Generation != 1 || a.Session != "s1" || !a.Engine.Up {
		t.Errorf("reported %+v", a)
	}
	r.until("the machine is told of", func() bool { a := r.actual(); return a.Facts.Hostname == "one" && a.Foreign.Memory == 5 })
	var presence fleet.Presence
	if _, err := wire.Open(r.link.last(wire.LeafPresence), &presence); err != nil || presence.Observed.Generation != 1 {
		t.Errorf("presence %+v, %v", presence, err)
	}
	var batch fleet.EventBatch
	r.until("events are sent", func() bool {
		_, err := wire.Open(r.link.last(wire.LeafEvents), &batch)
		return err == nil && len(batch.Events) == 2
	})
	r.message(wire.LeafAck, 0, fleet.Ack{Session: "s1", Actual: 99, Events: 2})
	r.until("the hub's answer counts", func() bool { r.link.mu.Lock(); defer r.link.mu.Unlock(); return r.link.echoes == 1 })

	r.send(fleet.GoalStop, "a-1", "b-1")
	r.until("both are gone", func() bool {
		a := r.actual()
		return len(a.Instances) == 2 && a.Instances[0].Phase == fleet.PhaseStopped && a.Instances[1].Phase == fleet.PhaseStopped
	})
}

func TestADeathIsSeenAtOnce(t *testing.T) {
	r := run(t, func(o *loop.Options, _ *rig) { o.Timing.Resync = time.Hour })
	r.loop.Connected("s1")
	r.send(fleet.GoalRun, "a-1")
	r.until("it is ready", func() bool { return r.ready() == 1 })
	r.engine.exit("c-a-1")
	r.until("it is started again", func() bool {
		a := r.actual()
		return len(a.Instances) == 1 && a.Instances[0].Restarts == 1 && a.Instances[0].Ready
	})
}

func TestResyncFindsWhatNoEventTold(t *testing.T) {
	r := run(t, func(o *loop.Options, _ *rig) { o.Timing.Resync = 20 * time.Millisecond })
	r.loop.Connected("s1")
	r.send(fleet.GoalRun, "a-1")
	r.until("it is ready", func() bool { return r.ready() == 1 })
	r.engine.set(func() { delete(r.engine.boxes, "c-a-1") })
	r.until("it is made anew", func() bool { return r.actual().Instances[0].Incarnation == 2 && r.ready() == 1 })
}

func TestEngineThatFalls(t *testing.T) {
	r := run(t, func(o *loop.Options, _ *rig) {
		o.Timing.Resync, o.Timing.Relist = 20*time.Millisecond, 10*time.Millisecond
	})
	r.loop.Connected("s1")
	r.send(fleet.GoalRun, "a-1")
	r.until("it is ready", func() bool { return r.ready() == 1 })
	r.engine.set(func() { r.engine.down = true })
	r.until("the silence is told", func() bool { return !r.actual().Engine.Up })
	if r.ready() != 1 {
		t.Error("silence made it unready")
	}
	broken := r.engine.broken
	r.engine.set(func() { r.engine.down = false; r.engine.broken = make(chan struct{}) })
	close(broken)
	r.until("it is back", func() bool { return r.actual().Engine.Up })
}

func TestOperationsAreBounded(t *testing.T) {
	r := run(t, nil)
	r.engine.set(func() { r.engine.block = make(chan struct{}) })
	var ids []string
	for i := range 10 {
		ids = append(ids, string(rune('a'+i))+"-1")
	}
	r.send(fleet.GoalRun, ids...)
	busy := func() int { r.engine.mu.Lock(); defer r.engine.mu.Unlock(); return r.engine.busy }
	r.until("containers are made", func() bool { return busy() == 8 })
	r.loop.Connected("s1")
	close(r.engine.block)
	r.until("all are ready", func() bool { return r.ready() == 10 })
	if r.engine.most > 8 {
		t.Errorf("%d operations at once", r.engine.most)
	}
}

func TestAFullDiskLosesWhatNothingNeeds(t *testing.T) {
	r := run(t, func(o *loop.Options, _ *rig) {
		o.Timing.Disk, o.Brain.Timing.Clean = 5*time.Millisecond, time.Millisecond
		o.Disk = func(context.Context) (brain.DiskRead, error) { return brain.DiskRead{Used: 99, Size: 100}, nil }
	})
	r.loop.Connected("s1")
	r.send(fleet.GoalRun, "a-1")
	r.until("it is ready", func() bool { return r.ready() == 1 })
	r.send(fleet.GoalStop, "a-1")
	r.until("it is stopped", func() bool { return slices.Contains(r.engine.done(), "remove a-1") })
	r.gen++
	r.message(wire.LeafDesired, r.gen, fleet.Desired{Host: "h1"})
	r.until("its image is removed", func() bool { return slices.Contains(r.engine.done(), "remove-image sha256:aaa") })
	if did := r.engine.done(); slices.Index(did, "remove-image sha256:aaa") < slices.Index(did, "remove a-1") {
		t.Errorf("it did %v", did)
	}
}

func TestSavedBeforeAnythingFollows(t *testing.T) {
	var mu sync.Mutex
	var order []string
	note := func(what string) { mu.Lock(); defer mu.Unlock(); order = append(order, what) }
	r := run(t, func(o *loop.Options, r *rig) {
		r.store.log = note
		o.Reached = note
	})
	r.loop.Connected("s1")
	r.send(fleet.GoalRun, "a-1")
	r.until("it is ready", func() bool { return r.ready() == 1 })
	mu.Lock()
	defer mu.Unlock()
	first := slices.Index(order, loop.PointAfterOp)
	if i := slices.Index(order, "save"); i < 0 || i > first || order[0] != loop.PointBeforeSave {
		t.Errorf("order %v", order)
	}
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	if len(r.store.saved.Desired) == 0 || len(r.store.saved.Instances["a-1"].Ports) != 1 {
		t.Errorf("saved %+v", r.store.saved)
	}
}

func TestFullDiskIsNotAccepted(t *testing.T) {
	r := run(t, func(_ *loop.Options, r *rig) { r.store.full = true })
	r.loop.Connected("s1")
	r.send(fleet.GoalRun, "a-1")
	r.until("the problem is told", func() bool { return strings.Contains(r.actual().Problem, "no space") })
	if a := r.actual(); a.Observed.Generation != 0 || len(r.engine.done()) != 0 {
		t.Errorf("reported %+v, did %v", a.Observed, r.engine.done())
	}
	r.store.mu.Lock()
	r.store.full = false
	r.store.mu.Unlock()
	r.gen--
	r.send(fleet.GoalRun, "a-1")
	r.until("it is ready", func() bool { return r.ready() == 1 && r.actual().Problem == "" })
}

func TestASlowDiskHoldsUpNoSignOfLife(t *testing.T) {
	r := run(t, func(o *loop.Options, r *rig) {
		o.Brain.Timing.Heartbeat = 5 * time.Millisecond
		r.store.block = make(chan struct{})
	})
	beat := func() uint64 {
		env, err := wire.Open(r.link.last(wire.LeafPresence), &fleet.Presence{})
		if err != nil {
			return 0
		}
		return env.Generation
	}
	r.loop.Connected("s1")
	r.send(fleet.GoalRun, "a-1")
	r.until("it lives", func() bool { return beat() > 5 })
	r.message(wire.LeafAck, 0, fleet.Ack{Session: "s1"})
	r.until("the hub's answer counts", func() bool { r.link.mu.Lock(); defer r.link.mu.Unlock(); return r.link.echoes == 1 })
	if did := r.engine.done(); len(did) != 0 || r.actual().Observed.Generation != 0 {
		t.Errorf("it did %v", did)
	}
	close(r.store.block)
	r.until("it is ready", func() bool { return r.ready() == 1 })
}

func TestPoolsReachBalancers(t *testing.T) {
	r := run(t, nil)
	r.loop.Connected("s1")
	r.send(fleet.GoalRun)
	pool := fleet.Pool{Service: shopWeb, Generation: 7}
	r.message(wire.LeafPools+"/shop/web", 7, pool)
	r.until("the balancer is told", func() bool {
		r.balancer.mu.Lock()
		defer r.balancer.mu.Unlock()
		return len(r.balancer.pools) == 1 && r.balancer.pools[0].Generation == 7
	})
	r.loop.Balanced(fleet.BalancerActual{Name: "haproxy", Up: true})
	r.until("the hub is told", func() bool { return len(r.actual().Balancers) == 1 })
	r.loop.Counted("haproxy", []fleet.PoolMetrics{{Service: shopWeb, Balancer: "haproxy", Endpoints: []fleet.EndpointCounts{{Instance: "a-1", Requests: 7}}}})
	var metrics fleet.Metrics
	r.until("the hub is told what was counted", func() bool {
		_, err := wire.Open(r.link.last(wire.LeafMetrics), &metrics)
		return err == nil && len(metrics.Pools) == 1 && metrics.Pools[0].Endpoints[0].Requests == 7
	})
}

func (r *rig) answer(ask fleet.Ask) fleet.Answer {
	r.Helper()
	r.message(wire.LeafAsk, 0, ask)
	var answer fleet.Answer
	r.until("an answer to "+ask.ID, func() bool {
		_, err := wire.Open(r.link.last(wire.LeafResult+"/"+ask.ID), &answer)
		return err == nil
	})
	return answer
}

func TestAsks(t *testing.T) {
	var got atomic.Value
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		if q.URL.Path != "/v1/streams/x" {
			http.Error(w, "nobody waits", http.StatusNotFound)
			return
		}
		got.Store(q.Method + " " + string(body))
	}))
	defer hub.Close()
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	shut, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	shut.Close()

	r := run(t, func(o *loop.Options, _ *rig) {
		o.HubHTTP, o.Recent = hub.URL+"/", strings.NewReader("its own log")
		o.Probe = func(context.Context, *brain.ProbeTarget) error { return errors.New("HTTP 503") }
	})
	r.loop.Connected("s1")
	r.send(fleet.GoalRun, "a-1")
	r.until("it is ready", func() bool { return r.ready() == 1 })
	logs := func(id, instance string, tail int, stream string) fleet.Ask {
		return fleet.Ask{ID: id, Do: fleet.AskLogs, Instance: instance, Tail: tail, Stream: stream}
	}
	if answer := r.answer(fleet.Ask{ID: "0", Do: fleet.AskAgentLog, Stream: "/v1/streams/x"}); !answer.OK || got.Load() != "POST its own log" {
		t.Errorf("asked for the agent's log: %+v, the hub got %q", answer, got.Load())
	}
	for _, tt := range []struct {
		ask     fleet.Ask
		problem string
		looked  bool
	}{
		{logs("1", "a-1", 10, "/v1/streams/x"), "", false},
		{logs("2", "a-1", 13, "/v1/streams/x"), "no lines", false},
		{logs("3", "z-1", 10, "/v1/streams/x"), "no container on this host", false},
		{logs("4", "a-1", 10, "/v1/streams/y"), "404", false},
		{logs("5", "a-1", 10, "http://elsewhere/"), "not one", false},
		{logs("6", "a-1", 10, "//elsewhere/"), "not one", false},
		{fleet.Ask{ID: "7", Do: fleet.AskCheck, Address: open.Addr().String()}, "", true},
		{fleet.Ask{ID: "8", Do: fleet.AskCheck, Address: shut.Addr().String()}, "refused", true},
		{fleet.Ask{ID: "9", Do: fleet.AskCheck, Address: "nowhere"}, "not an ip:port", false},
		{fleet.Ask{ID: "10", Do: fleet.AskCheck, Address: "127.0.0.1:x"}, "invalid port", false},
		{fleet.Ask{ID: "14", Do: fleet.AskPrune, DryRun: true}, "", false},
		{fleet.Ask{ID: "11", Do: "restart"}, `the question "restart"`, false},
	} {
		answer := r.answer(tt.ask)
		if answer.ID != tt.ask.ID || answer.OK != (tt.problem == "") || answer.Looked != tt.looked || !strings.Contains(answer.Problem, tt.problem) {
			t.Errorf("%+v: %+v", tt.ask, answer)
		}
	}
	if got.Load() != "POST log of c-a-1" {
		t.Errorf("the hub got %q", got.Load())
	}
	r.wantOutputs()
	did := len(r.engine.done())
	r.message(wire.LeafAsk, 0, fleet.Ask{ID: "../x", Do: fleet.AskCheck})
	foreign, err := wire.Seal("L2", 1, 0, fleet.Ask{ID: "12", Do: fleet.AskCheck, Address: open.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	r.loop.Message(wire.Host("h1", wire.LeafAsk), foreign)
	r.answer(fleet.Ask{ID: "13", Do: "x"}) // those before were taken in
	if r.link.last(wire.LeafResult+"/12") != nil || len(r.engine.done()) != did {
		t.Error("another hub's question was answered")
	}
}

// Whoever reads logs, and however many, doesn't keep this host from being a
// witness. What it has no room for it says it didn't look at.
func TestLogsDoNotKeepChecksFromBeingAnswered(t *testing.T) {
	over := make(chan struct{})
	hub := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		select {
		case <-over:
		case <-q.Context().Done():
		}
	}))
	defer hub.Close()
	defer close(over)
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	r := run(t, func(o *loop.Options, _ *rig) { o.HubHTTP = hub.URL })
	r.loop.Connected("s1")
	r.send(fleet.GoalRun, "a-1")
	r.until("it is ready", func() bool { return r.ready() == 1 })
	for i := range 8 {
		r.message(wire.LeafAsk, 0, fleet.Ask{ID: fmt.Sprint("log", i), Do: fleet.AskLogs, Instance: "a-1", Tail: 10, Stream: "/v1/streams/x"})
	}
	if answer := r.answer(fleet.Ask{ID: "log", Do: fleet.AskLogs, Instance: "a-1", Tail: 10, Stream: "/v1/streams/x"}); answer.OK || answer.Looked || !strings.Contains(answer.Problem, "busy") {
		t.Errorf("one log too many: %+v", answer)
	}
	if answer := r.answer(fleet.Ask{ID: "check", Do: fleet.AskCheck, Address: open.Addr().String()}); !answer.OK || !answer.Looked {
		t.Errorf("a check: %+v", answer)
	}
}

func TestStrangeMessagesAreIgnored(t *testing.T) {
	r := run(t, nil)
	r.loop.Connected("s1")
	r.loop.Message("some/topic", []byte("x"))
	r.loop.Message(wire.Host("h2", wire.LeafDesired), []byte("x"))
	r.loop.Message(wire.Host("h1", wire.LeafPools+"/.."), []byte("x"))
	r.loop.Message(wire.Host("h1", wire.LeafAck), []byte("x"))
	r.send(fleet.GoalRun, "a-1")
	r.until("it is ready", func() bool { return r.ready() == 1 })
}

// Who can reach the hub can say from where.
func TestTheMachineIsReadWithEachSession(t *testing.T) {
	var reads atomic.Int64
	r := run(t, func(o *loop.Options, _ *rig) {
		facts := o.Facts
		o.Facts = func(ctx context.Context) (brain.FactsRead, error) {
			reads.Add(1)
			return facts(ctx)
		}
	})
	r.until("it is read at the start", func() bool { return reads.Load() == 1 })
	for n, session := range []string{"s1", "s2"} {
		r.loop.Connected(session)
		r.until("it is read anew", func() bool { return reads.Load() == int64(n)+2 })
	}
}

func TestWillAndFarewell(t *testing.T) {
	r := run(t, nil)
	r.loop.Connected("s1")
	r.send(fleet.GoalRun, "a-1")
	r.until("it is ready", func() bool { return r.ready() == 1 })
	var p fleet.Presence
	topic, payload := r.loop.Will("s2")
	if env, err := wire.Open(payload, &p); err != nil || topic != wire.Host("h1", wire.LeafPresence) || env.Lineage != "L1" ||
		p.State != fleet.PresenceLost || p.Session != "s2" || p.AgentStart != "start1" || p.BootID != "b1" {
		t.Errorf("will %+v %+v, %v", env, p, err)
	}
	r.stop()
	_, payload, err := r.loop.Farewell(fleet.PresenceStopping)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wire.Open(payload, &p); err != nil || p.State != fleet.PresenceStopping || p.Session != "s1" || p.Observed.Generation != 1 {
		t.Errorf("farewell %+v, %v", p, err)
	}
	if r.engine.boxes["c-a-1"].State != "running" {
		t.Error("the container doesn't go on")
	}
	r.loop.Probed(brain.ProbeResult{}) // after the end nothing blocks
	r.loop.Disconnected()
}

func TestEndWhileBusy(t *testing.T) {
	r := run(t, nil)
	r.engine.set(func() { r.engine.block = make(chan struct{}) })
	r.send(fleet.GoalRun, "a-1", "b-1", "c-1")
	r.until("containers are made", func() bool { r.engine.mu.Lock(); defer r.engine.mu.Unlock(); return r.engine.busy == 3 })
	r.stop()
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	if r.store.saves == 0 {
		t.Error("nothing was saved")
	}
}

func TestAliveIsCalled(t *testing.T) {
	var calls atomic.Int64
	r := run(t, func(o *loop.Options, _ *rig) {
		o.Alive = func() { calls.Add(1) }
		o.Timing.Alive = 5 * time.Millisecond
	})
	r.until("it says that it is alive", func() bool { return calls.Load() > 5 })
}

func TestItRunsOnce(t *testing.T) {
	r := run(t, nil)
	r.loop.Connected("s1")
	r.until("it runs", func() bool { return r.link.last(wire.LeafPresence) != nil })
	if err := r.loop.Run(context.Background(), loop.Surroundings{}); err == nil {
		t.Error("it ran twice")
	}
}

// wantOutputs asks what is answered in words.
func (r *rig) wantOutputs() {
	r.Helper()
	web, none := fleet.ServiceKey{Project: "shop", Name: "web"}, fleet.ServiceKey{Project: "shop", Name: "none"}
	for _, tt := range []struct {
		ask             fleet.Ask
		output, problem string
	}{
		{fleet.Ask{ID: "20", Do: fleet.AskPing}, "runs for ", ""},
		{fleet.Ask{ID: "21", Do: fleet.AskInspect, Service: web}, `"id": "a-1"`, ""},
		{fleet.Ask{ID: "22", Do: fleet.AskInspect, Service: none}, "", "shop/none has no instance on this host"},
		{fleet.Ask{ID: "23", Do: fleet.AskProbe}, "shop/web a-1: its probe fails: HTTP 503\nengine: answers in ", "1 of 2 things that were tried fail"},
		{fleet.Ask{ID: "24", Do: fleet.AskProbe, Service: none}, "", "shop/none has no instance on this host"},
		{fleet.Ask{ID: "25", Do: fleet.AskPull, Service: web, Image: "web:1"}, "web:1 was fetched: sha256:aaa", ""},
	} {
		answer := r.answer(tt.ask)
		if answer.OK != (tt.problem == "") || !strings.Contains(answer.Output, tt.output) || (answer.Output == "") != (tt.output == "") || !strings.Contains(answer.Problem, tt.problem) {
			r.Errorf("%+v: %+v", tt.ask, answer)
		}
	}
}
