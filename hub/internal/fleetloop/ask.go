package fleetloop

import (
	"context"
	"fmt"
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// Enqueue puts a message into the queue without waiting. When the queue is
// full the message is dropped: agents repeat what isn't acknowledged.
func (l *Loop) Enqueue(in turn.Input) {
	l.again.mu.Lock()
	defer l.again.mu.Unlock()
	l.flushLocked()
	l.put(item{in: in})
}

// Dropped counts the messages that found the queue full.
func (l *Loop) Dropped() uint64 { return l.dropped.Load() }

// Waiting is the number of inputs in the queue.
func (l *Loop) Waiting() int { return len(l.queue) }

// Do has a command carried out. When it returns without an error the result
// is on disk.
func (l *Loop) Do(ctx context.Context, c fleet.Command) (fleet.Result, error) {
	reply := make(chan turn.Reply, 1)
	select {
	case l.queue <- item{at: time.Since(l.began), in: turn.CommandIn{Command: c}, reply: reply}:
	default:
		return fleet.Result{}, busy("the hub's queue is full")
	}
	select {
	case r := <-reply:
		return r.Result, r.Err
	case <-ctx.Done():
		return fleet.Result{}, busy("the hub didn't answer in time; repeat with the same Idempotency-Key to learn the outcome")
	case <-l.stopped:
		return fleet.Result{}, busy("the hub is stopping")
	}
}

// Read runs fn on the state's goroutine, between two turns. Keep it short,
// and keep nothing of the state afterwards.
func (l *Loop) Read(ctx context.Context, fn func(*turn.State, time.Time)) error {
	done := make(chan struct{})
	select {
	case l.queue <- item{at: time.Since(l.began), read: fn, done: done}:
	case <-ctx.Done():
		return busy("the hub is busy")
	case <-l.stopped:
		return busy("the hub is stopping")
	}
	select {
	case <-done:
		return nil
	case <-l.stopped:
		return busy("the hub is stopping")
	}
}

// Ready says why the loop doesn't serve; nil: it does.
func (l *Loop) Ready() error {
	silent := time.Since(l.began) - time.Duration(l.lastTurn.Load())
	if limit := 10*l.opts.Tick + 5*time.Second; silent > limit {
		return fmt.Errorf("no turn for %s", silent.Round(time.Millisecond))
	}
	return nil
}

// aliveFor is how long after a turn the loop counts as alive: turns come twice a
// second at least, and take less than that by far.
const aliveFor = 5 * time.Second

// Alive says whether turns are taken, though what comes in may have to wait for one.
func (l *Loop) Alive() bool {
	return time.Since(l.began)-time.Duration(l.lastTurn.Load()) < aliveFor
}

func busy(message string) error {
	return &fleet.Error{Code: fleet.CodeUnavailable, Message: message, Hint: "try again"}
}
