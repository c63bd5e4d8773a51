package haproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/agent/sequence"
)

const (
	// retryPause is the pause after something went wrong.
	retryPause = 500 * time.Millisecond
	// busyLimit is how long HAProxy may be unreadable before that is a problem.
	busyLimit = 5 * time.Second
	// finishTime bounds what is done after the order to end.
	finishTime = 5 * time.Second
	// maxRush is how many turns may follow each other without a pause.
	maxRush = 20
)

// errRejected says that the pools at fault are kept back, and reported so.
var errRejected = errors.New("a pool's section was rejected")

// step looks once and does what is due. It returns the pause until the next.
func (b *Balancer) step(ctx context.Context) time.Duration {
	fileProblem := b.lookAtFile()
	b.ledger.follow(b.wanted())
	if b.loaded {
		b.lookAtCertificates(ctx)
	}
	seen, err := b.observe(ctx)
	if err != nil {
		return b.unreadable(ctx, err)
	}
	b.busyFrom = time.Time{}
	b.publishCounts()
	turn := sequence.Next(b.wanted(), seen, b.memory, time.Now())
	b.memory = turn.Memory
	b.unfinished = len(turn.Actions) > 0
	switch {
	case !seen.Up:
		b.publish(false, text(errors.Join(fileProblem, b.down())), turn.Report)
	case b.reported != nil && len(turn.Actions) > 0:
		if report, lost := balancer.Sooner(b.reported.Pools, turn.Report); lost {
			b.publish(true, b.reported.Problem, report)
		}
	}
	problem, failed := fileProblem, false
	for _, action := range turn.Actions {
		if ctx.Err() != nil {
			return 0
		}
		err := b.perform(ctx, action)
		if err == nil {
			b.about(action).Debug("balancer action", "action", action.String())
			continue
		}
		b.about(action).Warn("balancer action failed", "action", action.String(), "error", err)
		if errors.Is(err, errRejected) {
			continue // the next turn does without
		}
		failed = true
		if problem == nil {
			problem = err
		}
	}
	if seen.Up {
		b.fault = nil
		if problem == nil && b.memory.Unloaded.Problem != "" {
			problem = errors.New(b.memory.Unloaded.Problem)
		}
		if problem == nil {
			problem = b.certificates.Problem(b.memory.Filed)
		}
		b.publish(true, text(problem), turn.Report)
	}
	if failed {
		b.unfinished = ctx.Err() != nil
		return retryPause
	}
	return b.paced(turn.Wake)
}

// about is a log whose lines name what an action is about.
func (b *Balancer) about(action sequence.Action) *slog.Logger {
	if action.Server.Instance == "" {
		return b.log
	}
	return b.log.With("instance", action.Server.Instance, "service", action.Server.Service.String())
}

// paced lets turns follow each other at once, but not for ever: HAProxy may
// accept a command and do nothing.
func (b *Balancer) paced(wake time.Duration) time.Duration {
	if wake > 0 {
		b.rush = 0
		return wake
	}
	b.rush++
	if b.rush > maxRush {
		return sequence.MotionWake
	}
	return 0
}

// lookAtFile reads the file at first and watches it then.
func (b *Balancer) lookAtFile() error {
	if !b.loaded {
		if err := balancer.MakeDir(b.options.Dir); err != nil {
			return err
		}
		pools, err := b.file.Load()
		if err != nil {
			return err
		}
		b.loaded = true
		b.memory.Filed = pools
		b.memory.Structure = b.structure(pools)
		return nil
	}
	stale, err := b.file.Intact()
	b.memory.Stale = b.memory.Stale || stale
	return err
}

func (b *Balancer) unreadable(ctx context.Context, err error) time.Duration {
	b.unfinished = b.unfinished && ctx.Err() != nil
	if ctx.Err() != nil {
		return 0
	}
	if b.busyFrom.IsZero() {
		b.busyFrom = time.Now()
	}
	if b.reported != nil && time.Since(b.busyFrom) > busyLimit {
		b.publish(b.reported.Up, err.Error()+b.wayOut(err), b.reported.Pools)
	}
	return sequence.MotionWake
}

// wayOut is a hint for whoever reads that HAProxy can't be read: a socket that
// was removed can't be made again for a HAProxy that runs.
func (b *Balancer) wayOut(err error) string {
	master, alive := b.running()
	if !alive || !errors.Is(err, syscall.ENOENT) {
		return ""
	}
	return fmt.Sprintf(" (its socket was removed; it serves on as it is; kill %d ends it with its connections, and it is started anew)", master)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// down says that there is no HAProxy at the moment, and why.
func (b *Balancer) down() error {
	err := errors.New("haproxy isn't running; it is started again")
	if b.fault != nil {
		err = fmt.Errorf("%w: %w", err, b.fault)
	}
	return err
}
