package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"github.com/musterhq/muster/agent/brain"
)

// create makes a container and doesn't start it. One that an earlier attempt
// made is taken as it is.
func (e *Engine) create(ctx context.Context, op *brain.Op) brain.Result {
	const doing = "create container"
	if op.Create == nil {
		return permanent(op, doing, fmt.Errorf("the operation doesn't say what"))
	}
	config, host, err := toConfig(op.Create)
	if err != nil {
		return permanent(op, doing, err)
	}
	if err := e.newEnough(ctx, &op.Create.Spec); errors.Is(err, errTooOld) {
		return permanent(op, doing, err)
	} else if err != nil {
		return failed(op, doing, err)
	}
	networks := op.Create.Spec.Networks
	if len(networks) > 0 {
		e.networks.RLock() // none of them is removed meanwhile
		defer e.networks.RUnlock()
		if err := e.ensureNetworks(ctx, op.Create); err != nil {
			return failed(op, doing, err)
		}
	}
	var id string
	err = e.callWithin(ctx, e.options.WorkTimeout, func(ctx context.Context, cli *client.Client) error {
		answer, err := cli.ContainerCreate(ctx, config, host, toEndpoint(networks), nil, op.Create.Name)
		id = answer.ID
		return err
	})
	if errdefs.IsConflict(err) {
		return e.adopt(ctx, op, doing, err)
	}
	if err != nil {
		return failed(op, doing, err)
	}
	e.known.make(id, op.Create.Labels[brain.LabelInstance])
	c, err := e.inspect(ctx, id)
	if err != nil {
		return failed(op, "inspect new container", err)
	}
	return e.join(ctx, op, c)
}

// adopt takes the container that has the name already, if it is the one that
// was to be made.
func (e *Engine) adopt(ctx context.Context, op *brain.Op, doing string, conflict error) brain.Result {
	c, err := e.inspect(ctx, op.Create.Name)
	if isGone(err) {
		return failed(op, doing, conflict)
	}
	if err != nil {
		return failed(op, "inspect container", err)
	}
	for _, label := range []string{brain.LabelLineage, brain.LabelHost, brain.LabelInstance, brain.LabelIncarnation} {
		if c.Labels[label] != op.Create.Labels[label] {
			return failed(op, doing, fmt.Errorf("the name %s belongs to another container, %.12s: rename or remove that one", op.Create.Name, c.ID))
		}
	}
	return e.join(ctx, op, c)
}

func permanent(op *brain.Op, doing string, err error) brain.Result {
	r := failed(op, doing, err)
	r.Permanent = true
	return r
}
