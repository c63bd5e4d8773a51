package simtest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// checker holds what happens against what must always hold. It knows only
// what the fakes did and what was committed, and asks neither brain.
type checker struct {
	sim       *Sim
	names     map[string]string                 // of instances, as people say them
	stops     map[string]bool                   // instances that the hub committed to stop
	instances map[string]turn.Instance          // as last committed
	services  map[fleet.ServiceKey]turn.Service // as last committed
	excused   map[string]map[string]bool        // instance -> balancers that left its barrier without draining
	ready     map[string]int                    // instances that an agent reported ready, with their version
	accepted  map[string]fleet.Observed         // by host
	released  map[string]time.Time              // host ports, when their container was removed
	homes     map[string]string                 // slots with data -> their host
	givenUp   map[string]bool                   // instances whose data a person gave up
	revision  uint64
}

func newChecker(s *Sim) *checker {
	return &checker{
		sim: s, names: map[string]string{}, stops: map[string]bool{}, instances: map[string]turn.Instance{}, services: map[fleet.ServiceKey]turn.Service{},
		excused: map[string]map[string]bool{}, ready: map[string]int{}, accepted: map[string]fleet.Observed{},
		released: map[string]time.Time{}, homes: map[string]string{}, givenUp: map[string]bool{},
	}
}

// committed looks at what the hub decided.
func (k *checker) committed(revision uint64, rows []turn.Row) {
	if revision <= k.revision {
		k.sim.violate("revision %d was committed after %d", revision, k.revision)
	}
	k.revision = revision
	for _, row := range rows {
		switch row.Table {
		case "instances":
			k.instance(row)
		case "services":
			var r struct{ Record turn.Service }
			if row.Value != nil && json.Unmarshal(row.Value, &r) == nil {
				k.services[r.Record.Asked.Key] = r.Record
			}
		}
	}
}

func (k *checker) instance(row turn.Row) {
	if row.Value == nil {
		delete(k.instances, row.Key)
		return
	}
	var r struct{ Record turn.Instance }
	if err := json.Unmarshal(row.Value, &r); err != nil {
		k.sim.violate("instance %s can't be read back: %v", row.Key, err)
		return
	}
	in := r.Record
	before := k.instances[in.ID]
	k.instances[in.ID] = in
	k.names[in.ID] = fmt.Sprintf("%s/%d", in.Service.Name, in.Slot)
	if in.Goal == fleet.GoalStop {
		k.stops[in.ID] = true
		if in.Cause == "" {
			k.sim.violate("the stop of %s has no cause", in.ID)
		}
	}
	if before.Goal == fleet.GoalStop && in.Goal != fleet.GoalStop {
		k.sim.violate("%s was to stop and is to %s again", in.ID, in.Goal)
	}
	for balancer, how := range in.Released {
		if before.Released[balancer] == "" {
			k.letGo(in.ID, balancer, how)
		}
	}
}

// letGo looks at a balancer that leaves a barrier.
func (k *checker) letGo(instance string, balancer fleet.BalancerKey, how string) {
	if how == "drained" {
		return // checked when the container is stopped
	}
	k.excuse(instance, balancer.Host)
	if how != "unreachable" {
		return
	}
	if alone := k.sim.hosts[balancer.Host].unreachable(); alone < aloneFor {
		k.sim.violate("%s was let go by %s as unreachable, which it has been for %s only", instance, balancer, alone)
	}
}

func (k *checker) excuse(instance, host string) {
	if k.excused[instance] == nil {
		k.excused[instance] = map[string]bool{}
	}
	k.excused[instance][host] = true
}

// gaveUpBalancer: a person said that a host's balancer is gone for good, so
// nothing that it had waits for it.
func (k *checker) gaveUpBalancer(host string) {
	for instance := range k.instances {
		k.excuse(instance, host)
	}
}

// answered looks at what a person is told.
func (k *checker) answered(r turn.Reply) {
	if r.Err == nil && r.Result.Changed && k.sim.hub.store.revision < r.Result.Revision {
		k.sim.violate("revision %d is acknowledged, but the disk has %d", r.Result.Revision, k.sim.hub.store.revision)
	}
}

// reported remembers who was said to be ready.
func (k *checker) reported(a *fleet.Actual) {
	for _, in := range a.Instances {
		if in.Ready {
			k.ready[in.ID] = in.Version
		}
	}
}

// observed looks at what a host accepted: never something older.
func (k *checker) observed(h *host, o fleet.Observed) {
	before := k.accepted[h.id]
	if o.Epoch < before.Epoch || o.Epoch == before.Epoch && o.Generation < before.Generation {
		k.sim.violate("%s went back from epoch %d generation %d to %d/%d", h.id, before.Epoch, before.Generation, o.Epoch, o.Generation)
	}
	k.accepted[h.id] = o
}

