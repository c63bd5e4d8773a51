// Package fleetloop is the thin shell round the hub's brain. One goroutine
// owns the fleet's state: inputs queue up, a turn takes them in, its delta is
// committed in one transaction, and only then do messages and answers go out.
// A commit that fails leaves no trace: nothing is remembered, published or
// acknowledged.
package fleetloop

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// Store keeps what a turn decides, with what is said of it in the audit trail.
type Store interface {
	Commit(revision uint64, rows []turn.Row, events []fleet.Event, audit []fleet.AuditEntry) error
	// Audit writes entries of what changed nothing.
	Audit(entries []fleet.AuditEntry) error
}

// Bus carries messages to agents and readers.
type Bus interface {
	Publish(topic string, payload []byte, retain bool) error
}

// Options of a Loop.
type Options struct {
	State  *turn.State // owned by the loop from Run on
	Store  Store
	Bus    Bus
	Logger *slog.Logger
	Tick   time.Duration // how often time passes for the brain
	Queue  int           // inputs that may wait; signs of life that waited for one another count as one
	Batch  int           // of those, what one turn takes
	// Reach tries a TCP connection to a balancer; nil error: it answers. Where
	// it couldn't look, that says nothing.
	Reach func(ctx context.Context, address string) (looked bool, err error)
	// Judge asks somebody outside about a rollout.
	Judge func(ctx context.Context, ask turn.JudgeAsk) turn.JudgedIn
	// Answered is told of every answer of an agent's, besides the brain.
	Answered func(host string, answer fleet.Answer)
	// Gone is told of each host that has left the fleet, once that is stored and
	// said: what let it in is void. It mustn't block.
	Gone func(host string)
	// Observe is told of every turn, by the loop's goroutine.
	Observe func(Turn)
	// Reached is called at "before-commit", "after-commit", "after-publish"
	// and "after-reply" of turns that store something: tests crash the hub there.
	Reached func(point string)
}

// DefaultOptions lack only State, Store, Bus and Logger.
func DefaultOptions() Options {
	return Options{
		Tick: 500 * time.Millisecond, Queue: 65536, Batch: 4096,
		Reach: func(context.Context, string) (bool, error) { return false, fmt.Errorf("not tried") },
		Judge: func(_ context.Context, ask turn.JudgeAsk) turn.JudgedIn {
			return ask.Answer("", "nobody asks judges")
		},
		Answered: func(string, fleet.Answer) {},
		Gone:     func(string) {},
		Observe:  func(Turn) {},
		Reached:  func(string) {},
	}
}

// item is one thing in the queue: an input, signs of life, a host that has
// counted, or a read.
type item struct {
	at      time.Duration // when it came, since the loop began
	in      turn.Input
	again   []turn.Input
	counted string
	reply   chan turn.Reply // commands only
	read    func(*turn.State, time.Time)
	done    chan struct{} // reads only
}

// Loop owns the fleet's state while it runs.
type Loop struct {
	opts     Options
	queue    chan item
	stopped  chan struct{}
	machines machines
	beats    beats
	again    again
	counts   counts
	watchers watchers
	waits    *waits       // owned by the loop's goroutine
	lastTurn atomic.Int64 // nanoseconds since start of the last turn's end
	start    time.Time    // receipt times are this plus monotonic elapsed time
	began    time.Time
	dropped  atomic.Uint64
}

// New prepares a loop; it starts nothing. start is the hub's time at start.
func New(opts Options, start time.Time) *Loop {
	l := &Loop{opts: opts, queue: make(chan item, opts.Queue), stopped: make(chan struct{}), start: start, began: time.Now()}
	l.waits = newWaits(opts.State.Lineage)
	l.machines.load(opts.State.Hosts)
	l.watchers.recent.since = opts.State.Revision
	return l
}

// Now is receipt time, as the brain counts it.
func (l *Loop) Now() time.Time { return l.now() }

// now is receipt time: it never jumps with the machine's clock.
func (l *Loop) now() time.Time { return l.start.Add(time.Since(l.began)) }

// Run takes turns until ctx is done.
func (l *Loop) Run(ctx context.Context) error {
	defer close(l.stopped)
	defer l.watchers.closeAll()
	l.publish(turn.Boot(l.opts.State))
	ticker := time.NewTicker(l.opts.Tick)
	defer ticker.Stop()
	for {
		var batch []item
		ticks := false
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			ticks = true
		case first := <-l.queue:
			batch = append(batch, first)
		}
		batch = l.drain(batch)
		if ticks {
			batch = append(batch, item{in: turn.Tick{Behind: l.behind(batch)}})
		}
		l.turn(ctx, batch)
	}
}

