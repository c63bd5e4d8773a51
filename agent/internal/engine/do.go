package engine

import (
	"context"
	"fmt"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/musterhq/muster/agent/brain"
)

// Do carries out one operation. Doing it twice is as good as once: what is
// already so is a success. A container that doesn't carry the operation's
// instance among its labels is refused.
func (e *Engine) Do(ctx context.Context, op brain.Op) brain.Result {
	var result brain.Result
	switch op.Kind {
	case brain.OpPull:
		result = e.pull(ctx, &op)
	case brain.OpCreate:
		result = e.create(ctx, &op)
	case brain.OpStart, brain.OpStop, brain.OpRemove, brain.OpUnpause, brain.OpRestore:
		result = e.change(ctx, &op)
	case brain.OpImages:
		result = e.images(ctx, &op)
	case brain.OpRemoveImage:
		result = e.removeImage(ctx, &op)
	default:
		result = failed(&op, "carry out operation", fmt.Errorf("unknown kind %q", op.Kind))
		result.Permanent = true
	}
	return result
}

// change carries out the operations on a container that exists.
func (e *Engine) change(ctx context.Context, op *brain.Op) brain.Result {
	if op.Kind == brain.OpStart && op.Instance != "" && e.known.madeFor(op.Container) == op.Instance {
		return e.start(ctx, op, op.Container)
	}
	c, err := e.inspect(ctx, op.Container)
	if err == nil && (op.Instance == "" || c.Labels[brain.LabelInstance] != op.Instance) {
		err = errNotOurs
	}
	if isGone(err) && (op.Kind == brain.OpStop || op.Kind == brain.OpRemove) {
		return gone(op)
	}
	if err != nil {
		return failed(op, op.Kind+" container", err)
	}
	defer e.known.invalidate(c.ID)
	switch op.Kind {
	case brain.OpStart:
		return e.start(ctx, op, c.ID)
	case brain.OpStop:
		return e.stop(ctx, op, &c)
	case brain.OpRemove:
		return e.remove(ctx, op, &c)
	case brain.OpUnpause:
		return e.unpause(ctx, op, &c)
	default:
		return e.restore(ctx, op, &c)
	}
}

// start succeeds for a container that runs, too.
func (e *Engine) start(ctx context.Context, op *brain.Op, id string) brain.Result {
	err := e.callWithin(ctx, e.options.WorkTimeout, func(ctx context.Context, cli *client.Client) error {
		if err := staying(ctx, cli); err != nil {
			return err
		}
		return cli.ContainerStart(ctx, id, container.StartOptions{})
	})
	e.known.invalidate(id)
	if err != nil {
		return failed(op, "start container", err)
	}
	r := done(op)
	if c, err := e.inspect(ctx, id); err == nil { // else the next listing tells
		r.Container = c
	}
	return r
}

// staying returns nil when the engine takes new connections. One that shuts
// down takes none, ends its containers, and still serves the connections that
// it has: what was started over one of those would be left half started, with a
// file system that stays mounted, so that the container can't be removed later.
func staying(ctx context.Context, cli *client.Client) error {
	connection, err := cli.Dialer()(ctx)
	if err != nil {
		return client.ErrorConnectionFailed(cli.DaemonHost()) //nolint:staticcheck // the one way to make the error that IsErrConnectionFailed knows
	}
	return connection.Close()
}

// remove takes the anonymous volumes along. It never forces: what runs is
// stopped first, with its grace.
func (e *Engine) remove(ctx context.Context, op *brain.Op, c *brain.Container) brain.Result {
	err := e.callWithin(ctx, e.options.WorkTimeout, func(ctx context.Context, cli *client.Client) error {
		return cli.ContainerRemove(ctx, c.ID, container.RemoveOptions{RemoveVolumes: true})
	})
	if err != nil && !isGone(err) {
		return failed(op, "remove container", err)
	}
	e.sweepNetworks(ctx, c.Labels[brain.LabelLineage], c.Labels[brain.LabelHost])
	return gone(op)
}

func (e *Engine) unpause(ctx context.Context, op *brain.Op, c *brain.Container) brain.Result {
	if c.State != brain.ContainerPaused {
		return done(op)
	}
	err := e.call(ctx, func(ctx context.Context, cli *client.Client) error {
		return cli.ContainerUnpause(ctx, c.ID)
	})
	if err != nil {
		return failed(op, "unpause container", err)
	}
	return done(op)
}
