// Package loop is the thin shell round the agent's brain. One goroutine owns
// the brain: it takes inputs from a bounded queue, has the brain's cache
// written, begins operations and publishes reports. It waits for none of them,
// and decides nothing.
package loop

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

const queueSize = 1024 // inputs that wait

// Loop owns one brain. Its methods may be called by any goroutine.
type Loop struct {
	options   Options
	observer  Observer
	state     *brain.State // owned by Run's goroutine; see Farewell
	queue     chan func(*shell)
	relist    chan struct{} // holds a token when something happened to a container
	connected chan struct{} // holds a token when a session began
	over      chan struct{} // closed when nothing is taken from queue any more
	ended     chan struct{} // closed when Run has returned
	lineage   atomic.Pointer[string]
	begun     atomic.Bool
	began     time.Time
	gone      bool // owned by Run's goroutine; see Farewell
}

// New makes a loop that goes on from what was kept. It starts nothing.
func New(options Options) (*Loop, error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	l := &Loop{
		options:   options,
		began:     time.Now(),
		observer:  options.Observer,
		state:     brain.New(options.Brain, options.Kept, time.Now()),
		queue:     make(chan func(*shell), queueSize),
		relist:    make(chan struct{}, 1),
		connected: make(chan struct{}, 1),
		over:      make(chan struct{}),
		ended:     make(chan struct{}),
	}
	if l.observer == nil {
		l.observer = unobserved{}
	}
	l.nameLineage()
	return l, nil
}

// Surroundings are what the loop speaks to once it runs. None of them may
// block.
type Surroundings struct {
	Link      Link
	Prober    Prober
	Balancers []Balancer
}

// Run goes on until ctx is done, saves what isn't on disk yet, and returns
// when no goroutine of its own is left.
func (l *Loop) Run(ctx context.Context, around Surroundings) error {
	if l.begun.Swap(true) {
		return errors.New("run loop: it was started before")
	}
	defer close(l.ended)
	ctx, cancel := context.WithCancel(ctx)
	s := &shell{
		Loop: l, around: around, ctx: ctx, streaming: make(chan struct{}, streamsAtOnce), following: make(chan struct{}, followsAtOnce), checking: make(chan struct{}, checksAtOnce),
		endpoints: map[string]map[endpoint]string{},
	}
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer s.workers.Wait()
	defer cancel()
	watchers.Go(func() { l.watchEngine(ctx) })
	watchers.Go(func() { l.readFacts(ctx) })
	watchers.Go(func() { l.readForeign(ctx) })
	watchers.Go(func() { l.readDisk(ctx) })
	s.run()
	close(l.over)
	if l.gone {
		return ErrLeft
	}
	return nil
}

// ErrLeft says that the loop has ended because the host has left the fleet, and the
// hub knows.
var ErrLeft = errors.New("this host has left the fleet")

// put hands a job to the loop's goroutine. Jobs of one caller keep their
// order. After the loop's end they are dropped.
func (l *Loop) put(job func(*shell)) {
	select {
	case l.queue <- job:
	case <-l.over:
	}
}

// Waiting is the number of inputs in the queue.
func (l *Loop) Waiting() int { return len(l.queue) }

// input hands an input to the brain.
func (l *Loop) input(in brain.Input) { l.put(func(s *shell) { s.step(in) }) }

// Connected says that a session with the hub's broker began.
func (l *Loop) Connected(session string) {
	l.input(brain.Connected{Session: session})
	select {
	case l.connected <- struct{}{}:
	default:
	}
}

// Disconnected says that it ended.
func (l *Loop) Disconnected() { l.input(brain.Disconnected{}) }

// Dismissed says that the hub lets this host in no more.
func (l *Loop) Dismissed() { l.input(brain.Dismissed{}) }

// Probed takes the outcome of a probe.
func (l *Loop) Probed(result brain.ProbeResult) { l.input(brain.Probed{Result: result}) }

// Balanced takes what a balancer is now.
func (l *Loop) Balanced(actual fleet.BalancerActual) {
	l.put(func(s *shell) {
		s.logBalancer(&actual)
		s.step(brain.BalancerReported{Actual: actual})
	})
}

// Counted takes what a balancer has counted for the pools that are to be
// measured; nil: it measures none any more.
func (l *Loop) Counted(balancer string, pools []fleet.PoolMetrics) {
	l.input(brain.BalancerCounted{Balancer: balancer, Pools: pools})
}

// Will returns what the hub's broker is to publish when the session breaks.
func (l *Loop) Will(session string) (topic string, payload []byte) {
	config := &l.options.Brain
	payload, err := wire.Seal(*l.lineage.Load(), 0, 0, fleet.Presence{
		State: fleet.PresenceLost, BootID: config.Facts.BootID, AgentStart: config.AgentStart, Session: session,
	})
	if err != nil {
		panic(err) // this type always encodes
	}
	return wire.Host(config.Host, wire.LeafPresence), payload
}

// Farewell returns the last sign of life, with the state that ends it. It may
// be called once Run has returned.
func (l *Loop) Farewell(state string) (topic string, payload []byte, err error) {
	<-l.ended
	payload, err = wire.Seal(l.state.Lineage(), 0, 0, l.state.Presence(state))
	return wire.Host(l.options.Brain.Host, wire.LeafPresence), payload, err
}

func (l *Loop) nameLineage() {
	lineage := l.state.Lineage()
	l.lineage.Store(&lineage)
}
