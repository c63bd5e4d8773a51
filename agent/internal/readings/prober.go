package readings

import (
	"context"
	"hash/fnv"
	"sync"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

const (
	// probesAtOnce bounds the probes of one service that run at the same time.
	// What hangs keeps the others of its service waiting, and nobody else.
	probesAtOnce = 32
	// firstRetry is the pause after an instance's first failed probe. Until
	// one succeeds the pauses double, up to the interval: a service that
	// starts is noticed soon.
	firstRetry = 50 * time.Millisecond
	// defaultPeriod is the interval and the timeout of a target without.
	defaultPeriod = 2 * time.Second
	// beat is what the moments of probes are rounded to. On a machine at rest
	// it costs several times a probe to wake the program up for it (measured:
	// ten probes a second took 0.8 % of a core one by one, 0.2 % at once), so
	// all instances share few moments.
	beat = 500 * time.Millisecond
)

// Prober keeps a set of probes running.
type Prober struct {
	began   time.Time // beats are counted from here
	report  func(brain.ProbeResult)
	check   func(context.Context, *brain.ProbeTarget) error
	changed chan struct{} // holds a token when targets changed

	mu      sync.Mutex // guards targets
	targets map[string]brain.ProbeTarget
}

// NewProber makes a prober that reports each outcome. It starts nothing.
// report is called by many goroutines, and must not wait for Run to end.
func NewProber(report func(brain.ProbeResult)) *Prober {
	return &Prober{began: time.Now(), report: report, check: check, changed: make(chan struct{}, 1)}
}

// Set names the targets that are to be probed from now on, at most one for
// each instance. One that stays the same goes on undisturbed; the result of
// one that left may still come if its probe was under way.
func (p *Prober) Set(targets []brain.ProbeTarget) {
	wanted := make(map[string]brain.ProbeTarget, len(targets))
	for _, t := range targets {
		wanted[t.Instance] = t
	}
	p.mu.Lock()
	p.targets = wanted
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default: // a change is pending already
	}
}

// Run probes until the context ends, and reslots when no probe runs any more.
func (p *Prober) Run(ctx context.Context) error {
	type worker struct {
		target brain.ProbeTarget
		stop   context.CancelFunc
	}
	workers := map[string]worker{}
	slots := map[fleet.ServiceKey]chan struct{}{}
	var running sync.WaitGroup
	defer running.Wait()
	for {
		wanted := p.wanted()
		for instance, w := range workers {
			if wanted[instance] != w.target {
				w.stop()
				delete(workers, instance)
			}
		}
		for instance, target := range wanted {
			if _, ok := workers[instance]; ok {
				continue
			}
			if slots[target.Service] == nil {
				slots[target.Service] = make(chan struct{}, probesAtOnce)
			}
			probing, stop := context.WithCancel(ctx)
			workers[instance] = worker{target: target, stop: stop}
			of := slots[target.Service]
			running.Go(func() { p.probe(probing, target, of) })
		}
		select {
		case <-p.changed:
		case <-ctx.Done():
			for _, w := range workers {
				w.stop()
			}
			return nil
		}
	}
}

func (p *Prober) wanted() map[string]brain.ProbeTarget {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.targets
}

// probe probes one target until the context ends. A probe under way holds one
// of the service's slots.
func (p *Prober) probe(ctx context.Context, target brain.ProbeTarget, slots chan struct{}) {
	if target.Interval <= 0 {
		target.Interval = defaultPeriod
	}
	if target.Timeout <= 0 {
		target.Timeout = defaultPeriod
	}
	retry := min(firstRetry, target.Interval)
	var due time.Time // by the interval; zero until a probe succeeded
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		err := p.attempt(ctx, &target, slots)
		if ctx.Err() != nil {
			return
		}
		if looked(err) {
			reason := reasonOf(err, target.Timeout)
			p.report(brain.ProbeResult{Instance: target.Instance, Container: target.Container, OK: err == nil, Reason: reason})
		}
		now := time.Now()
		switch {
		case !due.IsZero():
			if now.Sub(p.moment(due, target.Interval)) > target.Interval/4 {
				due = now // it took long: its target is left in peace for as long as it asked for
			}
			due = due.Add(target.Interval)
			timer.Reset(p.moment(due, target.Interval).Sub(now))
		case err == nil:
			due = now.Add(phase(target.Instance, target.Interval))
			timer.Reset(p.moment(due, target.Interval).Sub(now))
		default:
			timer.Reset(retry)
			retry = min(2*retry, target.Interval)
		}
	}
}

// moment is when to probe what is due: on the beat next to that. Intervals that
// are short beside a beat are kept to exactly.
func (p *Prober) moment(due time.Time, interval time.Duration) time.Time {
	if interval < 2*beat {
		return due
	}
	return p.began.Add(due.Sub(p.began).Round(beat))
}

// attempt waits for its turn and probes once.
func (p *Prober) attempt(ctx context.Context, target *brain.ProbeTarget, slots chan struct{}) error {
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	bounded, cancel := context.WithTimeout(ctx, target.Timeout)
	defer cancel()
	return p.check(bounded, target)
}

// phase spreads the probes of instances that started together: it is between
// half an interval and a whole one, always the same for the same instance.
func phase(instance string, interval time.Duration) time.Duration {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(instance)) // never fails
	const parts = 1000
	return interval/2 + interval/2/parts*time.Duration(hash.Sum64()%parts)
}
