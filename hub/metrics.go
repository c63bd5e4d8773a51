package hub

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterhq/muster/hub/internal/fleetloop"
)

// turnMetrics tell where the hub's time goes.
type turnMetrics struct {
	turns  prometheus.Histogram
	commit prometheus.Histogram
	inputs prometheus.Counter
	failed prometheus.Counter
}

func newTurnMetrics(registry *prometheus.Registry, waiting, dropped func() float64) *turnMetrics {
	buckets := []float64{.0001, .0005, .002, .01, .05, .2, 1, 5}
	m := &turnMetrics{
		turns:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "muster_turn_seconds", Help: "Length of the hub's turns.", Buckets: buckets}),
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "muster_commit_seconds", Help: "Time to commit a turn that changed something.", Buckets: buckets}),
		inputs: prometheus.NewCounter(prometheus.CounterOpts{Name: "muster_turn_inputs_total", Help: "Commands, messages and ticks taken in."}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{Name: "muster_commit_failures_total", Help: "Turns that were undone because the store failed."}),
	}
	registry.MustRegister(m.turns, m.commit, m.inputs, m.failed,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "muster_queue_depth", Help: "Inputs waiting for a turn."}, waiting),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "muster_queue_dropped_total", Help: "Messages that found the queue full; agents repeat them."}, dropped))
	return m
}

func (m *turnMetrics) observe(t fleetloop.Turn) {
	m.turns.Observe(t.Duration.Seconds())
	m.inputs.Add(float64(t.Inputs))
	if t.Stored {
		m.commit.Observe(t.Commit.Seconds())
	}
	if t.Failed {
		m.failed.Inc()
	}
}
