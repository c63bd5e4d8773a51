package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// death measures what follows when a host loses its power.
func (b *bench) death(ctx context.Context) (result, error) {
	var took, swarmed series
	for range min(b.runs, mostDeaths) {
		if _, err := b.apply(ctx, b.document("app:1", 2*len(b.hosts))); err != nil {
			return result{}, err
		}
		d, err := b.die(ctx)
		if err != nil {
			return result{}, err
		}
		took = append(took, d)
		if err := b.remove(ctx); err != nil {
			return result{}, err
		}
		err = b.withSwarm(ctx, func(ctx context.Context, s *swarm) error {
			d, err := s.die(ctx)
			swarmed = append(swarmed, d)
			return err
		})
		if err != nil {
			return result{}, err
		}
	}
	r := result{
		headline: fmt.Sprintf("**What ran on a host that dies is ready elsewhere after %s, with Swarm after %s.**", show(took.median()), show(swarmed.median())),
		notes: "The host's power is cut: engine, containers and agent are gone and nobody gets a last packet. Six instances run on three hosts, two of them on that one; from then until all six are ready again, and in Swarm until six tasks run on the other two nodes, with its defaults. " +
			fmt.Sprintf("Measured %d times.", min(b.runs, mostDeaths)),
	}
	r.times("Muster: ready elsewhere", took)
	r.times("Swarm: running elsewhere", swarmed)
	r.targetTime("a dead host's instances are elsewhere sooner than with Swarm", swarmed.median(), took.median())
	return r, nil
}

// mostDeaths is how often a host dies: each takes half a minute.
const mostDeaths = 3

// die cuts the last host's power, and boots it again once all its instances are
// ready elsewhere.
func (b *bench) die(ctx context.Context) (time.Duration, error) {
	victim := b.hosts[len(b.hosts)-1]
	since, err := b.revision(ctx)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := b.c.Fleet.Host(victim).PowerCut(ctx); err != nil {
		return 0, err
	}
	lost := 2
	var ready []fleet.Event
	err = until(ctx, "the dead host's instances are ready elsewhere", func(ctx context.Context) (bool, error) {
		events, err := b.events(ctx, since)
		ready = nil
		for _, e := range events {
			if e.Type == fleet.EventInstanceReady && e.Data.Host != victim {
				ready = append(ready, e)
			}
		}
		return len(ready) >= lost, err
	})
	if err != nil {
		return 0, err
	}
	took := last(ready, fleet.EventInstanceReady).Sub(began)
	if err := b.reboot(ctx, victim); err != nil {
		return 0, err
	}
	return took, nil
}

// reboot gives a host its power back, with its agent.
func (b *bench) reboot(ctx context.Context, host string) error {
	if err := b.c.Fleet.Host(host).Boot(ctx); err != nil {
		return err
	}
	if err := b.c.Agents[host].Wait(limit); err != nil {
		return err
	}
	if err := b.c.Agents[host].Start(ctx); err != nil {
		return err
	}
	return b.agentsAreBack(ctx)
}

func (s *swarm) die(ctx context.Context) (time.Duration, error) {
	count := 2 * len(s.b.hosts)
	if err := s.create(ctx, swarmOptions{image: "app:1", count: count, parallelism: 1}); err != nil {
		return 0, err
	}
	if err := s.running(ctx, "all tasks run", count, every); err != nil {
		return 0, err
	}
	victim := s.b.hosts[len(s.b.hosts)-1]
	var info struct{ Swarm struct{ NodeID string } }
	if err := s.b.engines[victim].call(ctx, http.MethodGet, "/info", nil, &info); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := s.b.c.Fleet.Host(victim).PowerCut(ctx); err != nil {
		return 0, err
	}
	elsewhere := func(t task) bool { return t.NodeID != info.Swarm.NodeID }
	if err := s.running(ctx, "all tasks run elsewhere", count, elsewhere); err != nil {
		return 0, err
	}
	took := time.Since(began)
	if err := s.b.c.Fleet.Host(victim).Boot(ctx); err != nil {
		return 0, err
	}
	if err := s.ready(ctx); err != nil {
		return 0, err
	}
	return took, s.remove(ctx)
}
