package loop

import (
	"context"
	"errors"
	"time"

	"github.com/musterhq/muster/agent/brain"
)

// wantListing asks for a listing after a wait in which more may happen.
func (s *shell) wantListing(wait time.Duration) {
	at := time.Now().Add(wait)
	if !s.wanted || at.Before(s.listAt) {
		s.listAt = at
	}
	s.wanted = true
}

// list begins a listing when one is wanted and due, one at a time.
func (s *shell) list(now time.Time) {
	pause := s.options.Timing.Resync
	if s.failing {
		pause = s.options.Timing.Relist
	}
	if !s.wanted || s.listing || now.Before(s.listAt) {
		if s.listing || s.resyncAt.IsZero() {
			s.resyncAt = now.Add(pause)
		}
		return
	}
	s.wanted, s.listing = false, true
	s.resyncAt = now.Add(pause)
	after, lineage := s.state.Turn(), s.state.Lineage()
	s.workers.Go(func() {
		began := time.Now()
		containers, err := s.options.Engine.Containers(s.ctx, lineage, s.options.Brain.Host)
		took := time.Since(began)
		s.put(func(s *shell) {
			s.observer.Worked(WorkList, took, err != nil)
			s.listed(after, containers, err)
		})
	})
}

func (s *shell) listed(after uint64, containers []brain.Container, err error) {
	s.listing = false
	s.failing = err != nil
	switch {
	case err == nil:
		s.step(brain.Listed{After: after, Containers: containers})
	case s.ctx.Err() == nil:
		s.resyncAt = time.Now().Add(s.options.Timing.Relist)
		s.step(brain.EngineFailed{Problem: err.Error()})
	}
}

// begin carries an operation out on a goroutine of its own. The brain bounds
// how many there are.
func (s *shell) begin(op brain.Op) {
	s.options.Logger.Debug("operation begins", "kind", op.Kind, "instance", op.Instance, "version", op.Version, "container", op.Container, "cause", op.Cause)
	s.workers.Go(func() {
		began := time.Now()
		result := s.carryOut(op)
		took := time.Since(began)
		result.Instance, result.Version, result.Kind = op.Instance, op.Version, op.Kind
		s.reached(PointAfterOp)
		s.put(func(s *shell) {
			s.observer.Worked(op.Kind, took, result.Problem != "")
			s.logOp(&op, &result, took)
			s.step(brain.OpDone{Result: result})
			if op.Instance != "" && op.Kind != brain.OpPull && result.Container.ID == "" {
				s.wantListing(0)
			}
		})
	})
}

// carryOut gives an operation what the brain knows in encrypted form only, and has
// the engine do it.
func (s *shell) carryOut(op brain.Op) brain.Result {
	var err error
	switch {
	case len(op.Secrets) == 0 && op.Login == "":
	case s.options.Secrets == nil:
		err = errors.New("this agent has no key to open secrets with")
	case op.Login != "" && op.Local: // nobody is asked
	case op.Login != "":
		op.Credentials, err = s.options.Secrets.Credentials(op.Registry, op.Login)
	default:
		err = s.options.Secrets.Write(op.Instance, op.Secrets)
	}
	if err == nil && len(op.Configs) > 0 {
		if s.options.Configs == nil {
			err = errors.New("this agent has no folder for configs")
		} else {
			err = s.options.Configs.Write(op.Instance, op.Configs)
		}
	}
	if err != nil {
		return brain.Result{Problem: err.Error()}
	}
	return s.options.Engine.Do(s.ctx, op)
}

// Pauses between attempts to listen to the engine's events.
const (
	listenFirst = 200 * time.Millisecond
	listenMax   = 5 * time.Second
)

// watchEngine turns the engine's events into listings. An event only wakes:
// what is, is read.
func (l *Loop) watchEngine(ctx context.Context) {
	pause := listenFirst
	for {
		err := l.options.Engine.Events(ctx, func(in brain.Noticed) {
			pause = listenFirst
			l.notice(in)
		})
		if ctx.Err() != nil {
			return
		}
		l.options.Logger.Warn("engine's events not heard", "error", err, "retry_in", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		pause = min(2*pause, listenMax)
	}
}

// notice must return at once. What doesn't fit in the queue is lost: the
// listing says what counts.
func (l *Loop) notice(in brain.Noticed) {
	if in.Container != "" {
		select {
		case l.queue <- func(s *shell) { s.noticed(in) }:
			return
		default:
		}
	}
	select {
	case l.relist <- struct{}{}:
	default:
	}
}

// noticed hurries where somebody may wait for it. What is made and started is
// mostly our own doing, and known.
func (s *shell) noticed(in brain.Noticed) {
	s.step(in)
	wait := s.options.Timing.Settle
	switch in.Action {
	case "die", "destroy", "health_status":
		wait = s.options.Timing.Coalesce
	}
	s.wantListing(wait)
}
