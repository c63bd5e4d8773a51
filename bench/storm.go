package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/bench/crowd"
	"github.com/musterhq/muster/bench/flood"
	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

// stormTarget is for all 10,000 agents, on two cores that they share with the hub.
const stormTarget = 45 * time.Second

// stormNotes say how storms are measured.
const stormNotes = "All connections cut: by resets; agents come back after a random pause of 100 to 500 ms, and until the hub has answered each, and has confirmed all of their reports. " +
	"A healthy host reported lost is one of which the hub says that for another reason than that its connection broke. " +
	"Half of them cut: every second agent's; of the others, the slowest echo is the longest that one waited for the hub's answer to a sign of life, and at rest the same over 10 s. " +
	"The hub is killed: by SIGKILL, and started again at once; agents try again after pauses that double up to 10 s. " +
	"The flood: by a process on the same machine, from 4 addresses, 3,000 connections that say nothing, and 300 times a second each a handshake without a certificate, garbage where a CONNECT belongs, and a wrong password; the change is a service frozen, and unfrozen, on all. "

// quietFor is how long the echoes to signs of life are watched while nothing else
// happens: each agent gives three.
const quietFor = 10 * time.Second

// brokeOff is why a host is lost whose connection was reset: it is true, and known
// at once.
const brokeOff = "its agent's connection broke"

// measureStorm breaks all connections at once.
func (b *bench) measureStorm(ctx context.Context, l *lone, r *scaled) error {
	var back, settled, cpu series
	before, err := l.metric(ctx, metricDropped)
	if err != nil {
		return err
	}
	since, err := l.revision(ctx)
	if err != nil {
		return err
	}
	for range min(b.runs, scaleRuns) {
		times, err := l.storm(ctx, 1)
		if err != nil {
			return err
		}
		back, settled, cpu = append(back, times.back), append(settled, times.settled), append(cpu, times.cpu)
	}
	after, err := l.metric(ctx, metricDropped)
	if err != nil {
		return err
	}
	lost, err := l.lost(ctx, since)
	if err != nil {
		return err
	}
	r.times("all connections cut: all are back", back)
	r.times("… and all reports taken in", settled)
	r.times("… CPU time of the hub for that", cpu)
	r.row("messages dropped then", fmt.Sprintf("%.0f", after-before))
	r.row("healthy hosts reported lost then", fmt.Sprint(lost))
	r.stormed, r.lost = back.median(), r.lost+lost
	return nil
}

// stormed says when all agents were back.
type stormed struct {
	back, settled time.Duration // since the first connection was cut
	cpu           time.Duration // that the hub took for it
	sessions      int           // that were begun
	watched       crowd.State   // of those that weren't cut
}

// storm breaks every so many'th connection, all at once, and waits until they are
// back.
func (l *lone) storm(ctx context.Context, every int) (t stormed, err error) {
	if err := l.settle(ctx); err != nil {
		return t, err
	}
	if _, err := l.order(crowd.Order{Do: crowd.DoWatch}); err != nil {
		return t, err
	}
	whole, err := l.order(crowd.Order{Do: crowd.DoState}) // the first are back before the last are cut
	if err != nil {
		return t, err
	}
	cut := 0
	for _, p := range l.crowds {
		s, err := p.Order(crowd.Order{Do: crowd.DoState})
		if err != nil {
			return t, err
		}
		cut += (s.Agents + every - 1) / every
	}
	began, used := time.Now(), cpuTime(l.pid())
	if _, err := l.order(crowd.Order{Do: crowd.DoCut, Every: every}); err != nil {
		return t, err
	}
	s, err := l.wait(ctx, "all agents are back", 0, func(s crowd.State) bool {
		return s.Sessions >= whole.Sessions+cut && s.Heard == s.Agents && s.Settled == s.Agents
	})
	t = stormed{back: s.HeardAt.Sub(began), settled: s.SettledAt.Sub(began), cpu: cpuTime(l.pid()) - used, sessions: s.Sessions - whole.Sessions, watched: s}
	return t, err
}

// measureHalf breaks half of the connections, while the others stay.
func (b *bench) measureHalf(ctx context.Context, l *lone, r *scaled) error {
	quiet, err := l.slowestEcho(ctx)
	if err != nil {
		return err
	}
	since, err := l.revision(ctx)
	if err != nil {
		return err
	}
	var back series
	var slowest time.Duration
	others := 0
	for range min(b.runs, scaleRuns) {
		times, err := l.storm(ctx, 2)
		if err != nil {
			return err
		}
		back, slowest = append(back, times.back), max(slowest, times.watched.Slowest)
		others += times.sessions - (l.agents - times.watched.Watched)
	}
	lost, err := l.lost(ctx, since)
	if err != nil {
		return err
	}
	r.times("half of the connections cut: they are back", back)
	r.row("… of the others: slowest echo to a sign of life", show(slowest))
	r.row("… which at rest is", show(quiet))
	r.row("… of the others: sessions begun anew", fmt.Sprint(others))
	r.row("… healthy hosts reported lost", fmt.Sprint(lost))
	r.lost += lost
	return nil
}

// slowestEcho is the longest time that an agent waits for the echo of a sign of life
// while nothing happens.
func (l *lone) slowestEcho(ctx context.Context) (time.Duration, error) {
	if err := l.settle(ctx); err != nil {
		return 0, err
	}
	if _, err := l.order(crowd.Order{Do: crowd.DoWatch}); err != nil {
		return 0, err
	}
	if err := pause(ctx, quietFor); err != nil {
		return 0, err
	}
	s, err := l.order(crowd.Order{Do: crowd.DoState})
	return s.Slowest, err
}

