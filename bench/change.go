package main

import (
	"context"
	"fmt"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

// firstAnswer measures from the order to the first answer with status 200.
func (b *bench) firstAnswer(ctx context.Context) (result, error) {
	var took series
	for range b.runs {
		began := time.Now()
		if _, err := b.c.Client.Apply(ctx, project, client.Apply{Document: b.document("app:1", 1, "node.hostname==web1")}, client.Write{}); err != nil {
			return result{}, err
		}
		err := until(ctx, "the balancer answers", func(ctx context.Context) (bool, error) {
			_, err := b.ask(ctx)
			return err == nil, err
		})
		if err != nil {
			return result{}, err
		}
		took = append(took, time.Since(began))
		if err := b.converged(ctx); err != nil {
			return result{}, err
		}
		if err := b.remove(ctx); err != nil {
			return result{}, err
		}
	}
	r := result{
		headline: fmt.Sprintf("**An order is answered over HTTP after %s.**", show(took.median())),
		notes:    "From sending the order for one instance to the first 200 through HAProxy, on a listener that is new too. The image is there already.",
	}
	r.times("first 200", took)
	return r, nil
}

// kill measures what follows when a container is killed behind Muster's back,
// each time another one, so that no backoff counts.
func (b *bench) kill(ctx context.Context) (result, error) {
	if _, err := b.apply(ctx, b.document("app:1", max(5, b.runs))); err != nil {
		return result{}, err
	}
	v, err := b.c.Client.Service(ctx, web)
	if err != nil {
		return result{}, err
	}
	var engine, out, back series
	for _, in := range v.Instances[:b.runs] {
		began, died, err := b.killOne(ctx, in)
		if err != nil {
			return result{}, err
		}
		if err := until(ctx, "the endpoint is out", func(ctx context.Context) (bool, error) { return b.inForce(ctx, in.ID, false) }); err != nil {
			return result{}, err
		}
		out = append(out, time.Since(began))
		if err := until(ctx, "the endpoint is back", func(ctx context.Context) (bool, error) { return b.inForce(ctx, in.ID, true) }); err != nil {
			return result{}, err
		}
		back = append(back, time.Since(began))
		engine = append(engine, (<-died).Sub(began))
		if err := b.converged(ctx); err != nil {
			return result{}, err
		}
		time.Sleep(time.Second) // each begins at rest
	}
	r := result{
		headline: fmt.Sprintf("**A killed container is out of the balancer after %s; another run of it serves after %s.**", show(out.median()), show(back.median())),
		notes:    "From sending `docker kill` to the engine until the hub has heard that HAProxy sends it nothing any more, and until HAProxy's own check has passed for the container that was started again, and it takes traffic.",
	}
	r.times("engine alone: killed to its event", engine)
	r.times("killed to out of the pool", out)
	r.times("killed to serving again", back)
	return r, b.remove(ctx)
}

// killOne orders an instance's container to be killed and returns when, and
// when the engine tells that the container died. It doesn't wait for the
// answer, which comes only when the engine has cleared up.
func (b *bench) killOne(ctx context.Context, in fleet.InstanceView) (began time.Time, died <-chan time.Time, err error) {
	e, heard, listening := b.engines[in.Host], make(chan time.Time, 1), make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		at, err := e.died(ctx, in.Actual.Container, listening)
		if err != nil {
			failed <- err
		}
		heard <- at
	}()
	select {
	case <-listening:
	case err := <-failed:
		return began, heard, err
	}
	began = time.Now()
	go func() {
		if err := e.kill(ctx, in.Actual.Container); err != nil {
			say("kill: %s", err)
		}
	}()
	return began, heard, nil
}

// inForce says whether the balancer gives an instance traffic, or not.
func (b *bench) inForce(ctx context.Context, instance string, wanted bool) (bool, error) {
	pools, err := b.c.Client.Pools(ctx, web)
	if err != nil {
		return false, err
	}
	ready := false
	for _, pool := range pools.Items {
		for _, e := range pool.Endpoints {
			ready = ready || e.Instance == instance && e.Actual != nil && e.Actual.State == fleet.EndpointReady
		}
	}
	return ready == wanted, nil
}

// replace measures changes that pass the drain barrier.
func (b *bench) replace(ctx context.Context) (result, error) {
	var replaced, down series
	for range b.runs {
		if _, err := b.apply(ctx, b.document("app:1", 5)); err != nil {
			return result{}, err
		}
		took, err := b.apply(ctx, b.document("app:2", 5))
		if err != nil {
			return result{}, err
		}
		replaced = append(replaced, took)
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
	}
	r := result{
		headline: fmt.Sprintf("**Five instances are replaced one by one in %s (%s each); four leave in %s.**", show(replaced.median()), show(replaced.median()/5), show(down.median())),
		notes:    "Until the service is converged again and the old containers are gone. Each replacement serves before an old instance leaves; whoever leaves is without traffic for 2 s before it is stopped, lest a request is on its way.",
	}
	r.times("5 replaced, one by one", replaced)
	r.times("scaled from 5 to 1", down)
	return r, nil
}
