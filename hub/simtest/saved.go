package simtest

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// onDisk is what a host's agent would know if it started now.
func (k *checker) onDisk(h *host) (cache brain.Cache, desired fleet.Desired) {
	if len(h.disk) > 0 && json.Unmarshal(h.disk, &cache) == nil && len(cache.Desired) > 0 {
		_, _ = wire.Open(cache.Desired, &desired) // the agent wrote what it accepted
	}
	return cache, desired
}

// stopIsSaved: an agent stops what it would still stop after a restart.
func (k *checker) stopIsSaved(h *host, op *brain.Op) {
	_, desired := k.onDisk(h)
	if !slices.ContainsFunc(desired.Instances, func(a fleet.Assignment) bool { return a.ID == op.Instance && a.Goal == fleet.GoalStop }) {
		k.sim.violate("%s of %s on %s follows from an order that isn't on its disk", op.Kind, op.Instance, h.id)
	}
}

// portsAreSaved: an agent uses the ports that it would still know after one.
func (k *checker) portsAreSaved(h *host, op *brain.Op) {
	cache, _ := k.onDisk(h)
	if rec := cache.Instances[op.Instance]; len(op.Create.Ports) > 0 && (rec == nil || !maps.Equal(rec.Ports, op.Create.Ports)) {
		k.sim.violate("%s on %s uses the ports %v, which aren't on its disk", op.Instance, h.id, op.Create.Ports)
	}
}

// diskLost: a host's agent has forgotten everything.
func (k *checker) diskLost(host string) {
	delete(k.accepted, host)
	for id, in := range k.instances {
		if in.Host == host {
			delete(k.told, id)
		}
	}
	for _, r := range k.released {
		r.lostByAgent = r.lostByAgent || r.host == host
	}
	for _, end := range k.ended {
		end.lostByAgent = end.lostByAgent || end.host == host
	}
}

// stored is an instance as the hub's store has it; nil: it hasn't.
func (k *checker) stored(id string) *turn.Instance {
	value := k.sim.hub.store.rows["instances"][id]
	if value == nil {
		return nil
	}
	return read[turn.Instance](k, turn.Row{Table: "instances", Key: id, Value: value})
}

// stillWanted: the hub goes on with a store that wants an instance to run, and
// knows no end of it.
func (k *checker) stillWanted(id string) bool {
	in := k.stored(id)
	return in != nil && in.Goal != fleet.GoalStop
}

// heldFor: the hub's store knows that an instance has a port, or had it.
func (k *checker) heldFor(host, id string, port int) bool {
	if _, held := k.hosts[host].Held[port]; held {
		return true
	}
	in := k.stored(id)
	return in != nil && slices.Contains(slices.Collect(maps.Values(in.Ports)), port)
}

// memory is what the hub and a host's agent each know of something that is over.
// Once both have lost that, nobody can know of it any more.
type memory struct {
	host        string
	lostByHub   bool
	lostByAgent bool
}

func (m *memory) lost() bool { return m.lostByHub && m.lostByAgent }
