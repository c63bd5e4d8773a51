package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/musterhq/muster/bench/crowd"
	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

// everywhere is a service with an instance on each host.
const everywhere = `name: bench
services:
  web:
    image: app:1
    environment: {GREETING: hello, LEVEL: info}
    deploy: {mode: global, resources: {limits: {memory: 64M}}}
    x-probe: {http: /healthz, port: 8080, interval: 1s}
`

func (b *bench) scaleThousand(ctx context.Context) (result, error) { return b.scale(ctx, b.agents) }
func (b *bench) scaleTenThousand(ctx context.Context) (result, error) {
	return b.scale(ctx, tenThousand)
}

const (
	oneThousand = 1_000
	tenThousand = 10_000
)

// scaleRuns bounds how often each is measured: the hub is asked a lot.
const scaleRuns = 3

// scaleSettle is the least rest before memory is read: a hub gives it back when
// nothing was decided for a minute, and ports of what was removed are free again.
const scaleSettle = 90 * time.Second

// scaled is a result with what its headline needs.
type scaled struct {
	result
	placed  time.Duration // a new service's instances were known to all agents
	reached time.Duration // a change of what they have was
	placing time.Duration // CPU time that the hub took until all had confirmed those

	stormed, restarted time.Duration // all were back, after their connections or the hub ended
	lost               int           // healthy hosts that were reported lost
	flooded            float64       // a change's time under a flood, by its quiet time
}

// scale measures a hub with so many agents.
func (b *bench) scale(ctx context.Context, n int) (_ result, err error) {
	var r scaled
	before, _ := os.ReadFile("/proc/loadavg")
	l, err := startLone(ctx, true, b.debug)
	if err != nil {
		return r.result, err
	}
	defer func() { err = errors.Join(err, l.end()) }()
	empty, _, err := memory(l.pid())
	if err != nil {
		return r.result, err
	}
	joined, err := l.enter(ctx, n)
	if err != nil {
		return r.result, err
	}
	r.times("all join a new hub, and connect", series{joined})
	for _, measure := range []func(context.Context, *lone, *scaled) error{
		b.measureChanges, b.measureBurst, b.measureStorm, b.measureHalf, b.measureFlood, b.measureKill,
	} {
		if err := measure(ctx, l, &r); err != nil {
			return r.result, err
		}
	}
	r.notes = fmt.Sprintf("A hub by itself, and %d agents that are played to it over MQTT and TLS 1.3 by %d processes on the same machine, each agent with a certificate, an address and a connection of its own and with the messages of a real one: a sign of life every 3 s, its desired state accepted, confirmed and reported, containers that take 300 ms to start. "+
		"All join: from making one token for all, each with a key of its own, until the hub has answered each on its connection; the hub takes in 100 a second, and 400 at once. "+
		"A service on all: from sending the order until the last agent has its new desired state, until the hub has told the last one that it took in the report of that, and until the service has converged. "+
		"Removed: until it is gone. A report of all: each says that its machine's memory is used otherwise; until the hub has confirmed all. "+
		stormNotes+
		"At rest: after %s, over %s, CPU of one core. Memory of each agent: the difference to the hub without any.", n, len(l.crowds), max(b.settle, scaleSettle), b.idle)
	if err := b.measureRest(ctx, l, &r, empty); err != nil {
		return r.result, err
	}
	if n != tenThousand {
		err = b.measurePlain(ctx, n, &r)
	}
	after, _ := os.ReadFile("/proc/loadavg")
	r.row("the machine's load average, before and after", newest(before), newest(after))
	return r.result, err
}

// newest is the first of the three averages.
func newest(loadavg []byte) string {
	first, _, _ := strings.Cut(string(loadavg), " ")
	return first
}

// measurePlain measures a hub whose agents connect without TLS, for comparison.
func (b *bench) measurePlain(ctx context.Context, n int, r *scaled) (err error) {
	l, err := startLone(ctx, false, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.end()) }()
	empty, _, err := memory(l.pid())
	if err != nil {
		return err
	}
	if _, err := l.enter(ctx, n); err != nil {
		return err
	}
	var back, cpu series
	for range min(b.runs, scaleRuns) {
		times, err := l.storm(ctx, 1)
		if err != nil {
			return err
		}
		back, cpu = append(back, times.back), append(cpu, times.cpu)
	}
	if err := pause(ctx, max(b.settle, scaleSettle)); err != nil {
		return err
	}
	pss, _, err := memory(l.pid())
	if err != nil {
		return err
	}
	r.times("without TLS: all connections cut: all are back", back)
	r.times("… CPU time of the hub for that", cpu)
	r.row("… memory of each agent", fmt.Sprintf("%.1f KiB", float64(pss-empty)/float64(n)/1024))
	return nil
}

