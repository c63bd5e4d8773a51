package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// limit is generous: what is measured must come to an end on a busy
	// machine too.
	limit = 3 * time.Minute
	// glance is the pause between two looks at a state.
	glance = 5 * time.Millisecond
	// seldom is the same where events tell the time, and looking more often
	// would take from what is measured.
	seldom = 50 * time.Millisecond
)

// until looks every few milliseconds until it is so.
func until(ctx context.Context, what string, so func(context.Context) (bool, error)) error {
	return untilEvery(ctx, glance, what, so)
}

func untilEvery(ctx context.Context, pause time.Duration, what string, so func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last error
	for {
		done, err := so(ctx)
		if done {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, errors.Join(ctx.Err(), last))
		case <-time.After(pause):
		}
	}
}
