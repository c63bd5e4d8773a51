package simtest

import (
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
)

// sabotage has the shell do what the brain would never ask for.
func (a *agent) sabotage(containers []brain.Container) {
	for _, c := range containers {
		instance := c.Labels[brain.LabelInstance]
		switch {
		case a.sim.options.Sabotage.TouchForeign && c.Labels[brain.LabelLineage] != lineage:
			a.host.engine.do(brain.Op{Kind: brain.OpStop, Instance: instance, Container: c.ID, Cause: "sabotage"}, func(brain.Result) {})
		case a.sim.options.Sabotage.StopUnasked && c.State == brain.ContainerRunning && c.Labels[brain.LabelLineage] == lineage:
			a.host.engine.do(brain.Op{Kind: brain.OpStop, Instance: instance, Container: c.ID, Cause: "sabotage"}, func(brain.Result) {})
		}
	}
}

// sabotageRestart stops what runs, as if an agent's start meant a new
// beginning.
func (e *engine) sabotageRestart() {
	for _, c := range e.sorted() {
		if c.instance != "" && c.State == brain.ContainerRunning {
			e.do(brain.Op{Kind: brain.OpStop, Instance: c.instance, Container: c.ID, Grace: time.Second, Cause: "sabotage"}, func(brain.Result) {})
		}
	}
}

// deaf overhears that a server is to lose its traffic.
func (d *driver) deaf(action sequence.Action) bool {
	if !d.agent.sim.options.Sabotage.DeafToDrains || action.Kind != sequence.SetState || action.State == sequence.StateReady {
		return false
	}
	server := d.haproxy.current.find(action.Server)
	return server != nil && server.takes()
}

// lie says that whatever leaves has left.
func (d *driver) lie(pools []fleet.PoolActual) []fleet.PoolActual {
	wanted := map[string]fleet.Endpoint{}
	generations := map[fleet.ServiceKey]uint64{}
	for _, pool := range d.pools {
		generations[pool.Service] = pool.Generation
		for _, e := range pool.Endpoints {
			wanted[e.Instance] = e
		}
	}
	for i := range pools {
		pools[i].Generation = generations[pools[i].Service]
		for j := range pools[i].Endpoints {
			e := &pools[i].Endpoints[j]
			if wanted[e.Instance].State != fleet.EndpointReady {
				e.State, e.Drained = fleet.EndpointDraining, true
			}
		}
	}
	return pools
}
