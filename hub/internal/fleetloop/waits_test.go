package fleetloop

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// waiting is a fleet of one host with a balancer, turn by turn.
type waiting struct {
	t     *testing.T
	s     *turn.State
	w     *waits
	now   time.Time
	ended []string
	beat  fleet.Presence
}

func newWaiting(t *testing.T) *waiting {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return &waiting{
		t: t, s: turn.New("lineage", 1, 0, start, turn.DefaultOptions()), w: newWaits("lineage"), now: start,
		beat: fleet.Presence{State: fleet.PresenceOnline, Session: "s", Observed: fleet.Observed{Lineage: "lineage", Epoch: 1}, Pools: map[fleet.ServiceKey]uint64{}},
	}
}

func (f *waiting) after(d time.Duration, inputs ...turn.Input) {
	f.now = f.now.Add(d)
	delta, _ := turn.Step(f.s, inputs, f.now)
	delta.Fold()
	var ended []Wait
	for _, in := range inputs {
		ended = append(ended, f.w.heard(f.s, in, f.now)...)
	}
	for _, wait := range append(ended, f.w.begun(f.s, delta, f.now)...) {
		f.ended = append(f.ended, fmt.Sprintf("%s %s", wait.For, wait.Took))
	}
}

func (f *waiting) want(ended ...string) {
	f.t.Helper()
	if diff := cmp.Diff(ended, f.ended); diff != "" {
		f.t.Errorf("waits that ended: %s", diff)
	}
	f.ended = nil
}

func (f *waiting) presence() turn.PresenceIn { return turn.PresenceIn{Host: "web1", Presence: f.beat} }

// actual reports what the host was asked for as done, and its balancer at a
// generation.
func (f *waiting) actual(sequence, pool uint64) turn.ActualIn {
	a := fleet.Actual{
		Host: "web1", AgentStart: "a", Session: "s", Observed: f.beat.Observed, Engine: fleet.EngineStatus{Up: true},
		Facts: fleet.HostFacts{
			MachineID: "m", CPUs: 2, Memory: 1 << 30, Advertise: "10.0.0.1",
			Balancers: []fleet.BalancerFacts{{Name: "haproxy", Driver: "haproxy", Address: "10.0.0.1"}},
		},
		Balancers: []fleet.BalancerActual{{Name: "haproxy", Up: true}},
	}
	report := fleet.PoolActual{Service: key, Generation: pool}
	for id, in := range f.s.Instances {
		a.Instances = append(a.Instances, fleet.InstanceActual{
			ID: id, Service: key, Version: in.Version, Phase: fleet.PhaseRunning, Ready: true, Address: "10.0.0.1", Ports: map[int]int{80: 20000},
		})
		report.Endpoints = append(report.Endpoints, fleet.EndpointActual{Instance: id, State: fleet.EndpointReady, Check: fleet.CheckPassing})
	}
	if pool > 0 {
		a.Balancers[0].Pools = []fleet.PoolActual{report}
	}
	return turn.ActualIn{Host: "web1", Sequence: sequence, Actual: a}
}

func order(id string, c fleet.Command) turn.CommandIn {
	c.ID = id
	return turn.CommandIn{Command: c}
}

func balanced() fleet.Command {
	c := applyCommand("")
	c.Services[0].Spec.Publish = []fleet.Publish{{Target: 80, Protocol: "tcp"}}
	c.Services[0].Balancing = &fleet.Balancing{Routes: []fleet.Route{{Target: 80, Listen: []int{80}, Protocol: fleet.ProtocolHTTP}}}
	return c
}

func TestWaitsFromCommitToAcknowledgement(t *testing.T) {
	f := newWaiting(t)
	f.after(time.Second, f.presence(), f.actual(1, 0))
	f.want()
	f.beat.Observed.Generation = f.s.Revision
	f.after(300*time.Millisecond, f.presence())
	f.want("desired 300ms")

	f.after(time.Second, order("a", balanced()))
	placed, pool := f.s.Hosts["web1"].Desired, uint64(0)
	for _, p := range f.s.Pools {
		pool = p.Pool.Generation
	}
	f.after(time.Second, order("b", fleet.Command{Do: fleet.DoScale, Service: key, Count: 2}))
	if f.s.Hosts["web1"].Desired == placed || pool == 0 {
		t.Fatal("the orders changed nothing for the host")
	}
	f.beat.Observed.Generation = placed
	f.beat.Pools[key] = pool
	f.after(200*time.Millisecond, f.presence())
	f.want("desired 1.2s", "pool 1.2s")
	f.beat.Observed.Generation = f.s.Hosts["web1"].Desired
	f.after(300*time.Millisecond, f.presence())
	f.want("desired 500ms")
	f.after(500*time.Millisecond, f.presence())
	f.want()

	f.after(time.Second, f.actual(2, pool)) // ready: the pool changes
	f.want("balancer 3s")
	for _, p := range f.s.Pools {
		pool = p.Pool.Generation
	}
	f.beat.Pools[key], f.beat.Observed.Generation = pool, f.s.Hosts["web1"].Desired
	f.after(time.Second, f.presence(), f.actual(3, pool))
	slices.Sort(f.ended)
	f.want("balancer 1s", "converged 4s", "desired 1s", "pool 1s")
	if len(f.w.desired)+len(f.w.pools)+len(f.w.forced)+len(f.w.orders) > 0 {
		t.Errorf("something is waited for: %+v", f.w)
	}
}

