package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/cluster"
)

// beginsWithin is how long after an apply its rollout may take to begin.
const beginsWithin = 30 * time.Second

var rank = fleet.ServiceKey{Project: "leaderboard", Name: "rank"}

// move is an upgrade to show: the files to apply, and how it has to end.
type move struct {
	title string
	files []string
	want  string
}

// upgrade shows a good version that gets the traffic step by step, and a broken
// one that is taken back, under constant load that counts what is lost.
func upgrade(ctx context.Context, c *cluster.Cluster) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	address := c.BalancerAddress()
	say("\n%d requests a second through the balancer, each sent once:", perSecond)
	requests, err := startTraffic(ctx, address)
	if err != nil {
		return err
	}
	first, next, broken := composeFile, "examples/rank/compose.v2.yaml", "examples/rank/compose.v3.yaml"
	began := time.Now()
	good := move{"Version 2 speaks gRPC, too. It gets 5, 25, 50 and 100 % of the traffic:", []string{first, next}, fleet.RolloutSucceeded}
	if err := rollOut(ctx, c, requests, good); err != nil {
		return errors.Join(err, show(ctx, c, "service", rank.String()))
	}
	say("\nFrom now on, ten calls a second go to its gRPC port, through the balancer too.")
	calls, err := startCalls(ctx, address)
	if err != nil {
		return err
	}
	bad := move{"Version 3 is broken: slow, and 5 % of its answers are 500.", []string{first, next, broken}, fleet.RolloutRolledBack}
	err = rollOut(ctx, c, requests, bad)
	if err := errors.Join(err, show(ctx, c, "service", rank.String())); err != nil {
		return err
	}
	return account(ctx, requests, calls, time.Since(began))
}

// rollOut applies a version and follows its rollout to the end.
func rollOut(ctx context.Context, c *cluster.Cluster, requests *traffic, m move) error {
	say("\n%s", m.title)
	before, err := last(ctx, c)
	if err != nil {
		return err
	}
	args := []string{"apply"}
	for _, file := range m.files {
		args = append(args, "-f", file)
	}
	if err := show(ctx, c, args...); err != nil {
		return err
	}
	began := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		now, err := last(ctx, c)
		if err != nil {
			return err
		}
		begun := now.ID > before.ID
		if !begun {
			now = fleet.Rollout{State: "not begun"}
		}
		say("%4.0f s  %s  %s", time.Since(began).Seconds(), requests.line(), words(now))
		switch {
		case !begun && time.Since(began) > beginsWithin:
			return fmt.Errorf("the hub began no rollout within %s", beginsWithin)
		case begun && (now.State == fleet.RolloutPaused || now.State == fleet.RolloutRollbackPaused):
			return fmt.Errorf("the rollout paused (%s): %s", now.PauseReason, now.Why)
		case begun && now.Over() && now.State != m.want:
			return fmt.Errorf("the rollout ended as %s, not %s: %s", now.State, m.want, now.Why)
		case begun && now.Over():
			return nil
		}
	}
}

// last is the service's last rollout; its zero value: there was none.
func last(ctx context.Context, c *cluster.Cluster) (fleet.Rollout, error) {
	view, err := c.Client.Service(ctx, rank)
	if err != nil || view.Rollout == nil {
		return fleet.Rollout{}, err
	}
	return *view.Rollout, nil
}

// words are a rollout's state for the end of a line.
func words(r fleet.Rollout) string {
	text := r.State
	if steps := r.Spec.Steps; r.State == fleet.RolloutProgressing && r.Step < len(steps) {
		text += fmt.Sprintf(" at %d %%", steps[r.Step].Weight)
	}
	if r.Why != "" {
		text += ": " + r.Why
	}
	return text
}

// account ends the load and says what became of it.
func account(ctx context.Context, requests, calls *traffic, took time.Duration) error {
	byHTTP, err := requests.end(ctx)
	if err != nil {
		return err
	}
	byGRPC, err := calls.end(ctx)
	if err != nil {
		return err
	}
	lost := byHTTP.Lost() + byGRPC.Lost() + byGRPC.Calls.Failed
	say("\nIn %s: %d requests by HTTP, %d calls by gRPC.", took.Round(time.Second), byHTTP.Sent+byGRPC.Sent, byGRPC.Calls.Sent)
	onPurpose := byHTTP.RefusedBy["3"] + byGRPC.RefusedBy["3"]
	refused := byHTTP.Failed + byGRPC.Failed - byHTTP.Lost() - byGRPC.Lost() - onPurpose
	say("  lost on the way:                              %d", lost)
	say("  refused by version 1 or 2:                    %d", refused)
	say("  answered with 500 by version 3, on purpose:   %d", onPurpose)
	say("  latency by HTTP:                              half within %s, 99 %% within %s, the slowest %s",
		byHTTP.Latency.P50.Round(time.Millisecond), byHTTP.Latency.P99.Round(time.Millisecond), byHTTP.Latency.Max.Round(time.Millisecond))
	if lost+refused > 0 {
		return errors.Join(fmt.Errorf("%d requests were lost, and %d refused", lost, refused), byHTTP.Err(), byGRPC.Err())
	}
	return nil
}