// touches looks at an operation before the engine begins it.
func (k *checker) touches(h *host, op *brain.Op, c *container) {
	if c == nil {
		return
	}
	if c.Labels[brain.LabelLineage] != lineage || c.Labels[brain.LabelHost] != h.id || c.Labels[brain.LabelInstance] != op.Instance {
		k.sim.violate("%s of %s on %s touches a container that isn't its own (%v)", op.Kind, c.ID, h.id, c.Labels)
		return
	}
	switch {
	case op.Kind == brain.OpStart && c.State == brain.ContainerRunning:
		k.sim.violate("%s on %s runs and is started again", op.Instance, h.id)
	case op.Kind == brain.OpRemove && !k.stops[op.Instance] && !c.StartedAt.IsZero() && c.State != brain.ContainerDead:
		k.sim.violate("the container of %s on %s is removed without an order", op.Instance, h.id)
	case op.Kind == brain.OpStop && !k.stops[op.Instance]:
		k.sim.violate("%s on %s is stopped without an order", op.Instance, h.id)
	case op.Kind == brain.OpStop:
		k.stopping(op.Instance)
	case op.Kind == brain.OpRemove:
		for _, port := range c.ports {
			k.released[fmt.Sprintf("%s:%d", h.address, port)] = k.sim.now
		}
	}
}

// stopping looks whether any balancer would still send to the instance, or
// has something open with it that it didn't wait for.
func (k *checker) stopping(instance string) {
	for _, s := range k.servers() {
		if s.Instance != instance || k.excused[instance][s.worker.haproxy.host.id] {
			continue
		}
		where := s.worker.haproxy.host.id
		if s.takes() {
			k.sim.violate("%s is stopped while the balancer on %s sends to it", instance, where)
		}
		if waited := k.sim.now.Sub(s.leftAt); s.open > 0 && waited < k.drainTimeout(s.Service) {
			k.sim.violate("%s is stopped while the balancer on %s has %d exchanges with it, after %s only", instance, where, s.open, waited)
		}
	}
}

func (k *checker) drainTimeout(service fleet.ServiceKey) time.Duration {
	if b := k.services[service].Asked.Balancing; b != nil {
		return b.DrainTimeout.Or(fleet.DefaultDrainTimeout)
	}
	return fleet.DefaultDrainTimeout
}

// servers are those of every worker anywhere.
func (k *checker) servers() (all []*server) {
	for _, id := range k.sim.names {
		h := k.sim.hosts[id].haproxy
		if h == nil || h.current == nil {
			continue
		}
		for _, w := range append(h.old[:len(h.old):len(h.old)], h.current) {
			all = append(all, w.servers...)
		}
	}
	return all
}

// created looks at the ports of a new container.
func (k *checker) created(h *host, c *container) {
	for _, port := range c.ports {
		if isFixed(c, port) {
			continue
		}
		address := fmt.Sprintf("%s:%d", h.address, port)
		if at, known := k.released[address]; known && k.sim.now.Sub(at) < portRest && !k.had(c.instance, address) {
			k.sim.violate("%s gets port %s, which was released %s ago", c.instance, address, k.sim.now.Sub(at))
		}
		for _, s := range k.servers() {
			if strings.HasSuffix(s.address, "@"+address) && s.Instance != c.instance && !k.excused[s.Instance][s.worker.haproxy.host.id] {
				k.sim.violate("%s gets port %s while the balancer on %s has it for %s", c.instance, address, s.worker.haproxy.host.id, s.Instance)
			}
		}
	}
}

// The times that were promised, whatever the brains are told.
const (
	aloneFor = 30 * time.Second // a balancer is out of everybody's reach before it counts as dead
	portRest = 10 * time.Minute // a released port is given to nobody
)

func isFixed(c *container, port int) bool {
	for _, p := range c.spec.Publish {
		if p.HostPort == port {
			return true
		}
	}
	return false
}

// had says whether the instance itself released the port: it may have it back.
func (k *checker) had(instance, address string) bool {
	in := k.instances[instance]
	for _, port := range in.Ports {
		if fmt.Sprintf("%s:%d", in.Address, port) == address {
			return true
		}
	}
	return false
}

// started looks for doubles, and for data that moved.
func (k *checker) started(h *host, c *container) {
	for _, other := range h.engine.sorted() {
		if other != c && other.instance == c.instance && other.State == brain.ContainerRunning {
			k.sim.violate("%s runs twice on %s", c.instance, h.id)
		}
	}
	if !c.spec.Pinned() || k.givenUp[c.instance] {
		return
	}
	slot := c.Labels[brain.LabelProject] + "/" + c.Labels[brain.LabelService] + "/" + c.Labels[brain.LabelSlot]
	if home := k.homes[slot]; home != "" && home != h.id {
		k.sim.violate("%s has its data on %s and was placed on %s", slot, home, h.id)
	}
	k.homes[slot] = h.id
}

// dataLost: a person gave up what a host has. While it is cut off it may go on
// with it.
func (k *checker) dataLost(host string) {
	for id, in := range k.instances {
		if in.Host == host {
			k.givenUp[id] = true
		}
	}
	for slot, home := range k.homes {
		if home == host {
			delete(k.homes, slot)
		}
	}
}

// granted looks at a server that gets traffic from now on.
func (k *checker) granted(s *server) {
	if version, known := k.ready[s.Instance]; !known || version == 0 {
		k.sim.violate("the balancer on %s sends to %s, which no agent called ready", s.worker.haproxy.host.id, s.Instance)
	}
}

// routed looks at one request.
func (k *checker) routed(s *server, c *container) {
	k.granted(s)
	if c != nil && c.instance != s.Instance {
		k.sim.violate("a request for %s reaches %s (%s)", s.Instance, c.ID, c.instance)
	}
}
