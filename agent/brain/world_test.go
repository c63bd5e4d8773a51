package brain_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// world is an agent's surroundings in virtual time: a fake engine that
// carries operations out, a disk, a hub that acknowledges nothing.
type world struct {
	t       tester
	now     time.Time
	config  brain.Config
	state   *brain.State
	disk    []byte
	full    bool   // the disk refuses
	slow    bool   // what is written stays in writing until the test calls written
	writing []byte // the write under way; nil: none
	down    bool   // the engine doesn't answer
	hold    bool   // operations stay outstanding
	held    []brain.Op
	images  map[string]brain.Image
	away    map[string]bool               // images that are to be fetched first
	stored  map[string]*brain.StoredImage // images that are here because somebody brought them
	brought map[string]bool               // those of them that the agent did
	answers []fleet.Answer
	fail    map[string]brain.Result // kind -> how it fails
	foreign []brain.Container
	boxes   map[string]*brain.Container
	made    int
	turn    uint64
	wake    time.Time
	epoch   uint64
	gen     uint64

	ops        []brain.Op
	probes     []brain.ProbeTarget
	pools      []fleet.Pool
	poolsSet   bool
	secrets    []string // instances whose secrets' files stay
	secretsSet bool
	actual     *fleet.Actual
	actuals    int
	sequence   uint64 // of actual
	presence   *fleet.Presence
	beats      int
	batch      *fleet.EventBatch
	metrics    []*fleet.Metrics // all that were told
	answer     func(brain.ProbeTarget) (bool, string)
	withdraw   string // how the agent was to see to its balancers last
	gone       bool
}

var shopWeb = fleet.ServiceKey{Project: "shop", Name: "web"}

// tester is what tests and properties have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

func newWorld(t tester) *world {
	w := &world{
		t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), epoch: 1,
		images: map[string]brain.Image{
			"web:1": {ID: "sha256:aaa", Digest: "web@sha256:aaa"}, "sha256:aaa": {ID: "sha256:aaa"}, "web@sha256:aaa": {ID: "sha256:aaa", Digest: "web@sha256:aaa"},
			"web:2": {ID: "sha256:bbb", Digest: "web@sha256:bbb"}, "web@sha256:bbb": {ID: "sha256:bbb", Digest: "web@sha256:bbb"},
		},
		away: map[string]bool{}, stored: map[string]*brain.StoredImage{}, brought: map[string]bool{},
		fail:   map[string]brain.Result{},
		boxes:  map[string]*brain.Container{},
		answer: func(brain.ProbeTarget) (bool, string) { return true, "" },
		config: brain.Config{
			Host: "h1", AgentStart: "start1", Bind: "10.0.0.1",
			Facts: fleet.HostFacts{
				Hostname: "h1", Advertise: "10.0.0.1", BootID: "boot1", MachineID: "m1",
				Features: []string{"probe"}, PortRangeFirst: 20000, PortRangeLast: 20999,
			},
			Limits: brain.DefaultLimits(), Timing: brain.DefaultTiming(),
		},
	}
	w.boot("start1")
	return w
}

// boot starts the agent anew, from what is on disk.
func (w *world) boot(start string) {
	w.config.AgentStart = start
	var cache brain.Cache
	if len(w.disk) > 0 {
		if err := json.Unmarshal(w.disk, &cache); err != nil {
			w.t.Fatal(err)
		}
	}
	w.held, w.probes, w.actual, w.poolsSet, w.writing = nil, nil, nil, false, nil
	w.state = brain.New(w.config, cache, w.now)
}

// step does what the shell does: save, carry out, list.
func (w *world) step(in brain.Input) {
	w.t.Helper()
	out := brain.Step(w.state, in, w.now)
	w.turn = out.Turn
	for range 20 {
		if !out.Save {
			break
		}
		w.take(out)
		w.writing = must(json.Marshal(w.state.Cache()))
		if w.slow {
			return
		}
		out = brain.Step(w.state, w.write(), w.now)
		w.turn = out.Turn
	}
	if out.Save {
		w.t.Fatal("saving never ends")
	}
	w.take(out)
}