func TestAHostThatWasAwayIsNotSlow(t *testing.T) {
	f := newWaiting(t)
	f.after(time.Second, f.presence(), f.actual(1, 0))
	f.beat.Observed.Generation = f.s.Revision
	f.after(time.Second, f.presence())
	f.want("desired 1s")
	f.after(time.Second, order("a", applyCommand("")))
	will := f.beat
	will.State = fleet.PresenceLost
	f.after(time.Second, turn.PresenceIn{Host: "web1", Presence: will})
	f.beat.Observed.Generation = f.s.Hosts["web1"].Desired
	f.after(time.Minute, f.presence())
	f.want()
	if len(f.w.desired) > 0 {
		t.Errorf("it is still waited for: %+v", f.w.desired)
	}
	f.after(time.Second, order("c", fleet.Command{Do: fleet.DoRemove, Service: key}))
	if len(f.w.orders) > 0 {
		t.Errorf("a service that is removed is waited for: %+v", f.w.orders)
	}
}

func TestAnotherHubsGenerationAnswersNothing(t *testing.T) {
	f := newWaiting(t)
	f.after(time.Second, f.presence(), f.actual(1, 0))
	f.beat.Observed = fleet.Observed{Lineage: "other", Epoch: 9, Generation: 1000}
	f.after(time.Second, f.presence())
	f.want()
}

// TestTheLogNamesWhatItIsAbout: the same keys, whatever a line says.
func TestTheLogNamesWhatItIsAbout(t *testing.T) {
	var log bytes.Buffer
	l := &Loop{opts: Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}}
	service := key
	l.logEvents([]fleet.Event{{ID: "9-1", Type: fleet.EventInstancePlaced, Subject: "instances/9-1", Cause: "c", Data: fleet.EventData{
		Message: "m", Service: &service, Instance: "9-1", Host: "web1",
	}}})
	stage := turn.Stage{Instance: "9-1", Service: key, Host: "web1", Cause: "c"}
	for _, change := range []func(*turn.Stage){
		func(s *turn.Stage) { s.Kind, s.Goal = turn.StageTold, fleet.GoalRun },
		func(s *turn.Stage) { s.Kind, s.State, s.Pools = turn.StageOffered, fleet.EndpointReady, 2 },
		func(s *turn.Stage) { s.Kind, s.Pools = turn.StageOffered, 2 },
		func(s *turn.Stage) { s.Kind = turn.StageReleased },
	} {
		s := stage
		change(&s)
		l.logStages([]turn.Stage{s}, 7)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 4 { // what each balancer says is for those who look closer
		t.Fatalf("%d lines:\n%s", len(lines), log.String())
	}
	for _, line := range lines {
		if !strings.Contains(line, "instance=9-1 service=shop/web host=web1 ") || !strings.Contains(line, " cause=c") {
			t.Errorf("it doesn't name what it is about: %s", line)
		}
	}
}

func TestEveryKindOfInputIsCounted(t *testing.T) {
	inputs := []turn.Input{
		turn.CommandIn{}, turn.PresenceIn{}, turn.ActualIn{}, turn.EventsIn{}, turn.MetricsIn{}, turn.AnswerIn{}, turn.ReachedIn{}, turn.RefusedIn{},
		turn.Tick{}, turn.Tick{},
	}
	counts := kinds(inputs)
	for _, kind := range Kinds {
		if want := 1 + len(inputs) - len(Kinds); counts[kind] != 1 && (kind != "tick" || counts[kind] != want) {
			t.Errorf("%d of %s", counts[kind], kind)
		}
	}
}

// TestATurnIsToldWithItsParts: where its time went, and how the fleet is.
func TestATurnIsToldWithItsParts(t *testing.T) {
	turns := make(chan Turn, 64)
	o := DefaultOptions()
	o.State = turn.New("lineage", 1, 0, time.Now(), turn.DefaultOptions())
	var steps []string
	o.Store, o.Bus, o.Logger = &fakeStore{order: &steps}, &fakeBus{}, slog.New(slog.DiscardHandler)
	o.Observe = func(t Turn) {
		if t.Inputs["command"] > 0 {
			turns <- t
		}
	}
	l := New(o, time.Now())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	if _, err := l.Do(ctx, applyCommand("a")); err != nil {
		t.Fatal(err)
	}
	got := <-turns
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if !got.Stored || got.Published == 0 || len(got.Events) == 0 || got.Tally.Services[fleet.ServiceHeld] != 1 || got.Tally.Desired != 1 {
		t.Errorf("told %+v with %+v", got, got.Tally)
	}
	if got.Plan <= 0 || got.Publish <= 0 || got.Plan+got.Commit+got.Publish+got.Read > got.Duration {
		t.Errorf("the parts of %s are %s, %s, %s and %s", got.Duration, got.Plan, got.Commit, got.Publish, got.Read)
	}
}
