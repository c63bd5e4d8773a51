package main

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

func (b *bench) onHosts(ctx context.Context, do func(ctx context.Context, i int, host string) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for i, host := range b.hosts {
		group.Go(func() error { return do(ctx, i, host) })
	}
	return group.Wait()
}

func (b *bench) stopAgents() error {
	for _, agent := range b.c.Agents {
		if err := agent.Stop(); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) startAgents(ctx context.Context) error {
	for _, agent := range b.c.Agents {
		if err := agent.Start(ctx); err != nil {
			return err
		}
	}
	if err := b.agentsAreBack(ctx); err != nil {
		return err
	}
	return pause(ctx, time.Second) // what a start stirs up is not what is measured next
}

func (b *bench) agentsAreBack(ctx context.Context) error {
	return until(ctx, "the agents are back", func(ctx context.Context) (bool, error) {
		list, err := b.c.Client.Hosts(ctx)
		up := 0
		for _, h := range list.Items {
			if h.Status.State == "up" && h.Engine.Up {
				up++
			}
		}
		return up == len(b.hosts), err
	})
}
