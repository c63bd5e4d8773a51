package brain_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

func (w *world) ack(actual, events uint64) {
	w.t.Helper()
	w.step(brain.AckReceived{Payload: w.seal(w.epoch, 0, fleet.Ack{Session: "s1", Actual: actual, Events: events, Numbering: w.state.Cache().Numbering})})
}

func TestFirstReportWaitsForProbes(t *testing.T) {
	w := settled(t)
	w.disk = nil // readiness is not remembered
	w.boot("start2")
	w.connected()
	w.step(brain.DesiredReceived{Payload: w.seal(3, 5, desired(webSpec(), "a-1", "b-1"))})
	w.list()
	if w.actual != nil {
		t.Fatalf("reported before the first probes: %+v", w.actual.Instances)
	}
	if w.presence == nil || w.presence.AgentStart != "start2" {
		t.Fatal("the sign of life doesn't wait")
	}
	w.probe()
	if w.actual == nil || !w.instance("a-1").Ready || !w.instance("b-1").Ready {
		t.Fatalf("reported %+v", w.actual)
	}
}

func TestFirstReportWaitsForWhatRuns(t *testing.T) {
	w := settled(t)
	w.disk = nil
	w.boot("start2")
	w.connected().list()
	if w.actual != nil {
		t.Fatalf("reported without knowing what runs: %+v", w.actual.Instances)
	}
	w.step(brain.DesiredReceived{Payload: w.seal(3, 5, desired(webSpec(), "a-1", "b-1"))})
	w.settle()
	if w.actual == nil || !w.instance("a-1").Ready || !w.instance("b-1").Ready {
		t.Fatalf("reported %+v", w.actual)
	}
}

func TestFirstReportWaitsForNothingOfAnotherHubs(t *testing.T) {
	w := settled(t)
	w.disk = nil
	w.boot("start2")
	w.connected().list()
	ack, err := wire.Seal("another", 1, 0, fleet.Ack{Session: "s1"})
	if err != nil {
		t.Fatal(err)
	}
	w.step(brain.AckReceived{Payload: ack})
	if w.actual == nil {
		t.Fatal("it waits for another hub to describe what runs")
	}
}

func TestFirstReportWaitsForBalancers(t *testing.T) {
	w := newWorld(t)
	w.config.Facts.Balancers = []fleet.BalancerFacts{{Name: "haproxy", Driver: "haproxy"}}
	w.boot("start1")
	w.connected().list()
	if w.actual != nil {
		t.Fatal("reported without its balancer")
	}
	w.step(brain.BalancerReported{Actual: fleet.BalancerActual{Name: "haproxy", Driver: "haproxy", Up: true, Version: "2.6.12"}})
	if w.actual == nil || len(w.actual.Balancers) != 1 || w.actual.Facts.Balancers[0].Version != "2.6.12" {
		t.Fatalf("reported %+v", w.actual)
	}
}

func TestFirstReportDoesNotWaitForEver(t *testing.T) {
	w := newWorld(t)
	w.config.Facts.Balancers = []fleet.BalancerFacts{{Name: "haproxy", Driver: "haproxy"}}
	w.boot("start1")
	w.connected().list()
	w.pass(3 * time.Second)
	if w.actual == nil {
		t.Fatal("nothing was reported")
	}
}

func TestReportsAreCoalesced(t *testing.T) {
	w := settled(t)
	before := w.actuals
	for i := range 10 {
		w.step(brain.ForeignRead{Foreign: fleet.Foreign{Memory: int64(i+1) << 24}})
	}
	if n := w.actuals - before; n > 1 {
		t.Errorf("%d reports at one moment", n)
	}
	w.pass(100 * time.Millisecond)
	if n := w.actuals - before; n > 2 || w.actual.Foreign.Memory != 10<<24 {
		t.Errorf("%d reports, the last of %d bytes", n, w.actual.Foreign.Memory)
	}
	before = w.actuals
	w.step(brain.ForeignRead{Foreign: fleet.Foreign{Memory: 1}})
	w.exit("a-1", 1)
	w.list()
	if w.actuals == before || w.instance("a-1").Ready {
		t.Error("a death waits")
	}
	w.settle()
	w.pass(time.Second)
	before = w.actuals
	for range 20 {
		w.probe()
		w.list()
	}
	w.ack(w.sequence, 0)
	w.pass(20 * time.Second)
	if w.actuals != before {
		t.Errorf("%d reports of nothing new", w.actuals-before)
	}
}

