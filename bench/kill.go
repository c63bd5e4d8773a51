package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

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
	var engine, out, ready, back, raw series
	like, err := b.engines[v.Instances[0].Host].inspect(ctx, v.Instances[0].Actual.Container)
	if err != nil {
		return result{}, err
	}
	for _, in := range v.Instances[:b.runs] {
		took, err := b.raw(ctx, like, 1, 1)
		if err != nil {
			return result{}, err
		}
		raw = append(raw, took)
		if err := pause(ctx, time.Second); err != nil { // each begins at rest
			return result{}, err
		}
		since, err := b.revision(ctx)
		if err != nil {
			return result{}, err
		}
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
		events, err := b.events(ctx, since)
		if err != nil {
			return result{}, err
		}
		ready = append(ready, last(events, fleet.EventInstanceReady).Sub(began))
	}
	var slow, fast series
	if err := b.remove(ctx); err != nil {
		return result{}, err
	}
	err = b.withSwarm(ctx, func(ctx context.Context, s *swarm) (err error) {
		if slow, err = s.kill(ctx, nil); err == nil {
			fast, err = s.kill(ctx, new(time.Duration))
		}
		return err
	})
	if err != nil {
		return result{}, err
	}
	r := result{
		headline: fmt.Sprintf("**A killed container is out of the balancer after %s; another run of it serves after %s.**", show(out.median()), show(back.median())),
		notes: "From sending `docker kill` to the engine until the hub has heard that HAProxy sends it nothing any more, until the agent's probe has found the container that was started again ready, and until HAProxy's own check has passed for it and it takes traffic. " +
			"A container started by hand: made and started through the engine's API, one at a time, just before each kill, while Muster runs. " +
			"Swarm: from sending the kill to a new task running, with its default delay before a restart (5 s) and with none; its tasks aren't probed.",
	}
	r.times("engine alone: killed to its event", engine)
	r.times("killed to out of the pool", out)
	r.times("killed to ready again", ready)
	r.times("killed to serving again", back)
	r.times("a container started by hand", raw)
	r.times("Swarm: killed to running again", slow)
	r.times("Swarm without restart delay", fast)
	r.targetTime("a killed container is out of the pool", 100*time.Millisecond, out.median())
	r.targetTime("and ready again within 1.3 times a start by hand and 200 ms", raw.median()*13/10+200*time.Millisecond, ready.median())
	return r, nil
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

// kill kills a task's container again and again, and returns how long it took
// each time until as many tasks run as before.
func (s *swarm) kill(ctx context.Context, restartDelay *time.Duration) (took series, err error) {
	count := len(s.b.hosts)
	o := swarmOptions{image: "app:1", count: count, parallelism: 1, restartDelay: restartDelay}
	if err := s.create(ctx, o); err != nil {
		return nil, err
	}
	if err := s.running(ctx, "all tasks run", count, every); err != nil {
		return nil, err
	}
	for range s.b.runs {
		if err := pause(ctx, time.Second); err != nil {
			return nil, err
		}
		tasks, err := s.tasks(ctx)
		if err != nil {
			return nil, err
		}
		victim := slices.IndexFunc(tasks, task.running)
		began := time.Now()
		if err := s.killTask(ctx, tasks[victim]); err != nil {
			return nil, err
		}
		another := func(t task) bool { return t.ID != tasks[victim].ID }
		if err := s.running(ctx, "another task runs", count, another); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	return took, s.remove(ctx)
}

// killTask kills a task's container, on whichever engine it is.
func (s *swarm) killTask(ctx context.Context, t task) error {
	id := t.Status.ContainerStatus.ContainerID
	for _, e := range s.b.engines {
		if _, err := e.inspect(ctx, id); err == nil {
			return e.kill(ctx, id)
		}
	}
	return fmt.Errorf("no engine has the container of task %s", t.ID)
}
