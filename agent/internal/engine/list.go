package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

const (
	// inspectsAtOnce bounds the calls that one listing makes at the same time.
	inspectsAtOnce = 8
	// leftAlone is for how many times as long as it took an inspection that
	// failed isn't made again: one that hangs takes a small part of the time.
	leftAlone = 10
)

// Containers returns all containers of the engine, in the order in which the
// engine lists them. Those that carry the labels of lineage and host are told
// in full; of the others only what brain.Container says. One that can't be
// inspected is told as far as the engine's list goes. An empty lineage
// stands for any. While an event stream is open and nothing changes, it is
// one call to the engine.
func (e *Engine) Containers(ctx context.Context, lineage, host string) ([]brain.Container, error) {
	var listed []container.Summary
	err := e.call(ctx, func(ctx context.Context, c *client.Client) error {
		var err error
		listed, err = c.ContainerList(ctx, container.ListOptions{All: true})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	e.known.retain(listed)
	told := make([]*brain.Container, len(listed))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(inspectsAtOnce)
	for i := range listed {
		key := listKey(&listed[i])
		if c, ok := e.known.get(listed[i].ID, key, time.Now()); ok {
			told[i] = &c
			continue
		}
		group.Go(func() error {
			c, err := e.inspectListed(groupCtx, &listed[i], key)
			if errdefs.IsNotFound(err) {
				return nil // removed meanwhile
			}
			told[i] = &c
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("inspect containers: %w", err)
	}
	containers := make([]brain.Container, 0, len(told))
	for _, c := range told {
		switch {
		case c == nil:
		case ours(c.Labels, lineage, host):
			containers = append(containers, *c)
		default:
			containers = append(containers, foreign(c))
		}
	}
	return containers, nil
}

// inspectListed tells a container in full if it can. The error is one of the
// whole engine.
func (e *Engine) inspectListed(ctx context.Context, listed *container.Summary, key string) (brain.Container, error) {
	mark, began := e.known.mark(), time.Now()
	c, err := e.inspectWithin(ctx, e.options.InspectTimeout, listed.ID)
	trust := e.options.Recheck
	switch {
	case err == nil:
	case ctx.Err() != nil, errdefs.IsNotFound(err), client.IsErrConnectionFailed(err):
		return brain.Container{}, err
	default:
		e.logger.Warn("container not inspected", "container", listed.ID, "error", err)
		c = brain.Container{ID: listed.ID, Labels: listed.Labels, State: listed.State, Problem: fleet.Clip(clean(err), maxProblem)}
		trust = leftAlone * time.Since(began)
	}
	c.HostPorts = listedPorts(c.HostPorts, listed.Ports)
	e.known.put(listed.ID, mark, entry{key: key, until: time.Now().Add(trust), container: c})
	return c, nil
}

// inspect returns a container by its id or name.
func (e *Engine) inspect(ctx context.Context, container string) (brain.Container, error) {
	return e.inspectWithin(ctx, e.options.Timeout, container)
}

func (e *Engine) inspectWithin(ctx context.Context, limit time.Duration, container string) (brain.Container, error) {
	var told brain.Container
	err := e.callWithin(ctx, limit, func(ctx context.Context, c *client.Client) error {
		answer, err := c.ContainerInspect(ctx, container)
		if err == nil {
			told, err = fromInspect(&answer)
		}
		return err
	})
	return told, err
}

func ours(labels map[string]string, lineage, host string) bool {
	l, labelled := labels[brain.LabelLineage]
	h, onHost := labels[brain.LabelHost]
	return labelled && onHost && h == host && (lineage == "" || l == lineage)
}

// foreign leaves out what is nobody's business but the owner's.
func foreign(c *brain.Container) brain.Container {
	return brain.Container{
		ID: c.ID, Labels: c.Labels, State: c.State, Memory: c.Memory, CPUs: c.CPUs, HostPorts: c.HostPorts,
	}
}
