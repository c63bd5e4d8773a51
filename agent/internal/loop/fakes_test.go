package loop_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/loop"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// engine is a container engine that does as it is told.
type engine struct {
	mu     sync.Mutex // guards the rest
	boxes  map[string]*brain.Container
	did    []string
	busy   int // operations under way
	most   int // of them at once
	down   bool
	wake   func(brain.Noticed)
	broken chan struct{} // closed to break the stream of events
	block  chan struct{} // not nil: operations wait for it, but for looks for images
	// followed is where what is followed is written, and query how it was asked for.
	followed *io.PipeWriter
	query    fleet.LogQuery
}

func newEngine() *engine {
	return &engine{boxes: map[string]*brain.Container{}, broken: make(chan struct{})}
}

func (e *engine) Containers(context.Context, string, string) ([]brain.Container, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down {
		return nil, errors.New("connection refused")
	}
	var all []brain.Container
	for _, id := range slices.Sorted(maps.Keys(e.boxes)) {
		all = append(all, *e.boxes[id])
	}
	return all, nil
}

func (e *engine) Events(ctx context.Context, wake func(brain.Noticed)) error {
	e.mu.Lock()
	e.wake = wake
	broken := e.broken
	e.mu.Unlock()
	wake(brain.Noticed{})
	select {
	case <-ctx.Done():
	case <-broken:
	}
	return errors.New("the stream broke")
}

func (e *engine) Do(ctx context.Context, op brain.Op) brain.Result {
	e.mu.Lock()
	e.busy++
	e.most = max(e.most, e.busy)
	block := e.block
	e.mu.Unlock()
	if block != nil && !op.Local {
		select {
		case <-block:
		case <-ctx.Done():
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.busy--
	e.did = append(e.did, op.Kind+" "+cmp.Or(op.Instance, op.Image))
	r := brain.Result{}
	switch op.Kind {
	case brain.OpPull:
		r.Image, r.Fetched, r.New = brain.Image{ID: "sha256:aaa"}, true, true
	case brain.OpImages:
		r.Images = []brain.StoredImage{{ID: "sha256:aaa", Names: []string{"web:1"}, Size: 1, Used: len(e.boxes) > 0}}
	case brain.OpCreate:
		c := &brain.Container{ID: "c-" + op.Instance, Name: op.Create.Name, Labels: op.Create.Labels, State: brain.ContainerCreated}
		e.boxes[c.ID] = c
		r.Container = *c
	case brain.OpStart:
		e.boxes[op.Container].State, e.boxes[op.Container].StartedAt = brain.ContainerRunning, time.Now()
	case brain.OpStop:
		e.boxes[op.Container].State = brain.ContainerExited
	case brain.OpRemove:
		delete(e.boxes, op.Container)
	}
	return r
}

func (e *engine) Logs(ctx context.Context, container string, q fleet.LogQuery) (io.ReadCloser, error) {
	if q.Tail == 13 {
		return nil, errors.New("no lines")
	}
	if q.Follow {
		said, say := io.Pipe()
		ended := context.AfterFunc(ctx, func() { _ = say.CloseWithError(ctx.Err()) })
		e.set(func() { e.followed, e.query = say, q })
		return closer{said, func() error { ended(); return said.Close() }}, nil
	}
	return io.NopCloser(strings.NewReader("log of " + container)), nil
}

// closer is a reader with a way to close it of its own.
type closer struct {
	io.Reader
	close func() error
}

func (c closer) Close() error { return c.close() }

// exit ends a container, as the engine would.
func (e *engine) exit(id string) {
	e.mu.Lock()
	e.boxes[id].State, e.boxes[id].ExitCode, e.boxes[id].FinishedAt = brain.ContainerExited, 1, time.Now()
	wake := e.wake
	e.mu.Unlock()
	wake(brain.Noticed{Container: id, Action: "die"})
}

func (e *engine) set(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
}

func (e *engine) done() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.did)
}

// store is a disk, which may be full or slow.
type store struct {
	mu    sync.Mutex // guards the rest
	saved brain.Cache
	saves int
	full  bool
	block chan struct{} // not nil: writes wait for it
	log   func(string)
}

func (s *store) Encode(cache *brain.Cache) ([]byte, error) { return json.Marshal(cache) }

func (s *store) Write(encoded []byte) error {
	s.mu.Lock()
	block := s.block
	s.mu.Unlock()
	if block != nil {
		<-block
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return errors.New("no space left on device")
	}
	s.saves++
	s.saved = brain.Cache{}
	if err := json.Unmarshal(encoded, &s.saved); err != nil {
		return err
	}
	if s.log != nil {
		s.log("save")
	}
	return nil
}

// link keeps what was sent last on each topic.
type link struct {
	mu     sync.Mutex // guards the rest
	sent   map[string][]byte
	echoes int
}

