package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/load"
)

// What the measurement of rollouts under load asks for, at the least.
const (
	consecutive = 20      // rollouts, each with its way back
	enough      = 100_000 // requests of each kind
	rolled      = 3       // instances of each service
	loadRate    = 200     // requests a second of each kind
	quiet       = time.Minute
)

// ways to upgrade, which take turns.
var ways = []string{
	"{strategy: rolling, monitor: 0s}",
	"{strategy: canary, steps: [20, 60], monitor: 0s, keep: 1s, verify: {interval: 1s, requests: 5}}",
	"{strategy: blue-green, monitor: 0s, keep: 30s}",
}

// loaded is a service under load of two kinds.
type loaded struct {
	key   fleet.ServiceKey
	image string // without its tag
	port  int
	ends  string             // how it does when it is asked to
	loads [2]*load.Generator // over connections that are kept, and over one of its own for each request
}

// rollouts measures upgrades and their ways back, one after the other, of a service
// that stops gracefully and of one that exits at once, while requests come in that
// nobody sends twice.
func (b *bench) rollouts(ctx context.Context) (result, error) {
	services := []*loaded{
		{key: web, image: "app", port: b.port, ends: "stops gracefully"},
		{key: fleet.ServiceKey{Project: "rude", Name: "web"}, image: "rude", port: b.port + 1, ends: "exits at once"},
	}
	b.port += 2
	for _, s := range services {
		if err := b.turnInto(ctx, s, 1, ways[0]); err != nil {
			return result{}, err
		}
	}
	r := result{
		heading: []string{"", "Sent", "Failed", "Worst, quiet", "Worst, rollouts", "p99, quiet", "p99, rollouts"},
		notes: fmt.Sprintf("Two services of %d instances behind HAProxy, one that stops gracefully and one that exits at once when it is asked to stop. Each is sent %d requests a second over kept connections and as many over a new one each, which nobody retries, neither the clients nor HAProxy; one in ten lasts 1 to 3 s. Beside them a WebSocket, and 20 connections that rest between requests. "+
			"Quiet: for %s nothing is changed. Then both services are upgraded and taken back %d times, rolling, by canary and blue-green in turn, and longer until %d requests were sent. The latency is from when a request was due until its whole answer was read, of those that aren't slow on purpose.", rolled, loadRate, quiet, consecutive, enough),
	}
	failed, sent, worst := 0, 0, time.Duration(0)
	calm, err := b.underLoad(ctx, services, int(quiet.Seconds())*loadRate, func(context.Context) error { return nil })
	if err != nil {
		return r, err
	}
	moves := 0
	moved, err := b.underLoad(ctx, services, enough, func(ctx context.Context) error {
		var group errgroup.Group
		for _, s := range services {
			group.Go(func() error {
				n, err := b.backAndForth(ctx, s)
				moves = max(moves, n)
				return err
			})
		}
		return group.Wait()
	})
	if err != nil {
		return r, err
	}
	for i, got := range moved {
		r.row(got.what, fmt.Sprint(got.Sent), fmt.Sprint(got.Failed+got.WebSockets.Failed), show(calm[i].Latency.Max), show(got.Latency.Max), show(calm[i].Latency.P99), show(got.Latency.P99))
		sent, failed = sent+got.Sent, failed+got.Failed+got.WebSockets.Failed
		worst = max(worst, got.Latency.Max-calm[i].Latency.Max)
		if err := got.Err(); err != nil {
			say("%s: %s", got.what, err)
		}
	}
	r.headline = fmt.Sprintf("**Of %d requests during %d upgrades of each of two services, and as many ways back, %d failed.**", sent, moves, failed)
	r.targetNumber("requests that failed during 20 rollouts and their ways back", 0, float64(failed), "")
	r.targetTime("the worst latency then, beyond the worst in quiet", 500*time.Millisecond, worst)
	return r, b.removeAll(ctx, services)
}

// judged is what became of one kind of requests.
type judged struct {
	load.Result
	what string
}

// underLoad does something while each service is sent so many requests of each
// kind at the least.
func (b *bench) underLoad(ctx context.Context, services []*loaded, total int, do func(context.Context) error) ([]judged, error) {
	var group errgroup.Group
	out := make([]judged, 2*len(services))
	for i, s := range services {
		for j, share := range []float64{1, 0} {
			options := load.DefaultOptions(b.url(s.port))
			options.Rate, options.Total, options.KeepAliveShare = loadRate, 10*total, share
			options.WSLife = 8 * time.Second
			g, err := load.New(options)
			if err != nil {
				return nil, err
			}
			s.loads[j] = g
			into := &out[2*i+j]
			into.what = s.ends + ", " + []string{"connections kept", "a connection each"}[j]
			group.Go(func() (err error) {
				into.Result, err = g.Run(ctx)
				return err
			})
		}
	}
	done := do(ctx)
	for _, s := range services {
		for _, g := range s.loads {
			done = errors.Join(done, until(ctx, "enough requests were sent", func(context.Context) (bool, error) {
				return g.Snapshot().Sent >= total, nil
			}), g.Stop(ctx))
		}
	}
	return out, errors.Join(done, group.Wait())
}

// backAndForth upgrades a service and takes it back, again and again, and returns
// how often.
func (b *bench) backAndForth(ctx context.Context, s *loaded) (n int, err error) {
	for n < consecutive || min(s.loads[0].Snapshot().Sent, s.loads[1].Snapshot().Sent) < enough {
		if err := b.turnInto(ctx, s, 2, ways[n%len(ways)]); err != nil {
			return n, err
		}
		if _, err := b.c.Client.Rollback(ctx, s.key, 0, client.Write{}); err != nil {
			return n, err
		}
		if err := b.rolledOut(ctx, s.key); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// turnInto applies a version of a service, and waits until it is rolled out.
func (b *bench) turnInto(ctx context.Context, s *loaded, version int, way string) error {
	document := upgrading(behind(s.port, s.key.Project, fmt.Sprintf("%s:%d", s.image, version), rolled), way)
	if _, err := b.c.Client.Apply(ctx, s.key.Project, client.Apply{Document: document}, client.Write{}); err != nil {
		return err
	}
	return b.rolledOut(ctx, s.key)
}

// rolledOut waits until a service has converged and its rollout is over.
func (b *bench) rolledOut(ctx context.Context, key fleet.ServiceKey) error {
	return untilEvery(ctx, seldom, key.String()+" is rolled out", func(ctx context.Context) (bool, error) {
		v, err := b.c.Client.Service(ctx, key)
		return err == nil && v.State == fleet.ServiceConverged && (v.Rollout == nil || v.Rollout.State == fleet.RolloutSucceeded), err
	})
}

func (b *bench) removeAll(ctx context.Context, services []*loaded) error {
	for _, s := range services {
		if _, err := b.c.Client.Remove(ctx, s.key, client.Write{}); err != nil {
			return err
		}
	}
	return until(ctx, "all services are gone", func(ctx context.Context) (bool, error) {
		list, err := b.c.Client.Services(ctx, "")
		return err == nil && len(list.Items) == 0, err
	})
}
