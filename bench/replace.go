package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/hub/client"
)

// replaced are the instances that are replaced.
const replaced = 10

// replace measures a change of the image, start first, with Muster and Swarm in
// turn.
func (b *bench) replace(ctx context.Context) (result, error) {
	var took, one, two, down, swarmOne, swarmTwo series
	for range b.runs {
		for _, batch := range []struct {
			size int
			took *series
		}{{1, &one}, {2, &two}, {(replaced + 3) / 4, &took}} {
			d, err := b.replaceOnce(ctx, batch.size)
			if err != nil {
				return result{}, err
			}
			*batch.took = append(*batch.took, d)
			if d, err = b.scaleDown(ctx); err != nil {
				return result{}, err
			}
			down = append(down, d)
		}
		err := b.withSwarm(ctx, func(ctx context.Context, s *swarm) error {
			d1, err := s.replace(ctx, 1)
			if err != nil {
				return err
			}
			d2, err := s.replace(ctx, 2)
			swarmOne, swarmTwo = append(swarmOne, d1), append(swarmTwo, d2)
			return err
		})
		if err != nil {
			return result{}, err
		}
	}
	r := result{
		headline: fmt.Sprintf("**Ten instances are replaced in %s one by one (Swarm: %s), in %s two by two (Swarm: %s), and in %s a quarter at a time, which is the default.**",
			show(one.median()), show(swarmOne.median()), show(two.median()), show(swarmTwo.median()), show(took.median())),
		notes: "Muster: from sending the order with another image until the service is converged again: all new instances serve through the balancer, and all old containers are gone. Each replacement serves before an old instance leaves; whoever leaves is without traffic for half a second before it is stopped, lest a request is on its way. " +
			"Swarm: from sending the update (order start-first, no delay, the least monitoring) until ten tasks of the new image run and none of the old one; it has no balancer that would have to let go of them, and the app stops at once when asked.",
	}
	r.times("Muster: 10 replaced, one by one", one)
	r.times("Swarm: 10 replaced, parallelism 1", swarmOne)
	r.times("Muster: 10 replaced, two by two", two)
	r.times("Swarm: 10 replaced, parallelism 2", swarmTwo)
	r.times("Muster: 10 replaced, a quarter at a time", took)
	r.times("Muster: scaled from 10 to 1", down)
	r.row("Muster : Swarm, one by one", ratio(one, swarmOne))
	r.row("Muster : Swarm, two by two", ratio(two, swarmTwo))
	r.targetTime("10 replaced sooner than by Swarm, one by one", swarmOne.median(), one.median())
	r.targetTime("10 replaced sooner than by Swarm, two by two", swarmTwo.median(), two.median())
	return r, nil
}

// replaceOnce replaces all instances, so many at a time.
func (b *bench) replaceOnce(ctx context.Context, batch int) (time.Duration, error) {
	if _, err := b.apply(ctx, b.document("app:1", replaced)); err != nil {
		return 0, err
	}
	return b.apply(ctx, upgrading(b.document("app:2", replaced), fmt.Sprintf("{batch: %d}", batch)))
}

// scaleDown takes all instances but one away, and then that one.
func (b *bench) scaleDown(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	if _, err := b.c.Client.Scale(ctx, web, 1, client.Write{}); err != nil {
		return 0, err
	}
	if err := b.converged(ctx); err != nil {
		return 0, err
	}
	return time.Since(began), b.remove(ctx)
}

// upgrading says how a document's service is upgraded.
func upgrading(document, how string) string {
	return strings.Replace(document, "    deploy:\n", "    deploy:\n      x-rollout: "+how+"\n", 1)
}

func (s *swarm) replace(ctx context.Context, parallelism int) (time.Duration, error) {
	o := swarmOptions{image: "app:1", count: replaced, parallelism: parallelism}
	if err := s.create(ctx, o); err != nil {
		return 0, err
	}
	if err := s.running(ctx, "all tasks run", replaced, every); err != nil {
		return 0, err
	}
	if err := pause(ctx, time.Second); err != nil {
		return 0, err
	}
	began := time.Now()
	o.image = "app:2"
	if err := s.update(ctx, o); err != nil {
		return 0, err
	}
	err := until(ctx, "all tasks have the new image", func(ctx context.Context) (bool, error) {
		tasks, err := s.tasks(ctx)
		fresh, old := 0, 0
		for _, t := range tasks {
			switch {
			case t.Spec.ContainerSpec.Image == o.image && t.running():
				fresh++
			case t.Spec.ContainerSpec.Image != o.image && t.Status.State == "running":
				old++
			}
		}
		return fresh == replaced && old == 0, err
	})
	if err != nil {
		return 0, err
	}
	took := time.Since(began)
	return took, s.remove(ctx)
}