func TestConnectionCountsAreReportedSeldom(t *testing.T) {
	w := settled(t)
	report := func(connections int, drained bool) {
		w.step(brain.BalancerReported{Actual: fleet.BalancerActual{Name: "haproxy", Driver: "haproxy", Up: true, Pools: []fleet.PoolActual{{
			Service: shopWeb, Generation: 1,
			Endpoints: []fleet.EndpointActual{{Instance: "a-1", State: fleet.EndpointReady, Check: fleet.CheckPassing, Connections: connections, Drained: drained}},
		}}}})
	}
	report(0, false)
	w.pass(time.Second)
	before := w.actuals
	for i := range 100 {
		w.now = w.now.Add(10 * time.Millisecond)
		report(i, false)
	}
	if n := w.actuals - before; n < 1 || n > 2 {
		t.Errorf("%d reports in a second", n)
	}
	w.now = w.now.Add(100 * time.Millisecond)
	before = w.actuals
	report(0, true)
	if w.actuals != before+1 || !w.actual.Balancers[0].Pools[0].Endpoints[0].Drained {
		t.Error("the end of a drain waits")
	}
}

func TestHeartbeat(t *testing.T) {
	w := settled(t)
	before := w.beats
	w.pass(30 * time.Second)
	if n := w.beats - before; n < 10 || n > 11 {
		t.Errorf("%d signs of life in 30 s", n)
	}
	w.step(brain.Disconnected{})
	before, reports := w.beats, w.actuals
	w.exit("a-1", 1)
	w.settle()
	w.pass(30 * time.Second)
	if w.beats != before || w.actuals != reports {
		t.Error("it speaks to nobody")
	}
	w.connected()
	if w.beats != before+1 || w.actuals != reports+1 {
		t.Error("a new session begins with everything")
	}
}

// What isn't acknowledged is said again after 5, 10 and 10 s …, and what is
// new begins anew.
func TestUnacknowledgedReportIsRepeated(t *testing.T) {
	w := settled(t)
	repeats := func(memory int64, pass time.Duration, want int) {
		t.Helper()
		w.step(brain.ForeignRead{Foreign: fleet.Foreign{Memory: memory}})
		w.pass(time.Second)
		before := w.actuals
		w.pass(pass)
		if n := w.actuals - before; n != want {
			t.Errorf("%d repetitions in %s", n, pass)
		}
	}
	repeats(1, 6*time.Second, 1)
	repeats(2<<30, 26*time.Second, 3)
	repeats(1, 6*time.Second, 1)
	w.ack(w.sequence, 0)
	before := w.actuals
	w.pass(time.Minute)
	if w.actuals != before {
		t.Error("repeated though acknowledged")
	}
}

func TestSequencesGrowAcrossRestarts(t *testing.T) {
	w := settled(t)
	last := w.sequence
	for i := range 3 {
		w.pass(5 * time.Second)
		last = max(last, w.sequence)
		w.boot(fmt.Sprint("again", i))
		w.connected().settle()
		w.pass(time.Second)
		w.pass(5 * time.Second)
		if w.sequence <= last {
			t.Fatalf("%d after %d", w.sequence, last)
		}
	}
}

func TestEventsAreSentUntilAcknowledged(t *testing.T) {
	w := settled(t)
	w.pass(time.Second)
	if w.batch == nil || w.batch.First != 1 || len(w.batch.Events) != 2 || w.batch.Numbering != "start1" {
		t.Fatalf("batch %+v", w.batch)
	}
	for _, wait := range []time.Duration{5 * time.Second, 10 * time.Second, 10 * time.Second} {
		w.batch = nil
		w.pass(wait - 2*time.Second)
		if w.batch != nil {
			t.Fatalf("they are sent again before %s", wait)
		}
		if w.pass(2 * time.Second); w.batch == nil || len(w.batch.Events) != 2 {
			t.Fatalf("they aren't sent again after %s", wait)
		}
	}
	w.ack(0, 1)
	w.exit("a-1", 1)
	w.settle()
	w.pass(time.Second)
	if w.batch.First != 2 || len(w.batch.Events) != 3 {
		t.Fatalf("batch %+v", w.batch)
	}
	ids := w.batch.Events
	w.boot("start2")
	w.connected().settle()
	w.pass(time.Second)
	if w.batch.First != 2 || w.batch.Numbering != "start1" || w.batch.Events[0].ID != ids[0].ID || len(w.batch.Events) != 3 {
		t.Fatalf("after a restart: %+v", w.batch)
	}
	w.ack(0, 4)
	w.batch = nil
	w.pass(time.Minute)
	if w.batch != nil || len(w.events()) != 0 {
		t.Fatalf("after the acknowledgement: %+v", w.batch)
	}
	w.exit("a-1", 1)
	w.settle()
	n, last := len(w.events()), w.state.Cache().LastEvent
	for name, ack := range map[string]fleet.Ack{
		"another session":   {Session: "s0", Events: last},
		"another numbering": {Session: "s1", Events: last, Numbering: "other"},
		"too much":          {Session: "s1", Events: last + 1},
		"too little":        {Session: "s1", Events: 4},
	} {
		w.step(brain.AckReceived{Payload: w.seal(1, 0, ack)})
		if len(w.events()) != n {
			t.Errorf("%s: events were dropped", name)
		}
	}
}