// measureRest measures what the hub takes while nothing happens.
func (b *bench) measureRest(ctx context.Context, l *lone, r *scaled, empty int64) error {
	if err := pause(ctx, max(b.settle, scaleSettle)); err != nil {
		return err
	}
	before, began := cpuTime(l.pid()), time.Now()
	if err := pause(ctx, b.idle); err != nil {
		return err
	}
	share := (cpuTime(l.pid()) - before).Seconds() / time.Since(began).Seconds()
	pss, _, err := memory(l.pid())
	if err != nil {
		return err
	}
	heap, err := l.metric(ctx, metricHeap)
	if err != nil {
		return err
	}
	stacks, err := l.metric(ctx, metricStacks)
	if err != nil {
		return err
	}
	r.row("CPU at rest, of a core", fmt.Sprintf("%.1f %%", 100*share))
	r.row("… for each sign of life", fmt.Sprintf("%d µs", beatCost(share, l.agents).Microseconds()))
	r.row("memory (PSS)", mib(pss))
	r.row("… of it in use on the heap", mib(int64(heap)))
	r.row("… and on the stacks of its goroutines", mib(int64(stacks)))
	r.row("memory of each agent", fmt.Sprintf("%.1f KiB", float64(pss-empty)/float64(l.agents)/1024))
	r.headline = fmt.Sprintf("**With %d agents the hub takes %s and %.1f %% of a core at rest; a change is at all of them after %s, an instance more on each after %s.**",
		l.agents, mib(pss), 100*share, show(r.reached), show(r.placed))
	if l.agents != tenThousand {
		r.targetNumber(fmt.Sprintf("a change at all %d agents while the hub's door is flooded, by its quiet time", l.agents), 2, r.flooded, "times")
	} else {
		r.targetTime("10,000 agents are back after all connections broke", stormTarget, r.stormed)
		r.targetTime("10,000 agents are back after the hub was killed", stormTarget, r.restarted)
		r.targetNumber("healthy hosts reported lost in all of that", 0, float64(r.lost), "hosts")
		r.targetNumber("the hub's memory with 10,000 agents (PSS)", 600, float64(pss)/1e6, "MB")
		r.because("%s of it are stacks: the MQTT library has two goroutines for each connection, and hands packets of 0.8 KiB on by value, which keeps 24 KiB of stack for good. Most of the heap is that library's, too: subscriptions, kept messages and queues, 21 KiB for each agent by a profile of November 2026.", mib(int64(stacks)))
		r.targetNumber("its CPU at rest", 10, 100*share, "% of a core")
		r.because("A sign of life costs %d µs. By a profile of November 2026, on two cores of an AMD EPYC, a quarter of that is the kernel's, for one read and one write, a sixth collecting garbage, which is the price of the memory that is given back, a sixth the loop's turns, which look twice a second at all hosts, too, a tenth TLS, and the rest waking up and the hub's own work.", beatCost(share, l.agents).Microseconds())
		r.targetTime("a change at all 10,000 agents", time.Second, r.reached)
		r.because("The agents share the hub's two cores here, and take in their messages on them.")
		r.targetTime("10,000 new instances at all 10,000 agents", time.Second, r.placed)
		r.because("Until all have confirmed them the hub takes %s of CPU time; the agents, which share its two cores here, report at once and again when their containers run, while others still wait for their turn.", show(r.placing))
	}
	return nil
}

// beatCost is the hub's CPU time for one agent's sign of life, if at rest it
// does nothing else.
func beatCost(share float64, agents int) time.Duration {
	beat := crowd.DefaultOptions().Beat
	return time.Duration(share * float64(beat) / float64(agents))
}

