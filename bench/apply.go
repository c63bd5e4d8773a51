package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/shared/fleet"
)

// startsAtOnce is how many containers each engine starts side by side: as
// many as an agent does.
const startsAtOnce = 8

// firstRawPort is above those that agents choose from.
const firstRawPort = 31000

func (b *bench) applyFive(ctx context.Context) (result, error)   { return b.applyMany(ctx, 5) }
func (b *bench) applyThirty(ctx context.Context) (result, error) { return b.applyMany(ctx, 30) }

// applyMany measures from the order to n instances that are ready and serve,
// and in turn with it how long the engines alone take to start as many.
func (b *bench) applyMany(ctx context.Context, n int) (result, error) {
	var raw, started, ready, serving series
	like, err := b.template(ctx)
	if err != nil {
		return result{}, err
	}
	for range b.runs {
		took, err := b.raw(ctx, like, n)
		if err != nil {
			return result{}, err
		}
		raw = append(raw, took)
		since, err := b.revision(ctx)
		if err != nil {
			return result{}, err
		}
		began := time.Now()
		took, err = b.apply(ctx, b.document("app:1", n))
		if err != nil {
			return result{}, err
		}
		serving = append(serving, took)
		events, err := b.events(ctx, since)
		if err != nil {
			return result{}, err
		}
		started = append(started, last(events, fleet.EventInstanceStarted).Sub(began))
		ready = append(ready, last(events, fleet.EventInstanceReady).Sub(began))
		if err := b.allAnswer(ctx, n); err != nil {
			return result{}, err
		}
		if err := b.remove(ctx); err != nil {
			return result{}, err
		}
	}
	r := result{
		headline: fmt.Sprintf("**%d containers serve after %s: %s times what the engines alone take to start them (%s), %s.**",
			n, show(serving.median()), ratio(serving, raw), show(raw.median()), difference(serving.median()-raw.median())),
		notes: fmt.Sprintf("From sending the order to the hub's API until the service is converged: %d instances are ready by their agents' probes, the balancer's own check has passed for each, and it gives traffic to all; then all %d are seen to answer through it. "+
			"The engines alone: the same containers (image, limits, published port) made and started through the same three engines' API, %d at a time on each, while no agent runs; nothing waits until they answer.", n, n, startsAtOnce),
	}
	r.times("engines alone: started", raw)
	r.times("Muster: all started", started)
	r.times("Muster: all ready", ready)
	r.times("Muster: all serving", serving)
	return r, nil
}

// difference says how much longer something takes, in words.
func difference(d time.Duration) string {
	if d < 0 {
		return show(-d) + " less"
	}
	return show(d) + " more"
}

// last is when the last event of a type happened.
func last(events []fleet.Event, kind string) time.Time {
	var at time.Time
	for _, e := range events {
		if e.Type == kind && e.Time.After(at) {
			at = e.Time
		}
	}
	return at
}

// template is one of Muster's own containers.
func (b *bench) template(ctx context.Context) (container, error) {
	if _, err := b.apply(ctx, b.document("app:1", 1)); err != nil {
		return container{}, err
	}
	v, err := b.c.Client.Service(ctx, web)
	if err != nil {
		return container{}, err
	}
	like, err := b.engines[v.Instances[0].Host].inspect(ctx, v.Instances[0].Actual.Container)
	if err != nil {
		return container{}, err
	}
	return like, b.remove(ctx)
}

// raw is how long the engines take to start n containers, spread evenly.
func (b *bench) raw(ctx context.Context, like container, n int) (time.Duration, error) {
	if err := b.stopAgents(); err != nil {
		return 0, err
	}
	var mu sync.Mutex
	made := map[string][]string{}
	began := time.Now()
	err := b.onHosts(ctx, func(ctx context.Context, i int, host string) error {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(startsAtOnce)
		for k := i; k < n; k += len(b.hosts) {
			group.Go(func() error {
				id, err := b.engines[host].run(ctx, like, b.c.Fleet.Host(host).Address, firstRawPort+k)
				mu.Lock()
				made[host] = append(made[host], id)
				mu.Unlock()
				return err
			})
		}
		return group.Wait()
	})
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	err = b.onHosts(ctx, func(ctx context.Context, _ int, host string) error {
		for _, id := range made[host] {
			if err := b.engines[host].remove(ctx, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return took, b.startAgents(ctx)
}

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
	err := until(ctx, "the agents are back", func(ctx context.Context) (bool, error) {
		list, err := b.c.Client.Hosts(ctx)
		up := 0
		for _, h := range list.Items {
			if h.Status.State == "up" && h.Engine.Up {
				up++
			}
		}
		return up == len(b.hosts), err
	})
	if err != nil {
		return err
	}
	time.Sleep(time.Second) // what a start stirs up is not what is measured next
	return nil
}

// allAnswer asks through the balancer until n different instances answered.
func (b *bench) allAnswer(ctx context.Context, n int) error {
	seen := map[string]bool{}
	return until(ctx, "all instances have answered", func(ctx context.Context) (bool, error) {
		instance, err := b.ask(ctx)
		if err == nil {
			seen[instance] = true
		}
		return len(seen) >= n, err
	})
}

// ask asks through the balancer, on a connection of its own, and returns
// which instance answered.
func (b *bench) ask(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	url := fmt.Sprintf("http://%s:%d/", b.c.BalancerAddress(), b.port)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the balancer answers %s", response.Status)
	}
	return response.Header.Get("X-Instance"), nil
}
