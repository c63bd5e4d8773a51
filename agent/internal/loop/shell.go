package loop

import (
	"context"
	"sync"
	"time"

	"github.com/musterhq/muster/agent/brain"
)

// shell is the part of a loop that runs. Its goroutine alone touches it, but
// for workers, streaming, following and checking.
type shell struct {
	*Loop
	around  Surroundings
	ctx     context.Context
	workers sync.WaitGroup // operations, listings and answers under way
	// Each holds a token for an answer under way, of the one kind or the other.
	streaming, following, checking chan struct{}

	wake    time.Time     // when the brain wants a tick; zero: never
	written chan struct{} // closed when the last write has ended; nil: there was none
	problem string        // of the last write
	logged  uint64        // number of the last event that was logged
	// endpoints are those that balancers said to have, and how, by balancer.
	endpoints map[string]map[endpoint]string

	listing  bool // one is under way
	failing  bool // the last one failed
	wanted   bool // another one is wanted
	listAt   time.Time
	resyncAt time.Time
	aliveAt  time.Time
}

// run turns until the context ends.
func (s *shell) run() {
	s.logged = s.state.Cache().LastEvent
	s.wantListing(0)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for s.ctx.Err() == nil && !s.gone {
		select {
		case job := <-s.queue:
			job(s)
		case <-s.relist:
			s.wantListing(s.options.Timing.Coalesce)
		case <-timer.C:
		case <-s.ctx.Done():
		}
		s.catchUp(time.Now())
		timer.Reset(time.Until(s.next()))
	}
	s.leave()
}

// catchUp does what fell due.
func (s *shell) catchUp(now time.Time) {
	if !s.wake.IsZero() && !now.Before(s.wake) {
		s.step(brain.Tick{})
	}
	if !s.resyncAt.After(now) {
		s.wantListing(0)
	}
	s.list(now)
	if s.options.Alive != nil && !now.Before(s.aliveAt) {
		s.aliveAt = now.Add(s.options.Timing.Alive)
		s.options.Alive()
	}
}

// next is when something falls due.
func (s *shell) next() time.Time {
	next := s.resyncAt
	for _, t := range []time.Time{s.wake, s.aliveAt} {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	if s.wanted && !s.listing && s.listAt.Before(next) {
		next = s.listAt
	}
	return next
}

// step gives the brain an input and does what follows from it.
func (s *shell) step(in brain.Input) {
	began := time.Now()
	out := brain.Step(s.state, in, began)
	if out.Save {
		s.save()
	}
	s.perform(&out)
	s.observer.Turned(time.Since(began), len(s.state.Cache().Events))
}

func (s *shell) perform(out *brain.Outputs) {
	if out.SecretsChanged && s.options.Secrets != nil {
		s.options.Secrets.Keep(out.Secrets)
	}
	if out.SecretsChanged && s.options.Configs != nil {
		s.options.Configs.Keep(out.Secrets)
	}
	for _, op := range out.Ops {
		s.begin(op)
	}
	if out.ProbesChanged {
		s.around.Prober.Set(out.Probes)
	}
	if out.PoolsChanged {
		for _, b := range s.around.Balancers {
			b.Want(out.Pools)
		}
	}
	s.publish(out)
	for _, answer := range out.Answers {
		s.answer(answer)
	}
	if out.Actual != nil {
		s.observer.Reported(out.Actual)
	}
	if out.Withdraw != "" {
		s.withdraw(out.Withdraw)
	}
	s.gone = s.gone || out.Gone
	s.logStages(out.Stages)
	s.logEvents()
	s.wake = out.Wake
}
