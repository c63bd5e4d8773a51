package agent

import (
	"sync/atomic"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/loop"
	"github.com/musterhq/muster/agent/internal/metrics"
	"github.com/musterhq/muster/shared/buildinfo"
	"github.com/musterhq/muster/shared/fleet"
)

// meters are what an agent with --debug-addr measures; they are a
// loop.Observer.
type meters struct {
	set       *metrics.Set
	turns     metrics.Histogram
	works     metrics.Histogram
	failed    metrics.Counter
	instances metrics.Gauge
	ready     metrics.Gauge
	sessions  metrics.Counter

	events    atomic.Int64 // that wait for the hub
	connected atomic.Bool
}

// Words of labels.
var (
	works = []string{
		brain.OpPull, brain.OpCreate, brain.OpStart, brain.OpStop, brain.OpRemove, brain.OpUnpause, brain.OpRestore,
		brain.OpImages, brain.OpRemoveImage,
		loop.WorkList, loop.WorkSave,
	}
	phases = []string{
		fleet.PhasePending, fleet.PhasePulling, fleet.PhaseStarting, fleet.PhaseRunning, fleet.PhaseBackoff,
		fleet.PhaseExited, fleet.PhaseStopping, fleet.PhaseStopped,
	}
)

func newMeters() *meters {
	set := &metrics.Set{}
	m := &meters{
		set:       set,
		turns:     set.Histogram("muster_agent_turn_seconds", "Length of the agent's turns.", []float64{.0001, .0005, .002, .01, .05, .2, 1}, ""),
		works:     set.Histogram("muster_agent_work_seconds", "Length of operations on the engine, listings and writes, by kind.", []float64{.005, .02, .1, .25, .5, 1, 2, 5, 10, 60, 300}, "kind", works...),
		failed:    set.Counter("muster_agent_work_failures_total", "Those that failed.", "kind", works...),
		instances: set.Gauge("muster_agent_instances", "Instances on this host as last reported, by phase.", "phase", phases...),
		ready:     set.Gauge("muster_agent_instances_ready", "Those that are ready.", ""),
		sessions:  set.Counter("muster_agent_hub_connections_total", "Connections to the hub that were made.", ""),
	}
	set.Gauge("muster_agent_build_info", "1, with the agent's version.", "version").Set(map[string]float64{buildinfo.String(): 1})
	set.Read("muster_agent_hub_connected", "1 while the agent is connected to the hub.", func() float64 {
		if m.connected.Load() {
			return 1
		}
		return 0
	})
	set.Read("muster_agent_events_waiting", "Events that the hub hasn't taken yet.", func() float64 { return float64(m.events.Load()) })
	set.Process(time.Now())
	return m
}

// watch registers what is read of the loop at each scrape.
func (m *meters) watch(l *loop.Loop) {
	m.set.Read("muster_agent_queue_depth", "Inputs waiting for a turn.", func() float64 { return float64(l.Waiting()) })
}

func (m *meters) Turned(took time.Duration, events int) {
	m.turns.Observe("", took.Seconds())
	m.events.Store(int64(events))
}

func (m *meters) Worked(kind string, took time.Duration, failed bool) {
	m.works.Observe(kind, took.Seconds())
	if failed {
		m.failed.Add(kind, 1)
	}
}

func (m *meters) Reported(actual *fleet.Actual) {
	counts, ready := map[string]float64{}, 0.0
	for i := range actual.Instances {
		counts[actual.Instances[i].Phase]++
		if actual.Instances[i].Ready {
			ready++
		}
	}
	m.instances.Set(counts)
	m.ready.Set(map[string]float64{"": ready})
}

// link tells of the connection to the hub: nil counts nothing.
func (m *meters) link(connected bool) {
	if m == nil {
		return
	}
	m.connected.Store(connected)
	if connected {
		m.sessions.Add("", 1)
	}
}