// write ends the write under way.
func (w *world) write() brain.Saved {
	data := w.writing
	if data == nil {
		w.t.Fatal("nothing is being written")
	}
	w.writing = nil
	if w.full {
		return brain.Saved{Problem: "no space left on device"}
	}
	w.disk = data
	return brain.Saved{}
}

// written is the end of a write that took its time.
func (w *world) written() { w.step(w.write()) }

func (w *world) take(out brain.Outputs) {
	w.wantValid(out)
	w.turn = out.Turn
	w.ops = append(w.ops, out.Ops...)
	if out.ProbesChanged {
		w.probes = out.Probes
	}
	if out.SecretsChanged {
		w.secrets, w.secretsSet = out.Secrets, true
	}
	if out.PoolsChanged {
		w.pools, w.poolsSet = out.Pools, true
	}
	if out.Actual != nil {
		w.actual, w.actuals, w.sequence = out.Actual, w.actuals+1, out.Sequence
	}
	if out.Presence != nil {
		w.presence, w.beats = out.Presence, w.beats+1
	}
	if out.Events != nil {
		w.batch = out.Events
	}
	if out.Withdraw != "" {
		w.withdraw = out.Withdraw
	}
	w.gone = w.gone || out.Gone
	if out.Metrics != nil {
		w.metrics = append(w.metrics, out.Metrics)
	}
	w.answers = append(w.answers, out.Answers...)
	w.wake = out.Wake
	w.held = append(w.held, out.Ops...)
}

// wantValid checks that the hub takes whatever the agent tells it.
func (w *world) wantValid(out brain.Outputs) {
	var err error
	if out.Actual != nil {
		err = out.Actual.Validate()
	}
	if out.Presence != nil {
		err = errors.Join(err, out.Presence.Validate())
	}
	if out.Events != nil {
		err = errors.Join(err, out.Events.Validate())
	}
	if out.Metrics != nil {
		err = errors.Join(err, out.Metrics.Validate())
	}
	if err != nil {
		w.t.Fatalf("the hub refuses a message: %v", err)
	}
}

// settle carries operations out and lists until nothing more begins.
func (w *world) settle() {
	w.t.Helper()
	for range 200 {
		w.list()
		if w.hold || len(w.held) == 0 {
			if !w.probe() {
				return
			}
			continue
		}
		w.finish()
	}
	w.t.Fatalf("it never comes to rest: %+v", w.held)
}

// finish carries the outstanding operations out.
func (w *world) finish() {
	for len(w.held) > 0 {
		w.finishOne()
	}
}

func (w *world) finishOne() {
	op := w.held[0]
	w.held = w.held[1:]
	w.step(brain.OpDone{Result: w.do(op)})
}

// probe gives each probe an outcome; false: none changed what is reported.
func (w *world) probe() bool {
	before := must(json.Marshal(w.actual))
	for _, p := range slices.Clone(w.probes) {
		ok, why := w.answer(p)
		w.step(brain.Probed{Result: brain.ProbeResult{Instance: p.Instance, Container: p.Container, OK: ok, Reason: why}})
	}
	return string(before) != string(must(json.Marshal(w.actual)))
}

func (w *world) list() {
	if w.down {
		w.step(brain.EngineFailed{Problem: "connection refused"})
		return
	}
	w.step(w.listing())
}

func (w *world) listing() brain.Listed {
	in := brain.Listed{After: w.turn, Containers: slices.Clone(w.foreign)}
	for _, id := range slices.Sorted(maps.Keys(w.boxes)) {
		c := *w.boxes[id]
		if c.Problem != "" {
			c = glimpsed(&c)
		}
		c.Labels = maps.Clone(c.Labels)
		in.Containers = append(in.Containers, c)
	}
	return in
}

