package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

func (b *bench) applyOne(ctx context.Context) (result, error)    { return b.applyMany(ctx, 1) }
func (b *bench) applyTen(ctx context.Context) (result, error)    { return b.applyMany(ctx, 10) }
func (b *bench) applyThirty(ctx context.Context) (result, error) { return b.applyMany(ctx, 30) }

// applied is what one run of an order took.
type applied struct{ accepted, ready, converged time.Duration }

// applyMany measures from the order to n instances that are ready, and that
// serve. In turn with it, so that whatever else the machine does hits all alike,
// it measures the engines alone, and Swarm.
func (b *bench) applyMany(ctx context.Context, n int) (result, error) {
	var raw, swarmed, accepted, ready, serving series
	floor, err := b.findFloor(ctx)
	if err != nil {
		return result{}, err
	}
	for range b.runs {
		err := b.withSwarm(ctx, func(ctx context.Context, s *swarm) error {
			took, err := s.apply(ctx, n)
			swarmed = append(swarmed, took)
			return err
		})
		if err != nil {
			return result{}, err
		}
		if err := b.stopAgents(); err != nil {
			return result{}, err
		}
		took, err := b.raw(ctx, floor.like, n, floor.atOnce)
		if err != nil {
			return result{}, err
		}
		raw = append(raw, took)
		if err := b.startAgents(ctx); err != nil {
			return result{}, err
		}
		a, err := b.applyOnce(ctx, plain("app:1", n))
		if err != nil {
			return result{}, err
		}
		accepted, ready = append(accepted, a.accepted), append(ready, a.ready)
		if a, err = b.applyOnce(ctx, b.document("app:1", n)); err != nil {
			return result{}, err
		}
		serving = append(serving, a.converged)
	}
	limit := raw.median()*11/10 + 100*time.Millisecond
	r := result{
		headline: fmt.Sprintf("**%s after %s; the engines alone start as many in %s, Swarm in %s.**", instances(n, "ready"), show(ready.median()), show(raw.median()), show(swarmed.median())),
		notes: fmt.Sprintf("Muster: from sending the order to the hub's API until the last instance runs and its agent's probe has found it ready, by the hub's events, without a balancer; behind a balancer, the same service on a listener that is new, serving is until the balancer's own check has passed for each and it gives traffic to all. "+
			"The engines alone: the same containers (image, limits, published port) made and started through the same three engines' API while no agent runs; nothing waits until they answer. %d side by side on all engines together, which was the best for 30 containers (%s). "+
			"Swarm: from sending the order until %d tasks are running, on the same engines, with the same image, limits and a port of each host's own published (mode host), no registry asked, while no agent runs; its tasks aren't probed. The three take turns, run by run.",
			floor.atOnce, strings.Join(floor.tried, ", "), n),
	}
	r.times("engines alone: started", raw)
	r.times("Swarm: running", swarmed)
	r.times("Muster: accepted", accepted)
	r.times("Muster: all ready", ready)
	r.times("Muster, behind a balancer: all serving", serving)
	r.row("Muster ready : engines alone", ratio(ready, raw))
	r.row("Muster ready : Swarm", ratio(ready, swarmed))
	r.targetTime(fmt.Sprintf("%s within 1.1 times the engines alone and 100 ms", instances(n, "ready")), limit, ready.median())
	r.targetTime(fmt.Sprintf("%s not later than with Swarm", instances(n, "ready")), swarmed.median(), ready.median())
	return r, nil
}

func instances(n int, are string) string {
	if n == 1 {
		return "1 instance is " + are
	}
	return fmt.Sprintf("%d instances are %s", n, are)
}

func (b *bench) applyOnce(ctx context.Context, document string) (a applied, err error) {
	since, err := b.revision(ctx)
	if err != nil {
		return a, err
	}
	began := time.Now()
	if _, err := b.c.Client.Apply(ctx, project, client.Apply{Document: document}, client.Write{}); err != nil {
		return a, err
	}
	a.accepted = time.Since(began)
	if err := b.converged(ctx); err != nil {
		return a, err
	}
	events, err := b.events(ctx, since)
	if err != nil {
		return a, err
	}
	a.ready = last(events, fleet.EventInstanceReady).Sub(began)
	a.converged = last(events, fleet.EventServiceConverged).Sub(began)
	return a, b.remove(ctx)
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
