package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/musterhq/muster/bench/crowd"
	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

// everywhere is a service with an instance on each host.
const everywhere = `name: bench
services:
  web:
    image: app:1
    environment: {GREETING: hello, LEVEL: info}
    deploy: {mode: global, resources: {limits: {memory: 64M}}}
    x-probe: {http: /healthz, port: 8080, interval: 1s}
`

func (b *bench) scaleThousand(ctx context.Context) (result, error)    { return b.scale(ctx, 1_000) }
func (b *bench) scaleTenThousand(ctx context.Context) (result, error) { return b.scale(ctx, 10_000) }

// scale measures a hub with so many agents.
func (b *bench) scale(ctx context.Context, n int) (r result, err error) {
	l, err := startLone(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, l.end()) }()
	empty, _, err := memory(l.pid())
	if err != nil {
		return r, err
	}
	joined, err := l.join(ctx, n)
	if err != nil {
		return r, err
	}
	r.times("all join a new hub", series{joined})
	say("joined %s", joined)
	if err := b.measureChanges(ctx, l, &r); err != nil {
		return r, err
	}
	if err := b.measureBurst(ctx, l, &r); err != nil {
		return r, err
	}
	if err := b.measureStorm(ctx, l, &r); err != nil {
		return r, err
	}
	return r, b.measureRest(ctx, l, &r, empty)
}

// measureRest measures what the hub takes while nothing happens.
func (b *bench) measureRest(ctx context.Context, l *lone, r *result, empty int64) error {
	if err := pause(ctx, b.settle); err != nil {
		return err
	}
	before, began := cpuTime(l.pid()), time.Now()
	if err := pause(ctx, b.idle); err != nil {
		return err
	}
	share := (cpuTime(l.pid()) - before).Seconds() / time.Since(began).Seconds()
	pss, _, err := memory(l.pid())
	if err != nil {
		return err
	}
	r.row("CPU at rest, of a core", fmt.Sprintf("%.1f %%", 100*share))
	r.row("memory (PSS)", mib(pss))
	r.row("memory of each agent", fmt.Sprintf("%.1f KiB", float64(pss-empty)/float64(l.agents)/1024))
	return nil
}

// measureChanges measures changes that concern every host.
func (b *bench) measureChanges(ctx context.Context, l *lone, r *result) error {
	var placed, confirmed, converged, froze, frozen, gone series
	for range b.runs {
		times, err := l.change(ctx, func(ctx context.Context) (fleet.Result, error) {
			return l.client.Apply(ctx, project, client.Apply{Document: everywhere}, client.Write{})
		})
		if err != nil {
			return err
		}
		placed, confirmed = append(placed, times.reached), append(confirmed, times.confirmed)
		if err := until(ctx, "the service has converged", func(ctx context.Context) (bool, error) {
			list, err := l.client.Services(ctx, project)
			return len(list.Items) == 1 && list.Items[0].State == fleet.ServiceConverged, err
		}); err != nil {
			return err
		}
		converged = append(converged, time.Since(times.began))
		for _, do := range []func(context.Context, fleet.ServiceKey, client.Write) (fleet.Result, error){l.client.Freeze, l.client.Unfreeze} {
			if err := l.settle(ctx); err != nil {
				return err
			}
			times, err := l.change(ctx, func(ctx context.Context) (fleet.Result, error) { return do(ctx, web, client.Write{}) })
			if err != nil {
				return err
			}
			froze, frozen = append(froze, times.reached), append(frozen, times.confirmed)
		}
		began := time.Now()
		if _, err := l.client.Remove(ctx, web, client.Write{}); err != nil {
			return err
		}
		if err := until(ctx, "the service is gone", func(ctx context.Context) (bool, error) {
			list, err := l.client.Services(ctx, project)
			return err == nil && len(list.Items) == 0, err
		}); err != nil {
			return err
		}
		gone = append(gone, time.Since(began))
		if err := l.settle(ctx); err != nil {
			return err
		}
	}
	r.times("a service placed on all: at every agent", placed)
	r.times("… and confirmed by all", confirmed)
	r.times("… and ready on all", converged)
	r.times("a service frozen on all: at every agent", froze)
	r.times("… and confirmed by all", frozen)
	r.times("a service removed from all", gone)
	return nil
}

// changed says when a change was at all agents.
type changed struct {
	began              time.Time
	reached, confirmed time.Duration // since then
}

func (l *lone) change(ctx context.Context, order func(context.Context) (fleet.Result, error)) (changed, error) {
	c := changed{began: time.Now()}
	result, err := order(ctx)
	if err != nil {
		return c, err
	}
	s, err := l.wait(ctx, "all agents have the change", result.Revision, func(s crowd.State) bool { return s.Confirmed == s.Agents })
	c.reached, c.confirmed = s.ReachedAt.Sub(c.began), s.ConfirmedAt.Sub(c.began)
	return c, err
}

// settle waits until nobody has anything left to say.
func (l *lone) settle(ctx context.Context) error {
	if err := pause(ctx, time.Second); err != nil { // longer than a container takes to start
		return err
	}
	_, err := l.wait(ctx, "all reports are taken in", 0, func(s crowd.State) bool { return s.Settled == s.Agents })
	return err
}

// measureBurst measures a report of every agent at the same time.
func (b *bench) measureBurst(ctx context.Context, l *lone, r *result) error {
	var took series
	before, err := l.metric(ctx, "muster_queue_dropped_total")
	if err != nil {
		return err
	}
	for range b.runs {
		if err := l.settle(ctx); err != nil {
			return err
		}
		began := time.Now()
		if _, err := l.order(crowd.Order{Do: crowd.DoReport}); err != nil {
			return err
		}
		s, err := l.wait(ctx, "all reports are taken in", 0, func(s crowd.State) bool { return s.Settled == s.Agents })
		if err != nil {
			return err
		}
		took = append(took, s.SettledAt.Sub(began))
	}
	after, err := l.metric(ctx, "muster_queue_dropped_total")
	if err != nil {
		return err
	}
	r.times("a report of all at once: taken in", took)
	r.row("messages dropped then", fmt.Sprintf("%.0f", after-before))
	return nil
}

// measureStorm breaks all connections at once.
func (b *bench) measureStorm(ctx context.Context, l *lone, r *result) error {
	var back, settled series
	before, err := l.metric(ctx, "muster_queue_dropped_total")
	if err != nil {
		return err
	}
	for range b.runs {
		if err := l.settle(ctx); err != nil {
			return err
		}
		began := time.Now()
		cut, err := l.order(crowd.Order{Do: crowd.DoCut})
		if err != nil {
			return err
		}
		s, err := l.wait(ctx, "all agents are back", 0, func(s crowd.State) bool {
			return s.Sessions >= cut.Sessions+s.Agents && s.Heard == s.Agents && s.Settled == s.Agents
		})
		if err != nil {
			return err
		}
		back, settled = append(back, s.HeardAt.Sub(began)), append(settled, s.SettledAt.Sub(began))
	}
	after, err := l.metric(ctx, "muster_queue_dropped_total")
	if err != nil {
		return err
	}
	r.times("all connections cut: all are back", back)
	r.times("… and all reports taken in", settled)
	r.row("messages dropped then", fmt.Sprintf("%.0f", after-before))
	return nil
}
