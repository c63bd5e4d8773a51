package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/bench/crowd"
	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// mirror is the hub's brain with hosts that are at once as they are wanted.
type mirror struct {
	state  *turn.State
	now    time.Time
	hosts  map[string]*mirrored
	orders int
}

// mirrored is what a host reports.
type mirrored struct {
	actual   fleet.Actual
	sequence uint64
	pools    map[fleet.ServiceKey]*fleet.PoolActual
	changed  bool
}

func newMirror() *mirror {
	now := time.Unix(1_700_000_000, 0).UTC()
	return &mirror{state: turn.New("MIRROR", uint64(now.Unix()), 0, now, turn.DefaultOptions()), now: now, hosts: map[string]*mirrored{}}
}

const mirrorBalancer = "haproxy"

func (m *mirror) join(id string, balancer bool) {
	h := &mirrored{actual: fleet.Actual{Host: id, Facts: crowd.Facts(id), AgentStart: "start", Session: "session", Engine: fleet.EngineStatus{Up: true}}, changed: true}
	if balancer {
		h.pools = map[fleet.ServiceKey]*fleet.PoolActual{}
		h.actual.Facts.Balancers = []fleet.BalancerFacts{{Name: mirrorBalancer, Driver: "haproxy", Address: h.actual.Facts.Advertise, Features: []string{fleet.BalancerParked}}}
	}
	m.hosts[id] = h
	m.step(m.beat(id), m.report(id))
}

func (m *mirror) order(c fleet.Command) error {
	m.orders++
	c.ID = fmt.Sprintf("order-%d", m.orders)
	return m.step(turn.CommandIn{Command: c}).Replies[0].Err
}

// step takes a turn and gives the hosts what it publishes.
func (m *mirror) step(inputs ...turn.Input) turn.Outputs {
	delta, out := turn.Step(m.state, inputs, m.now)
	delta.Fold()
	for _, p := range out.Publish {
		if host, leaf, rest, ok := wire.HostTopic(p.Topic); ok && len(p.Payload) > 0 {
			m.hosts[host].take(leaf, rest, p.Payload)
		}
	}
	return out
}

// converge has the hosts report until nothing changes any more.
func (m *mirror) converge() error {
	for range 100 {
		var inputs []turn.Input
		for _, id := range m.ids() {
			if h := m.hosts[id]; h.changed {
				h.changed = false
				inputs = append(inputs, m.beat(id), m.report(id))
			}
		}
		if len(inputs) == 0 {
			return m.converged()
		}
		m.step(inputs...)
	}
	return errors.New("the mirrored fleet doesn't come to rest")
}

func (m *mirror) converged() error {
	for key, s := range m.state.Services {
		if s.Converged != s.Generation {
			return fmt.Errorf("%s of the mirrored fleet has not converged", key)
		}
	}
	return nil
}

func (m *mirror) ids() []string {
	ids := make([]string, 0, len(m.hosts))
	for id := range m.hosts {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (m *mirror) beat(id string) turn.PresenceIn {
	h := m.hosts[id]
	p := fleet.Presence{State: fleet.PresenceOnline, AgentStart: h.actual.AgentStart, Session: h.actual.Session, Observed: h.actual.Observed}
	for key, pool := range h.pools {
		if p.Pools == nil {
			p.Pools = map[fleet.ServiceKey]uint64{}
		}
		p.Pools[key] = pool.Generation
	}
	return turn.PresenceIn{Host: id, Presence: p}
}

func (m *mirror) report(id string) turn.ActualIn {
	h := m.hosts[id]
	h.sequence++
	a := h.actual
	a.Instances = slices.Clone(a.Instances)
	if h.pools != nil {
		balancer := fleet.BalancerActual{Name: mirrorBalancer, Driver: "haproxy", Up: true}
		for _, pool := range h.pools {
			balancer.Pools = append(balancer.Pools, *pool)
		}
		slices.SortFunc(balancer.Pools, func(a, b fleet.PoolActual) int { return strings.Compare(a.Service.String(), b.Service.String()) })
		a.Balancers = []fleet.BalancerActual{balancer}
	}
	return turn.ActualIn{Host: id, Sequence: h.sequence, Actual: a}
}

// unready is a report that one of the host's instances isn't ready any more.
func (m *mirror) unready(id string) turn.ActualIn {
	in := m.report(id)
	in.Actual.Instances[0].Ready = false
	return in
}

// take makes the host as it is wanted.
func (h *mirrored) take(leaf, rest string, payload []byte) {
	switch leaf {
	case wire.LeafDesired:
		var desired fleet.Desired
		env, err := wire.Open(payload, &desired)
		if err != nil {
			return
		}
		h.changed = true
		h.actual.Observed = fleet.Observed{Lineage: env.Lineage, Epoch: env.Epoch, Generation: env.Generation, Sum: env.Sum}
		h.actual.Instances = nil
		for i, a := range desired.Instances {
			h.actual.Instances = append(h.actual.Instances, fleet.InstanceActual{
				ID: a.ID, Service: a.Service, Version: a.Version, Slot: a.Slot, Incarnation: 1, Image: "sha256:0123", Phase: fleet.PhaseRunning, Ready: true,
				Address: h.actual.Facts.Advertise, Ports: map[int]int{8080: h.actual.Facts.PortRangeFirst + i},
			})
		}
	case wire.LeafPools:
		var pool fleet.Pool
		key, err := fleet.ParseServiceKey(rest)
		if err != nil {
			return
		}
		if _, err := wire.Open(payload, &pool); err != nil {
			return
		}
		h.changed = true
		actual := &fleet.PoolActual{Service: key, Generation: pool.Generation}
		for _, e := range pool.Endpoints {
			actual.Endpoints = append(actual.Endpoints, fleet.EndpointActual{Instance: e.Instance, State: e.State, Check: fleet.CheckPassing})
		}
		h.pools[key] = actual
	}
}
