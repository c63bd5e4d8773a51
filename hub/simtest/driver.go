package simtest

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// Pauses of a balancer's driver.
const (
	lookTakes  = 5 * time.Millisecond
	driverWait = 500 * time.Millisecond // after something went wrong
)

// driver is the agent's part of a balancer: it looks, asks the sequence what
// is due, and does it. Its memory dies with the agent.
type driver struct {
	agent    *agent
	haproxy  *haproxy
	memory   sequence.Memory
	pools    []fleet.Pool          // nil: unknown
	reported *fleet.BalancerActual // nil: nothing yet
	told     []fleet.PoolMetrics   // counts, as last told
	toldAt   time.Time
	waking   int
}

func newDriver(a *agent) *driver {
	d := &driver{agent: a, haproxy: a.host.haproxy}
	d.memory.Filed = d.haproxy.file
	d.memory.Structure = d.haproxy.structureOf(d.haproxy.file)
	return d
}

func (d *driver) want(pools []fleet.Pool) {
	d.pools = slices.Clone(pools)
	if d.pools == nil {
		d.pools = []fleet.Pool{}
	}
	d.wake(0)
}

func (d *driver) wake(wait time.Duration) {
	d.waking++
	serial := d.waking
	d.agent.sim.after(max(wait, lookTakes), func() {
		if d.waking == serial && !d.agent.dead {
			d.wake(d.step())
		}
	})
}

// step looks once and does what is due. It returns the pause until the next.
func (d *driver) step() time.Duration {
	seen := d.haproxy.observe()
	turn := sequence.Next(d.pools, seen, d.memory, d.agent.sim.now)
	d.memory = turn.Memory
	failed := false
	for _, action := range turn.Actions {
		if d.deaf(action) {
			continue
		}
		if err := d.haproxy.perform(action); err != nil {
			d.agent.sim.detail(d.agent.host.id, "balancer: %s: %v", action, err)
			failed = true
			d.reject(action, err)
			continue
		}
		d.agent.sim.detail(d.agent.host.id, "balancer: %s", action)
		switch action.Kind {
		case sequence.Write, sequence.Reload, sequence.Start:
			d.memory.Filed, d.memory.Structure, d.memory.Stale = action.Pools, d.haproxy.structureOf(action.Pools), false
		}
	}
	d.report(seen.Up, turn.Report)
	d.count()
	if failed {
		return driverWait
	}
	return turn.Wake
}

// reject keeps back the pools that were refused: the one that was named, or else
// those that the file can't have beside the others.
func (d *driver) reject(action sequence.Action, err error) {
	var bad refused
	if errors.As(err, &bad) {
		d.memory = d.memory.Reject(bad.pool, bad.Error(), d.agent.sim.now)
		return
	}
	for _, fault := range sequence.Isolate(d.memory.Filed, action.Pools, meet) {
		d.memory = d.memory.Reject(fault.Pool, fault.Cause.Error(), d.agent.sim.now)
	}
}

// meet says whether pools want the same of a listener.
func meet(pools []fleet.Pool) error {
	_, err := lbconf.Listeners(pools)
	return err
}

func (d *driver) report(up bool, pools []fleet.PoolActual) {
	if d.agent.sim.options.Sabotage.DrainedAtOnce {
		pools = d.lie(pools)
	}
	actual := fleet.BalancerActual{Name: balancerName, Driver: balancerName, Version: "2.6", Up: up, Pools: pools}
	if d.reported != nil && d.reported.Up == up && slices.EqualFunc(d.reported.Pools, pools, samePool) {
		return
	}
	d.reported = &actual
	d.agent.step(brain.BalancerReported{Actual: actual})
}

// count tells what the current worker has counted for pools that are measured.
func (d *driver) count() {
	now := d.agent.sim.now
	if d.haproxy.current == nil || now.Sub(d.toldAt) < time.Second {
		return
	}
	var all []fleet.PoolMetrics
	for _, pool := range d.pools {
		if !pool.Measure {
			continue
		}
		m := fleet.PoolMetrics{Service: pool.Service, Balancer: balancerName, Endpoints: []fleet.EndpointCounts{}}
		for _, e := range pool.Endpoints {
			c := fleet.EndpointCounts{Instance: e.Instance, Version: e.Version}
			for _, s := range d.haproxy.current.servers {
				if s.Service == pool.Service && s.Instance == e.Instance {
					c.Requests += s.counts.answered
					c.Failed += s.counts.failed
				}
			}
			m.Endpoints = append(m.Endpoints, c)
		}
		all = append(all, m)
	}
	if reflect.DeepEqual(all, d.told) {
		return
	}
	d.told, d.toldAt = all, now
	d.agent.step(brain.BalancerCounted{Balancer: balancerName, Pools: all})
}

func samePool(a, b fleet.PoolActual) bool {
	return a.Service == b.Service && a.Generation == b.Generation && a.Problem == b.Problem && slices.Equal(a.Endpoints, b.Endpoints)
}

// observe reads everything that the sequence looks at.
func (h *haproxy) observe() sequence.Observed {
	if h.current == nil {
		return sequence.Observed{}
	}
	seen := sequence.Observed{Up: true, Structure: h.current.structure, Current: h.current.id}
	for _, s := range h.current.servers {
		check := s.health
		if check == "" {
			check = fleet.CheckUnknown
		}
		seen.Servers = append(seen.Servers, sequence.Server{
			ServerKey: s.ServerKey, Address: s.address, State: s.shown(), Weight: s.weight, Check: check, Connections: s.open,
		})
	}
	for _, w := range h.old {
		old := sequence.OldWorker{Worker: w.id, Readable: true, Sessions: maps.Clone(w.sessions), Servers: map[sequence.ServerKey]int{}}
		for _, s := range w.servers {
			old.Servers[s.ServerKey] = s.open
		}
		seen.Old = append(seen.Old, old)
	}
	return seen
}
