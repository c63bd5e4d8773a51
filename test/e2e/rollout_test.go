//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/load"
)

// rollingOut is the file of a service with a rollout of its own.
func rollingOut(image string, port int, rollout string) string {
	return strings.Replace(web(image, 3, port), "{monitor: 1s}", rollout, 1)
}

// lightly is a load that every rollout has to survive: nobody tries twice.
func (p *project) lightly(port int) (g *load.Generator, end <-chan load.Result) {
	options := load.DefaultOptions(p.url(port))
	options.Rate, options.Total = 60, 1_000_000
	options.WSLife = 8 * time.Second
	return p.under(options)
}

// rolledOut waits until the service's rollout has come to a state.
func (p *project) rolledOut(state string) fleet.Rollout {
	p.Helper()
	var r fleet.Rollout
	p.until(90*time.Second, "the rollout is "+state, func() (bool, string) {
		v := p.service("web")
		if v.Rollout == nil {
			return false, "there is none"
		}
		r = *v.Rollout
		return r.State == state, fmt.Sprintf("%s at step %d (%s): %s", r.State, r.Step, r.PauseReason, r.Why)
	})
	return r
}

// whole ends the load: none of it was lost.
func (p *project) whole(g *load.Generator, end <-chan load.Result, onPurpose string) load.Result {
	p.Helper()
	p.must(g.Stop(p.ctx()))
	r := <-end
	p.Logf("%d sent, %d failed; worst %s; by version %v, refused by %v", r.Sent, r.Failed, r.Latency.Max, r.ByVersion, r.RefusedBy)
	if lost := r.Failed - r.RefusedBy[onPurpose]; lost > 0 || r.WebSockets.Failed > 0 {
		p.Errorf("%d requests and %d WebSockets were lost: %v; %+v", lost, r.WebSockets.Failed, r.Err(), r.Failures)
	}
	return r
}

// TestABadVersionIsTakenBack: by its answers, by its slowness, and by its crashes, or
// by the answers that those have cost, whichever is seen first.
func TestABadVersionIsTakenBack(t *testing.T) {
	t.Parallel()
	port := 9220
	for image, why := range map[string]string{"err:3": "requests failed", "slow:3": "a request takes", "crash:3": "ended by itself|requests failed"} {
		port++
		port := port
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			p := begin(t, "bad"+strings.TrimSuffix(image, ":3"))
			rollout := "{strategy: canary, steps: [25, 50], monitor: 5s, keep: 1s, verify: {interval: 5s}}"
			p.apply(rollingOut("app:1", port, rollout))
			p.allAnswer(port, 3)
			g, end := p.lightly(port)
			out, err := p.muster("apply", "-f", p.file(rollingOut(image, port, rollout)), "--wait", "--timeout", patience)
			because := regexp.MustCompile(why)
			if err == nil || !because.MatchString(out) {
				p.Errorf("apply --wait: %v\n%s", err, out)
			}
			r := p.rolledOut(fleet.RolloutRolledBack)
			if !because.MatchString(r.Why) {
				p.Errorf("it went back because of %q, want %q", r.Why, why)
			}
			if v := p.service("web"); v.Version != 1 {
				p.Errorf("version %d", v.Version)
			}
			p.must(g.Stop(p.ctx()))
			result := <-end
			t.Logf("%s: %d sent, %d failed: %v; by version %v", r.Why, result.Sent, result.Failed, result.ByError, result.ByVersion)
			if image != "crash:3" && result.Lost() > 0 {
				p.Errorf("%d were lost: %+v", result.Lost(), result.Failures)
			}
		})
	}
}

// TestAHubKilledInARolloutGoesOn kills the hub at whatever state a rollout is in,
// again and again, and none of it is lost.
func TestAHubKilledInARolloutGoesOn(t *testing.T) {
	const port = 9233
	p := begin(t, "hubkilled")
	rollout := "{strategy: canary, steps: [30, 60], monitor: 2s, keep: 2s, verify: {off: true, interval: 2s}}"
	p.apply(rollingOut("app:1", port, rollout))
	p.allAnswer(port, 3)
	g, end := p.lightly(port)
	seen := map[string]bool{}
	p.mustMuster("apply", "-f", p.file(rollingOut("app:2", port, rollout)))
	p.until(2*time.Minute, "the rollout has succeeded", func() (bool, string) {
		ctx, cancel := context.WithTimeout(p.ctx(), 2*time.Second)
		defer cancel()
		v, err := p.c.Client.Service(ctx, p.key("web"))
		var refused *fleet.Error
		if err != nil && !errors.As(err, &refused) || v.Rollout == nil {
			return false, fmt.Sprint(err)
		}
		state := fmt.Sprintf("%s %d %d", v.Rollout.State, v.Rollout.Step, v.Rollout.Weight)
		if !seen[state] && !v.Rollout.Over() {
			seen[state] = true
			p.kill("hub")
			p.start("hub")
		}
		return v.Rollout.State == fleet.RolloutSucceeded, state
	})
	if len(seen) < 4 {
		p.Errorf("the hub was killed in %v only", seen)
	}
	p.Logf("killed in %v", seen)
	p.whole(g, end, "")
}