func (l *link) Set(topic string, payload []byte, _ bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[topic] = payload
	return nil
}

func (l *link) Echo() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.echoes++
}

func (l *link) last(leaf string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent[wire.Host("h1", leaf)]
}

// prober says yes to everything.
type prober struct {
	loop *loop.Loop
	all  sync.WaitGroup
}

func (p *prober) Set(targets []brain.ProbeTarget) {
	p.all.Go(func() {
		for _, t := range targets {
			p.loop.Probed(brain.ProbeResult{Instance: t.Instance, Container: t.Container, OK: true})
		}
	})
}

type balancer struct {
	mu    sync.Mutex // guards pools
	pools []fleet.Pool
	told  int
}

func (b *balancer) Want(pools []fleet.Pool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pools, b.told = pools, b.told+1
}

// rig is a running loop with fakes round it.
type rig struct {
	*testing.T
	engine   *engine
	store    *store
	link     *link
	balancer *balancer
	loop     *loop.Loop
	stop     func()
	ended    chan error
	gen      uint64
}

var shopWeb = fleet.ServiceKey{Project: "shop", Name: "web"}

func run(t *testing.T, change func(o *loop.Options, r *rig)) *rig {
	r := &rig{T: t, engine: newEngine(), store: &store{}, link: &link{sent: map[string][]byte{}}, balancer: &balancer{}}
	options := loop.Options{
		Brain: brain.Config{
			Host: "h1", AgentStart: "start1", Limits: brain.DefaultLimits(), Timing: brain.DefaultTiming(),
			Facts: fleet.HostFacts{Advertise: "127.0.0.1", BootID: "b1", PortRangeFirst: 20000, PortRangeLast: 20099},
		},
		Engine: r.engine, Logs: r.engine, Store: r.store,
		Facts: func(context.Context) (brain.FactsRead, error) {
			return brain.FactsRead{Facts: fleet.HostFacts{Hostname: "one"}}, nil
		},
		Foreign: func(context.Context, loop.Ours) (fleet.Foreign, error) { return fleet.Foreign{Memory: 5}, nil },
		Disk:    func(context.Context) (brain.DiskRead, error) { return brain.DiskRead{Used: 1, Size: 100}, nil },
		HubHTTP: "http://127.0.0.1:1", Logger: slog.New(slog.DiscardHandler), Timing: loop.DefaultTiming(),
	}
	if change != nil {
		change(&options, r)
	}
	var err error
	if r.loop, err = loop.New(options); err != nil {
		t.Fatal(err)
	}
	probes := &prober{loop: r.loop}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	r.ended = ended
	go func() {
		ended <- r.loop.Run(ctx, loop.Surroundings{Link: r.link, Prober: probes, Balancers: []loop.Balancer{r.balancer}})
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("it doesn't end")
		}
		probes.all.Wait()
	})
	t.Cleanup(r.stop)
	return r
}

// send delivers a desired state with these instances.
func (r *rig) send(goal string, ids ...string) {
	r.gen++
	d := fleet.Desired{Host: "h1", Versions: map[string]fleet.Spec{"shop/web@1": {
		Image: "web:1", Publish: []fleet.Publish{{Target: 8080, Protocol: "tcp"}},
		Probe: &fleet.Probe{Type: fleet.ProbeTCP, Port: 8080},
	}}}
	for i, id := range ids {
		d.Instances = append(d.Instances, fleet.Assignment{ID: id, Service: shopWeb, Version: 1, Slot: i + 1, Goal: goal, Cause: "cmd"})
	}
	r.message(wire.LeafDesired, r.gen, d)
}

func (r *rig) message(leaf string, generation uint64, body any) {
	payload, err := wire.Seal("L1", 1, generation, body)
	if err != nil {
		r.Fatal(err)
	}
	r.loop.Message(wire.Host("h1", leaf), payload)
}

// end waits until the loop ends by itself, and returns with what.
func (r *rig) end() error {
	r.Helper()
	select {
	case err := <-r.ended:
		r.ended <- nil // for stop
		return err
	case <-time.After(20 * time.Second):
		r.Fatal("it doesn't end")
		return nil
	}
}

func (r *rig) until(what string, done func() bool) {
	r.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			r.Fatalf("not within 20 s: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// actual is what was reported last.
func (r *rig) actual() fleet.Actual {
	var a fleet.Actual
	if payload := r.link.last(wire.LeafActual); payload != nil {
		if _, err := wire.Open(payload, &a); err != nil {
			r.Fatal(err)
		}
	}
	return a
}

func (r *rig) ready() int {
	n := 0
	for _, i := range r.actual().Instances {
		if i.Ready {
			n++
		}
	}
	return n
}
