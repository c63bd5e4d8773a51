package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/musterhq/muster/agent/brain"
)

// stop ends a container with its signal and, after the grace, with SIGKILL.
func (e *Engine) stop(ctx context.Context, op *brain.Op, c *brain.Container) brain.Result {
	alive := []string{brain.ContainerRunning, brain.ContainerPaused, brain.ContainerRestarting}
	if !slices.Contains(alive, c.State) {
		return done(op)
	}
	var err error
	if c.State == brain.ContainerPaused {
		// A frozen process hears no signal.
		err = e.call(ctx, func(ctx context.Context, cli *client.Client) error { return cli.ContainerUnpause(ctx, c.ID) })
	}
	if err == nil && op.Signal != "" {
		err = e.stopBySignal(ctx, op, c.ID)
	}
	if err == nil && op.Signal == "" || errdefs.IsInvalidArgument(err) {
		// The image's own signal, also for one that this engine doesn't know.
		err = e.stopPlainly(ctx, op, c.ID)
	}
	switch {
	case isGone(err):
		return gone(op)
	case err != nil:
		return failed(op, "stop container", err)
	}
	return done(op)
}

func (e *Engine) stopPlainly(ctx context.Context, op *brain.Op, id string) error {
	grace := wholeSeconds(op.Grace)
	return e.callWithin(ctx, op.Grace+e.options.WorkTimeout, func(ctx context.Context, cli *client.Client) error {
		return cli.ContainerStop(ctx, id, container.StopOptions{Timeout: &grace})
	})
}

// stopBySignal is ContainerStop with a signal of one's own, which engines know
// from API 1.42 on only.
func (e *Engine) stopBySignal(ctx context.Context, op *brain.Op, id string) error {
	for _, step := range []struct {
		signal string
		wait   time.Duration
	}{{op.Signal, max(op.Grace, time.Millisecond)}, {"SIGKILL", e.options.WorkTimeout}} {
		err := e.call(ctx, func(ctx context.Context, cli *client.Client) error {
			return cli.ContainerKill(ctx, id, step.signal)
		})
		if errdefs.IsConflict(err) {
			return nil // not running any more
		}
		if err != nil {
			return err
		}
		err = e.awaitExit(ctx, id, step.wait)
		if !errors.As(err, new(*timeoutError)) {
			return err
		}
	}
	return errors.New("it was not seen to end after SIGKILL")
}

// awaitExit returns nil as soon as the container doesn't run, and a
// timeoutError if it still does after limit.
func (e *Engine) awaitExit(ctx context.Context, id string, limit time.Duration) error {
	return e.callWithin(ctx, limit, func(ctx context.Context, cli *client.Client) error {
		ended, broke := cli.ContainerWait(ctx, id, container.WaitConditionNotRunning)
		select { // one of them comes, as the context ends the call
		case answer := <-ended:
			if answer.Error != nil {
				return errors.New(answer.Error.Message)
			}
			return nil
		case err := <-broke:
			return err
		}
	})
}