// do is the engine.
func (w *world) do(op brain.Op) brain.Result {
	r := brain.Result{Kind: op.Kind, Instance: op.Instance, Version: op.Version}
	if f, ok := w.fail[op.Kind]; ok {
		f.Kind, f.Instance, f.Version = op.Kind, op.Instance, op.Version
		return f
	}
	c := w.boxes[op.Container]
	if op.Container != "" && c == nil {
		r.Gone, r.Problem = true, "no such container"
		return r
	}
	switch op.Kind {
	case brain.OpPull:
		image, ok := w.images[op.Image]
		if op.Never && (!ok || w.away[op.Image]) {
			r.Problem, r.Permanent = "its pull_policy is never", true
			return r
		}
		if op.Local {
			r.Missing = !ok || w.away[op.Image]
			r.Image = image
			return r
		}
		w.transfer(op.Image, &r)
		if !ok {
			r.Problem, r.Permanent = "no such image "+op.Image, true
		}
		r.Image = image
	case brain.OpCreate:
		for _, other := range w.boxes {
			if other.Name == op.Create.Name {
				r.Problem = "the name is taken"
				return r
			}
		}
		w.made++
		made := &brain.Container{
			ID: fmt.Sprintf("c%d", w.made), Name: op.Create.Name, Labels: op.Create.Labels, State: brain.ContainerCreated,
			ImageID: op.Create.Image, Snapshot: brain.Snapshot{Name: op.Create.Name, Networks: []string{"bridge"}},
		}
		w.boxes[made.ID] = made
		r.Container = *made
	case brain.OpStart:
		c.State, c.StartedAt, c.ExitCode, c.OOMKilled = brain.ContainerRunning, w.now, 0, false
		r.Container = *c
	case brain.OpStop:
		c.State, c.FinishedAt = brain.ContainerExited, w.now
	case brain.OpRemove:
		delete(w.boxes, op.Container)
	case brain.OpUnpause:
		c.State = brain.ContainerRunning
	case brain.OpImages:
		r.Images = w.storedNow()
	case brain.OpRemoveImage:
		w.drop(op.Image)
	case brain.OpRestore:
		c.Snapshot = *op.Snapshot
	}
	return r
}

// pass lets time go by, waking the brain when it asked for it.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	for range 10_000 {
		if w.wake.IsZero() || w.wake.After(end) {
			w.now = end
			return
		}
		if w.wake.After(w.now) {
			w.now = w.wake
		}
		w.step(brain.Tick{})
		w.settle()
	}
	w.t.Fatal("it wakes for ever")
}

// exit ends the container of an instance.
func (w *world) exit(instance string, code int) {
	c := w.box(instance)
	c.State, c.ExitCode, c.FinishedAt = brain.ContainerExited, code, w.now
}

func (w *world) box(instance string) *brain.Container {
	w.t.Helper()
	for _, id := range slices.Sorted(maps.Keys(w.boxes)) {
		if w.boxes[id].Labels[brain.LabelInstance] == instance {
			return w.boxes[id]
		}
	}
	w.t.Fatalf("instance %s has no container", instance)
	return nil
}

func (w *world) instance(id string) fleet.InstanceActual {
	w.t.Helper()
	if w.actual == nil {
		w.t.Fatal("nothing was reported")
	}
	for _, i := range w.actual.Instances {
		if i.ID == id {
			return i
		}
	}
	w.t.Fatalf("instance %s is not reported", id)
	return fleet.InstanceActual{}
}

// kinds returns the operations since the last call.
func (w *world) kinds() string {
	var kinds []string
	for _, op := range w.ops {
		kinds = append(kinds, op.Kind)
	}
	w.ops = nil
	return strings.Join(kinds, " ")
}

// events returns what all events since the agent's start say.
func (w *world) events() []fleet.Event { return w.state.Cache().Events }

func (w *world) eventsOf(kind string) (found []fleet.Event) {
	for _, e := range w.events() {
		if e.Type == kind {
			found = append(found, e)
		}
	}
	return found
}
