package main

import (
	"context"
	"fmt"
	"time"

	"github.com/musterhq/muster/hub/client"
)

// replaced are the instances that are replaced.
const replaced = 10

// replace measures a change of the image, start first, with Muster and Swarm in
// turn.
func (b *bench) replace(ctx context.Context) (result, error) {
	var took, down, one, two series
	for range b.runs {
		if _, err := b.apply(ctx, b.document("app:1", replaced)); err != nil {
			return result{}, err
		}
		d, err := b.apply(ctx, b.document("app:2", replaced))
		if err != nil {
			return result{}, err
		}
		took = append(took, d)
		began := time.Now()
		if _, err := b.c.Client.Scale(ctx, web, 1, client.Write{}); err != nil {
			return result{}, err
		}
		if err := b.converged(ctx); err != nil {
			return result{}, err
		}
		down = append(down, time.Since(began))
		if err := b.remove(ctx); err != nil {
			return result{}, err
		}
		err = b.withSwarm(ctx, func(ctx context.Context, s *swarm) error {
			d1, err := s.replace(ctx, 1)
			if err != nil {
				return err
			}
			d2, err := s.replace(ctx, 2)
			one, two = append(one, d1), append(two, d2)
			return err
		})
		if err != nil {
			return result{}, err
		}
	}
	r := result{
		headline: fmt.Sprintf("**Ten instances are replaced in %s; with Swarm in %s one by one and in %s two by two.**", show(took.median()), show(one.median()), show(two.median())),
		notes: "Muster: from sending the order with another image until the service is converged again: all new instances serve through the balancer, and all old containers are gone. Each replacement serves before an old instance leaves; whoever leaves is without traffic for 2 s before it is stopped, lest a request is on its way. " +
			"Swarm: from sending the update (order start-first, no delay, the least monitoring) until ten tasks of the new image run and none of the old one; it has no balancer that would have to let go of them, and the app stops at once when asked.",
	}
	r.times("Muster: 10 replaced", took)
	r.times("Swarm: 10 replaced, parallelism 1", one)
	r.times("Swarm: 10 replaced, parallelism 2", two)
	r.times("Muster: scaled from 10 to 1", down)
	r.targetTime("10 replaced sooner than by Swarm, one by one", one.median(), took.median())
	r.targetTime("10 replaced sooner than by Swarm, two by two", two.median(), took.median())
	r.because("2 s of it is the wait of the last old ones, which are without traffic for so long before they are stopped, so that no request is lost. Swarm stops them at once.")
	return r, nil
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
