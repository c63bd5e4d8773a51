package balancer

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
)

const (
	// RetryPause is the pause after something went wrong.
	RetryPause = 500 * time.Millisecond
	// busyLimit is how long a program may be unreadable before that is a problem.
	busyLimit = 5 * time.Second
)

// LookAtFile reads the file at first and watches it then. The driver reads the rest
// of what it says by read, which is given its pools.
func (c *Common) LookAtFile(read func(pools []fleet.Pool) error) error {
	if c.Loaded {
		stale, err := c.File.Intact()
		c.Memory.Stale = c.Memory.Stale || stale
		return err
	}
	if err := MakeDir(c.Options.Dir); err != nil {
		return err
	}
	pools, err := c.File.Load()
	if err == nil {
		err = read(pools)
	}
	if err != nil {
		return err
	}
	c.Memory.Filed, c.Loaded = pools, true
	return nil
}

// Readable keeps what a turn is to remember, once the program could be read.
func (c *Common) Readable(turn sequence.Turn) {
	c.busyFrom = time.Time{}
	c.Memory = turn.Memory
	c.unfinished = len(turn.Actions) > 0
}

// Unreadable ends a turn in which the program couldn't be read; hint is appended
// where that is told. It returns the pause until the next.
func (c *Common) Unreadable(ctx context.Context, err error, hint string) time.Duration {
	c.unfinished = c.unfinished && ctx.Err() != nil
	if ctx.Err() != nil {
		return 0
	}
	if c.busyFrom.IsZero() {
		c.busyFrom = time.Now()
	}
	if c.reported != nil && time.Since(c.busyFrom) > busyLimit {
		c.Publish(c.reported.Up, err.Error()+hint, c.reported.Pools)
	}
	return sequence.MotionWake
}

// Act does what is due in a turn, and tells of it where the program is up; problem is
// what was wrong before. It returns the pause until the next.
func (c *Common) Act(ctx context.Context, turn sequence.Turn, up bool, problem error, perform func(context.Context, sequence.Action) error) time.Duration {
	failed := false
	for _, action := range turn.Actions {
		if ctx.Err() != nil {
			return 0
		}
		err := perform(ctx, action)
		if err == nil {
			c.about(action).Debug("balancer action", "action", action.String())
			continue
		}
		c.about(action).Warn("balancer action failed", "action", action.String(), "error", err)
		if errors.Is(err, ErrRejected) {
			continue // the next turn does without
		}
		failed = true
		if problem == nil {
			problem = err
		}
	}
	if up {
		c.fault = nil
		if problem == nil && c.Memory.Unloaded.Problem != "" {
			problem = errors.New(c.Memory.Unloaded.Problem)
		}
		if problem == nil {
			problem = c.Certificates.Problem(c.Memory.Filed)
		}
		c.Publish(true, text(problem), turn.Report)
	}
	if failed {
		c.unfinished = ctx.Err() != nil
		return RetryPause
	}
	return c.paced(turn.Wake)
}

// about is a log whose lines name what an action is about.
func (c *Common) about(action sequence.Action) *slog.Logger {
	if action.Server.Instance == "" {
		return c.Log
	}
	return c.Log.With("instance", action.Server.Instance, "service", action.Server.Service.String())
}

// paced lets turns follow each other at once, but not for ever: a program may
// accept a command and do nothing.
func (c *Common) paced(wake time.Duration) time.Duration {
	if wake > 0 {
		c.rush = 0
		return wake
	}
	c.rush++
	if c.rush > maxRush {
		return sequence.MotionWake
	}
	return 0
}
