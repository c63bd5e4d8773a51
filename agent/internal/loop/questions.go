package loop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// answered answers what the brain knows, or has it decide; false: the question is
// another one.
func (s *shell) answered(ask *fleet.Ask) bool {
	now := time.Now()
	switch ask.Do {
	case fleet.AskPrune:
		s.step(brain.PruneAsked{ID: ask.ID, DryRun: ask.DryRun, Cause: ask.Cause})
	case fleet.AskRenew:
		if s.options.Renew != nil {
			s.options.Renew()
		}
	case fleet.AskPull:
		s.step(brain.PullAsked{ID: ask.ID, Service: ask.Service, Image: ask.Image, Cause: ask.Cause})
	case fleet.AskPing:
		s.answer(fleet.Answer{ID: ask.ID, OK: true, At: now, Output: "runs for " + now.Sub(s.began).Round(time.Second).String()})
	case fleet.AskInspect:
		answer := fleet.Answer{ID: ask.ID, At: now, Output: s.state.Inspect(ask.Service, now)}
		if answer.OK = answer.Output != ""; !answer.OK {
			answer.Problem = fmt.Sprintf("%s has no instance on this host", ask.Service)
		}
		s.answer(answer)
	default:
		return false
	}
	return true
}

// trial is what is tried for an AskProbe.
type trial struct {
	*Loop
	lineage   string
	service   fleet.ServiceKey
	probings  []brain.Probing
	balancers []fleet.BalancerActual
}

// trialOf is nil for other questions.
func (s *shell) trialOf(ask *fleet.Ask) *trial {
	if ask.Do != fleet.AskProbe {
		return nil
	}
	return &trial{
		Loop: s.Loop, lineage: s.state.Lineage(), service: ask.Service,
		probings: s.state.Probings(ask.Service, time.Now()), balancers: s.state.Balancers(),
	}
}

// run tries everything side by side, and says in lines what came of it. The
// error counts what failed.
func (t *trial) run(ctx context.Context) (string, error) {
	if !t.service.IsZero() && len(t.probings) == 0 {
		return "", fmt.Errorf("%s has no instance on this host", t.service)
	}
	probed, all := len(t.probings), len(t.probings)+1+len(t.balancers)
	lines, failed := make([]string, all), make([]bool, all)
	var under sync.WaitGroup
	places := make(chan struct{}, probesAtOnce)
	under.Go(func() { lines[probed], failed[probed] = t.engine(ctx) })
	for i := range t.probings {
		under.Go(func() {
			places <- struct{}{}
			lines[i], failed[i] = t.probe(ctx, &t.probings[i])
			<-places
		})
	}
	under.Wait()
	for i, b := range t.balancers {
		at := probed + 1 + i
		lines[at], failed[at] = "balancer "+b.Name+": up", !b.Up || b.Problem != ""
		if failed[at] {
			lines[at] = "balancer " + b.Name + ": " + cmp.Or(b.Problem, "down")
		}
	}
	count := 0
	for _, f := range failed {
		if f {
			count++
		}
	}
	output := fleet.Clip(strings.Join(lines, "\n"), fleet.MaxOutput)
	if count > 0 {
		return output, fmt.Errorf("%d of %d things that were tried fail", count, len(lines))
	}
	return output, nil
}

// probesAtOnce bounds the probes of one trial.
const probesAtOnce = 16

func (t *trial) engine(ctx context.Context) (line string, failed bool) {
	began := time.Now()
	if _, err := t.options.Engine.Containers(ctx, t.lineage, t.options.Brain.Host); err != nil {
		return "engine: " + err.Error(), true
	}
	return "engine: answers in " + time.Since(began).Round(time.Millisecond).String(), false
}

func (t *trial) probe(ctx context.Context, p *brain.Probing) (line string, failed bool) {
	switch {
	case p.Target == nil && p.Ready:
		return p.Instance + ": runs; it has no probe", false
	case p.Target == nil:
		return p.Instance + ": " + p.Reason, true
	}
	ctx, cancel := context.WithTimeout(ctx, p.Target.Timeout)
	defer cancel()
	began := time.Now()
	err := t.tries(ctx, p.Target)
	if err != nil {
		return p.Instance + ": its probe fails: " + err.Error(), true
	}
	return p.Instance + ": its probe passes in " + time.Since(began).Round(time.Millisecond).String(), false
}

func (t *trial) tries(ctx context.Context, target *brain.ProbeTarget) error {
	if t.options.Probe == nil {
		return errors.New("nobody probes here")
	}
	return t.options.Probe(ctx, target)
}