func TestEventsAreOnDiskBeforeTheyAreSent(t *testing.T) {
	w := settled(t)
	w.pass(time.Second)
	w.batch = nil
	w.full = true
	w.exit("a-1", 1)
	w.settle()
	w.pass(10 * time.Second)
	if w.batch == nil || len(w.batch.Events) != 2 {
		t.Fatalf("sent %+v", w.batch)
	}
	w.ack(0, 2)
	w.batch = nil
	w.pass(10 * time.Second)
	if w.batch != nil {
		t.Fatalf("sent %+v", w.batch)
	}
	if !strings.Contains(w.actual.Problem, "no space") {
		t.Errorf("problem %q", w.actual.Problem)
	}
	w.full = false
	w.pass(2 * time.Second)
	if w.batch == nil || w.actual.Problem != "" {
		t.Fatalf("batch %+v, problem %q", w.batch, w.actual.Problem)
	}
}

func TestEventsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.config.Limits.Events, w.config.Limits.Batch = 10, 4
	w.boot("start1")
	w.connected()
	w.send(desired(webSpec(), "a-1"))
	w.settle()
	for range 20 {
		w.exit("a-1", 1)
		w.settle()
		w.pass(2 * time.Minute)
	}
	events := w.events()
	if len(events) != 10 {
		t.Fatalf("%d events", len(events))
	}
	if events[0].Type != fleet.EventHostEventsDropped || !strings.HasPrefix(events[0].Data.Message, "32 events") {
		t.Fatalf("marker %+v", events[0].Data)
	}
	if first := w.state.Cache().LastEvent - 9; w.batch.First != first || len(w.batch.Events) != 4 {
		t.Fatalf("batch %+v, want from %d", w.batch, first)
	}
	seen := map[string]bool{}
	for _, e := range events {
		if seen[e.ID] {
			t.Errorf("id %s twice", e.ID)
		}
		seen[e.ID] = true
	}
}

func TestAFullDiskForgetsWhatItCannotKeep(t *testing.T) {
	w := settled(t)
	w.full = true
	w.send(stopping(desired(webSpec(), "a-1", "b-1", "c-1"), "b-1"))
	w.sendPool(9, false, 9000)
	w.settle()
	w.pass(time.Minute)
	if got := w.kinds(); got != "" {
		t.Fatalf("operations: %s", got)
	}
	if w.presence.Observed.Generation != 5 || len(w.presence.Pools) != 0 || w.actual.Problem == "" {
		t.Fatalf("observed %+v", w.presence)
	}
	w.exit("a-1", 1)
	delete(w.boxes, w.box("b-1").ID)
	w.settle()
	if got := w.kinds(); got != "start pull create start" && got != "start pull start create" && got != "pull start create start" {
		t.Fatalf("what exists is looked after, and yet %q", got)
	}
	w.full = false
	w.pass(2 * time.Second)
	if kept := decodeCache(t, w.disk); len(kept.Pools) != 0 || !bytes.Contains(kept.Desired, []byte(`"generation":5`)) {
		t.Fatalf("on disk is %s, %v", kept.Desired, kept.Pools)
	}
	w.step(brain.DesiredReceived{Payload: w.seal(3, 6, stopping(desired(webSpec(), "a-1", "b-1", "c-1"), "b-1"))})
	w.settle()
	w.pass(2 * time.Second)
	if w.presence.Observed.Generation != 6 || !w.instance("c-1").Ready || w.instance("b-1").Phase != fleet.PhaseStopped {
		t.Fatalf("once there is room: %+v", w.actual)
	}
}

func TestNothingSecretIsTold(t *testing.T) {
	w := newWorld(t).connected()
	spec := webSpec()
	spec.Environment = map[string]string{"PASSWORD": "hunter2"}
	spec.Mounts = []fleet.Mount{{Type: fleet.MountTmpfs, Target: "/x"}}
	w.send(desired(spec, "a-1"))
	w.settle()
	w.pass(time.Second)
	told := string(must(json.Marshal(w.actual))) + string(must(json.Marshal(w.presence))) + string(must(json.Marshal(w.events())))
	if strings.Contains(told, "hunter2") {
		t.Error("an environment value is told")
	}
	if !strings.Contains(string(must(json.Marshal(w.ops))), "hunter2") {
		t.Error("the container doesn't get it")
	}
}

func TestNothingIsMadeBeforeItsPortsAreOnDisk(t *testing.T) {
	w := newWorld(t).connected()
	w.down = true
	w.list()
	w.send(desired(webSpec(), "a-1"))
	w.full, w.down = true, false
	w.settle()
	w.pass(time.Minute)
	if got := w.kinds(); got != "" {
		t.Fatalf("operations: %s", got)
	}
	if got := w.instance("a-1"); !strings.Contains(got.Reason, "no space left") {
		t.Errorf("reported %+v", got)
	}
	w.full = false
	w.pass(2 * time.Second)
	if !w.instance("a-1").Ready {
		t.Errorf("reported %+v", w.instance("a-1"))
	}
}
