package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// firstRawPort is above those that agents choose from.
const firstRawPort = 31000

// sideBySide are the numbers of containers started at once, in all, of which
// the engines' best is found.
var sideBySide = []int{2, 3, 4, 6, 9, 24}

// floorRuns is how often each is tried.
const floorRuns = 2

// floor is the best that the engines can do alone.
type floor struct {
	like   container // what is started
	atOnce int       // side by side, on all engines together
	tried  []string  // in words
}

// findFloor measures how many containers started side by side are soonest
// there. The floor is the best of all.
func (b *bench) findFloor(ctx context.Context) (*floor, error) {
	if b.floor != nil {
		return b.floor, nil
	}
	like, err := b.template(ctx)
	if err != nil {
		return nil, err
	}
	f := &floor{like: like}
	if err := b.stopAgents(); err != nil {
		return nil, err
	}
	var best time.Duration
	for _, atOnce := range sideBySide {
		var took series
		for range floorRuns {
			one, err := b.raw(ctx, like, 30, atOnce)
			if err != nil {
				return nil, err
			}
			took = append(took, one)
		}
		f.tried = append(f.tried, fmt.Sprintf("%d: %s", atOnce, show(took.median())))
		if best == 0 || took.median() < best {
			best, f.atOnce = took.median(), atOnce
		}
	}
	b.floor = f
	return f, b.startAgents(ctx)
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

// raw is how long the engines take to start n containers, spread evenly, so
// many side by side.
func (b *bench) raw(ctx context.Context, like container, n, atOnce int) (time.Duration, error) {
	var mu sync.Mutex
	made := map[string][]string{}
	began := time.Now()
	group, started := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for k := range n {
		host := b.hosts[k%len(b.hosts)]
		group.Go(func() error {
			id, err := b.engines[host].run(started, like, b.c.Fleet.Host(host).Address, firstRawPort+k)
			mu.Lock()
			defer mu.Unlock()
			made[host] = append(made[host], id)
			return err
		})
	}
	err := group.Wait()
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	return took, b.onHosts(ctx, func(ctx context.Context, _ int, host string) error {
		for _, id := range made[host] {
			if err := b.engines[host].remove(ctx, id); err != nil {
				return err
			}
		}
		return nil
	})
}
