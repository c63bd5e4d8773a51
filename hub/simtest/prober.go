package simtest

import (
	"hash/fnv"
	"time"

	"github.com/musterhq/muster/agent/brain"
)

const firstRetry = 50 * time.Millisecond

// prober runs an agent's probes, with the pauses of the real one.
type prober struct {
	agent   *agent
	running map[string]*probe
}

type probe struct {
	target    brain.ProbeTarget
	retry     time.Duration
	succeeded bool
	stopped   bool
}

func (p *prober) set(targets []brain.ProbeTarget) {
	wanted := map[string]bool{}
	for _, target := range targets {
		wanted[target.Instance] = true
		former := p.running[target.Instance]
		if former != nil && former.target == target {
			continue
		}
		if former != nil {
			former.stopped = true
		}
		next := &probe{target: target, retry: firstRetry}
		p.running[target.Instance] = next
		p.agent.sim.after(time.Millisecond, func() { p.attempt(next) })
	}
	for instance, former := range p.running {
		if !wanted[instance] {
			former.stopped = true
			delete(p.running, instance)
		}
	}
}

func (p *prober) attempt(x *probe) {
	a := p.agent
	if x.stopped || a.dead {
		return
	}
	ok, reason := a.host.engine.answers(x.target.Address)
	pause := min(x.retry, x.target.Interval)
	switch {
	case x.succeeded:
		pause = x.target.Interval
	case ok:
		x.succeeded = true
		pause = phase(x.target.Instance, x.target.Interval)
	default:
		x.retry = min(2*x.retry, x.target.Interval)
	}
	a.sim.after(pause, func() { p.attempt(x) })
	a.step(brain.Probed{Result: brain.ProbeResult{Instance: x.target.Instance, Container: x.target.Container, OK: ok, Reason: reason}})
}

func phase(instance string, interval time.Duration) time.Duration {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(instance)) // never fails
	return interval/2 + interval/2000*time.Duration(hash.Sum64()%1000)
}