func (l *Loop) drain(batch []item) []item {
	for len(batch) < l.opts.Batch {
		select {
		case next := <-l.queue:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// behind is how long what is left in the queue has waited at most: not longer than
// the last of the batch.
func (l *Loop) behind(batch []item) time.Duration {
	if len(l.queue) == 0 || len(batch) == 0 {
		return 0
	}
	return time.Since(l.began) - batch[len(batch)-1].at
}

// turn takes one batch in, commits, and lets the outputs go.
func (l *Loop) turn(ctx context.Context, batch []item) {
	began := time.Now()
	inputs := make([]turn.Input, 0, len(batch))
	waiting := map[int]chan turn.Reply{}
	var reads []item
	for _, it := range batch {
		if it.read != nil {
			reads = append(reads, it)
			continue
		}
		if it.again != nil {
			inputs = append(inputs, it.again...)
			continue
		}
		if it.counted != "" {
			inputs = append(inputs, l.counts.take(it.counted))
			continue
		}
		if it.reply != nil {
			waiting[len(inputs)] = it.reply
		}
		inputs = append(inputs, it.in)
	}
	report := Turn{Inputs: kinds(inputs), Reads: len(reads), Waiting: len(l.queue), Tally: l.opts.State.Tally()}
	if len(inputs) > 0 {
		l.step(ctx, inputs, waiting, &report)
	}
	reading := time.Now()
	for _, it := range reads {
		it.read(l.opts.State, l.now())
		close(it.done)
	}
	report.Read, report.Duration = time.Since(reading), time.Since(began)
	report.Behind = map[string]int{WaitDesired: len(l.waits.desired), WaitPool: len(l.waits.pools), WaitBalancer: len(l.waits.forced)}
	l.lastTurn.Store(int64(time.Since(l.began)))
	l.opts.Observe(report)
}

func (l *Loop) step(ctx context.Context, inputs []turn.Input, waiting map[int]chan turn.Reply, report *Turn) {
	now, began := l.now(), time.Now()
	delta, out := turn.Step(l.opts.State, inputs, now)
	stored := delta.Stored()
	report.Plan = time.Since(began)
	said := audited(inputs, out.Replies, now)
	if stored {
		began := time.Now()
		err := l.commit(delta, said)
		report.Stored, report.Failed, report.Commit = err == nil, err != nil, time.Since(began)
		if err != nil {
			l.opts.Logger.Error("commit failed; the turn is undone", "revision", delta.Revision, "error", err)
			refuse(waiting, err)
			l.audit(failed(said, err))
			return
		}
	}
	stages := delta.Stages()
	delta.Fold()
	l.machines.load(delta.ChangedHosts())
	publishing := time.Now()
	l.publish(out.Publish)
	report.Publish, report.Published, report.Events = time.Since(publishing), len(out.Publish), out.Events
	if stored {
		l.opts.Reached("after-publish")
	}
	for _, host := range out.Gone {
		l.opts.Gone(host)
	}
	for i, reply := range waiting {
		reply <- out.Replies[i]
	}
	if !stored {
		l.audit(said)
	}
	if stored {
		l.opts.Reached("after-reply")
		l.watchers.send(out.Change)
		l.logEvents(out.Events)
		l.logStages(stages, delta.Revision)
	}
	for _, in := range inputs {
		report.Ended = append(report.Ended, l.waits.heard(l.opts.State, in, now)...)
	}
	report.Ended = append(report.Ended, l.waits.begun(l.opts.State, delta, now)...)
	for _, r := range out.Reach {
		go l.reach(ctx, r)
	}
	for _, ask := range out.Judge {
		go func() { l.Enqueue(l.opts.Judge(ctx, ask)) }()
	}
}

func (l *Loop) commit(delta *turn.Delta, audit []fleet.AuditEntry) error {
	rows, err := delta.Rows()
	if err != nil {
		return err
	}
	l.opts.Reached("before-commit")
	if err := l.opts.Store.Commit(delta.Revision, rows, delta.Events(), audit); err != nil {
		return err
	}
	l.opts.Reached("after-commit")
	return nil
}

func refuse(waiting map[int]chan turn.Reply, err error) {
	unavailable := &fleet.Error{Code: fleet.CodeUnavailable, Message: "the hub could not store the change: " + err.Error(), Hint: "nothing was changed; try again"}
	for _, reply := range waiting {
		reply <- turn.Reply{Err: unavailable}
	}
}

func (l *Loop) publish(messages []turn.Publish) {
	for _, m := range messages {
		if err := l.opts.Bus.Publish(m.Topic, m.Payload, m.Retain); err != nil {
			host, _, _, _ := wire.HostTopic(m.Topic)
			l.opts.Logger.Warn("message not published; heartbeats will show who lacks it", "topic", m.Topic, "host", host, "error", err)
		}
	}
}

// reach tries a balancer's listener and reports what it saw to the brain.
func (l *Loop) reach(ctx context.Context, r turn.Reach) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if looked, err := l.opts.Reach(ctx, r.Address); looked {
		l.Enqueue(turn.ReachedIn{Balancer: r.Balancer, OK: err == nil})
	}
}
