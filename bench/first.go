package main

import (
	"context"
	"fmt"
	"time"

	"github.com/musterhq/muster/hub/client"
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
	r.targetTime("the first answer through the balancer", 624*time.Millisecond, took.median())
	return r, nil
}