// measureKill kills the hub and starts it again.
func (b *bench) measureKill(ctx context.Context, l *lone, r *scaled) error {
	var back series
	total := 0
	for range min(b.runs, scaleRuns) {
		if err := l.settle(ctx); err != nil {
			return err
		}
		since, err := l.revision(ctx)
		if err != nil {
			return err
		}
		whole, err := l.order(crowd.Order{Do: crowd.DoState})
		if err != nil {
			return err
		}
		began := time.Now()
		if err := l.kill(ctx); err != nil {
			return err
		}
		s, err := l.wait(ctx, "all agents are back", 0, func(s crowd.State) bool {
			return s.Sessions >= whole.Sessions+s.Agents && s.Heard == s.Agents && s.Settled == s.Agents
		})
		if err != nil {
			return err
		}
		back = append(back, s.HeardAt.Sub(began))
		lost, err := l.allLost(ctx, since)
		if err != nil {
			return err
		}
		total += len(lost)
	}
	r.times("the hub is killed and started again: all are back", back)
	r.row("… hosts reported lost", fmt.Sprint(total))
	r.restarted, r.lost = back.median(), r.lost+total
	return nil
}

// measureFlood changes what all agents have while others flood the hub's door.
func (b *bench) measureFlood(ctx context.Context, l *lone, r *scaled) error {
	quiet, err := b.freezes(ctx, l)
	if err != nil {
		return err
	}
	since, err := l.revision(ctx)
	if err != nil {
		return err
	}
	o := flood.DefaultOptions()
	o.Hub = l.mqtt
	p, err := flood.Start(ctx, l.program("flood"), o)
	if err != nil {
		return err
	}
	if err := pause(ctx, floodFor); err != nil {
		return err
	}
	whole, err := l.order(crowd.Order{Do: crowd.DoWatch})
	if err != nil {
		return err
	}
	used, began := cpuTime(l.pid()), time.Now()
	flooded, err := b.freezes(ctx, l)
	if err != nil {
		return err
	}
	share := (cpuTime(l.pid()) - used).Seconds() / time.Since(began).Seconds()
	s, err := l.order(crowd.Order{Do: crowd.DoState})
	if err != nil {
		return err
	}
	result, err := p.Stop()
	if err != nil {
		return err
	}
	lost, err := l.lost(ctx, since)
	if err != nil {
		return err
	}
	if result.LetIn > 0 {
		return fmt.Errorf("%d of a flood were let in", result.LetIn)
	}
	r.times("a service frozen on all, before the flood: confirmed by all", quiet)
	r.times("… and while the hub's door is flooded", flooded)
	r.row("… flooded : quiet", ratio(flooded, quiet))
	r.row("… CPU of the hub meanwhile, of a core", fmt.Sprintf("%.0f %%", 100*share))
	r.row("… slowest echo to a sign of life", show(s.Slowest))
	r.row("… sessions begun anew", fmt.Sprint(s.Sessions-whole.Sessions))
	r.row("… healthy hosts reported lost", fmt.Sprint(lost))
	r.row("… attempts: silent, handshakes, garbage, passwords", fmt.Sprintf("%d, %d, %d, %d", result.Idle, result.Handshakes, result.Garbage, result.Passwords))
	r.row("… and not served", fmt.Sprint(result.Refused))
	r.flooded, r.lost = flooded.median().Seconds()/quiet.median().Seconds(), r.lost+lost
	return nil
}

// floodFor is until the flood is at its height.
const floodFor = 6 * time.Second

// freezes changes what all agents have, several times.
func (b *bench) freezes(ctx context.Context, l *lone) (took series, err error) {
	if _, err := l.client.Apply(ctx, project, client.Apply{Document: everywhere}, client.Write{}); err != nil {
		return nil, err
	}
	if err := l.settle(ctx); err != nil {
		return nil, err
	}
	for range min(b.runs, scaleRuns) {
		for _, do := range []func(context.Context, fleet.ServiceKey, client.Write) (fleet.Result, error){l.client.Freeze, l.client.Unfreeze} {
			if err := l.settle(ctx); err != nil {
				return nil, err
			}
			times, err := l.change(ctx, func(ctx context.Context) (fleet.Result, error) { return do(ctx, web, client.Write{}) })
			if err != nil {
				return nil, err
			}
			took = append(took, times.confirmed)
		}
	}
	return took, nil
}

func (l *lone) revision(ctx context.Context) (uint64, error) {
	list, err := l.client.Services(ctx, project)
	return list.Revision, err
}

// lost counts hosts that were reported lost since a revision and not because their
// connections broke.
func (l *lone) lost(ctx context.Context, since uint64) (n int, err error) {
	events, err := l.allLost(ctx, since)
	for _, e := range events {
		if !strings.HasSuffix(e.Data.Message, brokeOff) {
			n++
		}
	}
	return n, err
}

// mostEvents of one answer.
const mostEvents = 1000

func (l *lone) allLost(ctx context.Context, since uint64) (all []fleet.Event, err error) {
	for {
		list, err := l.client.Events(ctx, client.EventFilter{Since: since, Type: fleet.EventHostLost, Limit: mostEvents})
		if err != nil || len(list.Items) == 0 {
			return all, err
		}
		all, since = append(all, list.Items...), list.Items[len(list.Items)-1].Revision
	}
}