// measureChanges measures changes that concern every host.
func (b *bench) measureChanges(ctx context.Context, l *lone, r *scaled) error {
	var placed, confirmed, cpu, converged, froze, frozen, gone series
	since, err := l.revision(ctx)
	if err != nil {
		return err
	}
	whole, err := l.order(crowd.Order{Do: crowd.DoWatch})
	if err != nil {
		return err
	}
	for range min(b.runs, scaleRuns) {
		times, err := l.change(ctx, func(ctx context.Context) (fleet.Result, error) {
			return l.client.Apply(ctx, project, client.Apply{Document: everywhere}, client.Write{})
		})
		if err != nil {
			return err
		}
		placed, confirmed, cpu = append(placed, times.reached), append(confirmed, times.confirmed), append(cpu, times.cpu)
		if err := until(ctx, "the service has converged", func(ctx context.Context) (bool, error) {
			list, err := l.client.Services(ctx, project)
			return len(list.Items) == 1 && list.Items[0].State == fleet.ServiceConverged, err
		}); err != nil {
			return err
		}
		converged = append(converged, time.Since(times.began))
		for _, do := range []func(context.Context, fleet.ServiceKey, client.Write) (fleet.Result, error){l.client.Freeze, l.client.Unfreeze} {
			if err := l.settle(ctx); err != nil {
				return err
			}
			times, err := l.change(ctx, func(ctx context.Context) (fleet.Result, error) { return do(ctx, web, client.Write{}) })
			if err != nil {
				return err
			}
			froze, frozen = append(froze, times.reached), append(frozen, times.confirmed)
		}
		began := time.Now()
		if _, err := l.client.Remove(ctx, web, client.Write{}); err != nil {
			return err
		}
		if err := until(ctx, "the service is gone", func(ctx context.Context) (bool, error) {
			list, err := l.client.Services(ctx, project)
			return err == nil && len(list.Items) == 0, err
		}); err != nil {
			return err
		}
		gone = append(gone, time.Since(began))
		if err := l.settle(ctx); err != nil {
			return err
		}
	}
	s, err := l.order(crowd.Order{Do: crowd.DoState})
	if err != nil {
		return err
	}
	lost, err := l.allLost(ctx, since)
	if err != nil {
		return err
	}
	r.placed, r.placing, r.reached, r.lost = placed.median(), cpu.median(), froze.median(), len(lost)
	r.times("a service placed on all: at every agent", placed)
	r.times("… and confirmed by all", confirmed)
	r.times("… CPU time of the hub for that", cpu)
	r.times("… and ready on all", converged)
	r.times("a service frozen on all: at every agent", froze)
	r.times("… and confirmed by all", frozen)
	r.times("a service removed from all", gone)
	r.row("slowest echo to a sign of life in all of that", show(s.Slowest))
	r.row("… sessions begun anew", fmt.Sprint(s.Sessions-whole.Sessions))
	r.row("… hosts reported lost", fmt.Sprint(len(lost)))
	return nil
}

// changed says when a change was at all agents.
type changed struct {
	began              time.Time
	reached, confirmed time.Duration // since then
	cpu                time.Duration // that the hub took for it
}

func (l *lone) change(ctx context.Context, order func(context.Context) (fleet.Result, error)) (changed, error) {
	c, before := changed{began: time.Now()}, cpuTime(l.pid())
	result, err := order(ctx)
	if err != nil {
		return c, err
	}
	s, err := l.wait(ctx, "all agents have the change", result.Revision, func(s crowd.State) bool { return s.Confirmed == s.Agents })
	c.reached, c.confirmed, c.cpu = s.ReachedAt.Sub(c.began), s.ConfirmedAt.Sub(c.began), cpuTime(l.pid())-before
	return c, err
}

// settle waits until nobody has anything left to say.
func (l *lone) settle(ctx context.Context) error {
	if err := pause(ctx, time.Second); err != nil { // longer than a container takes to start
		return err
	}
	_, err := l.wait(ctx, "all reports are taken in", 0, func(s crowd.State) bool { return s.Settled == s.Agents })
	return err
}

// measureBurst measures a report of every agent at the same time.
func (b *bench) measureBurst(ctx context.Context, l *lone, r *scaled) error {
	var took series
	before, err := l.metric(ctx, metricDropped)
	if err != nil {
		return err
	}
	for range min(b.runs, scaleRuns) {
		if err := l.settle(ctx); err != nil {
			return err
		}
		began := time.Now()
		if _, err := l.order(crowd.Order{Do: crowd.DoReport}); err != nil {
			return err
		}
		s, err := l.wait(ctx, "all reports are taken in", 0, func(s crowd.State) bool { return s.Settled == s.Agents })
		if err != nil {
			return err
		}
		took = append(took, s.SettledAt.Sub(began))
	}
	after, err := l.metric(ctx, metricDropped)
	if err != nil {
		return err
	}
	r.times("a report of all at once: taken in", took)
	r.row("messages dropped then", fmt.Sprintf("%.0f", after-before))
	return nil
}
