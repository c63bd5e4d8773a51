package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/load"
)

// interval after which each step of a canary is judged here: the default.
const interval = 10 * time.Second

// takeBack measures how soon a version is taken back that fails one request in
// twenty, at five percent of the traffic, and how soon a rollout that is over, whose
// old instances are kept.
func (b *bench) takeBack(ctx context.Context) (result, error) {
	var r result
	s := &loaded{key: web, image: "app", port: b.port}
	b.port++
	if err := b.turnInto(ctx, s, 1, ways[0]); err != nil {
		return r, err
	}
	options := load.DefaultOptions(b.url(s.port))
	options.Rate, options.Total, options.SlowShare, options.WebSockets, options.IdleConns = 2*loadRate, 10*enough, 0, 0, 0
	g, err := load.New(options)
	if err != nil {
		return r, err
	}
	ended := make(chan load.Result, 1)
	go func() {
		result, _ := g.Run(ctx)
		ended <- result
	}()
	var noticed, without, back series
	for i := 0; i < b.runs && err == nil; i++ {
		var n, w, took time.Duration
		if n, w, err = b.badCanary(ctx, s, g); err == nil {
			took, err = b.wayBack(ctx, s, g)
		}
		noticed, without, back = append(noticed, n), append(without, w), append(back, took)
	}
	if err := errors.Join(err, g.Stop(ctx)); err != nil {
		return r, err
	}
	lost := (<-ended).Lost()
	r.headline = fmt.Sprintf("**A version that fails one request in twenty is taken back %s after it got 5 %% of the traffic; the way back from a finished rollout takes %s.**", show(without.median()), show(back.median()))
	r.notes = fmt.Sprintf("%d instances, %d requests a second. A bad version: by canary, which has 5 %% of the traffic first and is judged after %s; from when it has its share until the rollout goes back, and until the last answer of it. "+
		"The way back: after a blue-green upgrade whose old instances are kept, from sending the order until the last answer of the newer version. The answers are counted every 10 ms.", rolled, 2*loadRate, interval)
	r.times("bad version: 5 % until it is noticed", noticed)
	r.times("bad version: 5 % until its last answer", without)
	r.times("rollback of what is kept: order until the last answer", back)
	r.row("requests that nobody answered", fmt.Sprint(lost))
	r.targetTime("a bad version at 5 % is taken back within two intervals", 2*interval, without.median())
	r.targetTime("a rollback of what is kept has all traffic", 2*time.Second, back.median())
	r.targetNumber("requests that nobody answered meanwhile", 0, float64(lost), "")
	return r, b.removeAll(ctx, []*loaded{s})
}

// badCanary returns how long a bad version had its share until it was noticed, and
// until it had none.
func (b *bench) badCanary(ctx context.Context, s *loaded, g *load.Generator) (noticed, without time.Duration, err error) {
	document := upgrading(behind(s.port, project, "app:3", rolled), "{strategy: canary, steps: [5, 50], keep: 1s}")
	if _, err := b.c.Client.Apply(ctx, project, client.Apply{Document: document}, client.Write{}); err != nil {
		return 0, 0, err
	}
	var began time.Time
	if err := until(ctx, "the version has its share", func(ctx context.Context) (bool, error) {
		v, err := b.c.Client.Rollout(ctx, s.key)
		began = v.Rollout.Served
		return err == nil && v.Weight == 5 && !began.IsZero(), err
	}); err != nil {
		return 0, 0, err
	}
	if err := until(ctx, "the rollout goes back", func(ctx context.Context) (bool, error) {
		v, err := b.c.Client.Rollout(ctx, s.key)
		return err == nil && (v.Rollout.State == fleet.RolloutRollingBack || v.Rollout.State == fleet.RolloutRolledBack), err
	}); err != nil {
		return 0, 0, err
	}
	noticed = time.Since(began)
	last, err := lastAnswer(ctx, g, "3", time.Now())
	if err != nil {
		return 0, 0, err
	}
	return noticed, last.Sub(began), untilEvery(ctx, seldom, "the old version is back", func(ctx context.Context) (bool, error) {
		v, err := b.c.Client.Service(ctx, s.key)
		return err == nil && v.State == fleet.ServiceConverged && v.Rollout.State == fleet.RolloutRolledBack, err
	})
}

// wayBack returns how long it took until a finished rollout was undone.
func (b *bench) wayBack(ctx context.Context, s *loaded, g *load.Generator) (time.Duration, error) {
	if err := b.turnInto(ctx, s, 2, "{strategy: blue-green, monitor: 0s, keep: 1m}"); err != nil {
		return 0, err
	}
	began := time.Now()
	if _, err := b.c.Client.Rollback(ctx, s.key, 0, client.Write{}); err != nil {
		return 0, err
	}
	last, err := lastAnswer(ctx, g, "2", began)
	if err != nil {
		return 0, err
	}
	return last.Sub(began), b.rolledOut(ctx, s.key)
}

// lastAnswer is when a version answered last, once it hasn't for two seconds.
func lastAnswer(ctx context.Context, g *load.Generator, version string, since time.Time) (time.Time, error) {
	count, last := -1, since
	err := untilEvery(ctx, 10*time.Millisecond, "version "+version+" answers no more", func(context.Context) (bool, error) {
		got := g.Snapshot()
		if n := got.ByVersion[version] + got.RefusedBy[version]; n != count {
			count, last = n, time.Now()
		}
		return time.Since(last) > 2*time.Second, nil
	})
	return last, err
}
