package hub

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterhq/muster/hub/internal/broker"
	"github.com/musterhq/muster/hub/internal/fleetloop"
	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// metrics tell where the hub's time goes and how the fleet is. Labels are
// words of a fixed list: no service, host or instance ever is one, of which a
// fleet has thousands. What is read at a scrape is a counter or a length;
// nothing counts the fleet.
type metrics struct {
	turns, plan, commit, publish, read, batch prometheus.Histogram
	failed, published, reads                  prometheus.Counter
	inputs, events                            *prometheus.CounterVec
	acknowledged                              *prometheus.HistogramVec
	converged                                 prometheus.Histogram
	behind, hosts, services, instances        *prometheus.GaugeVec
	desired, ready                            prometheus.Gauge

	types map[string]string // label of a type of event
}

// Buckets, in seconds: of a turn; of answers over the network; of what people
// wait for.
var (
	turnBuckets   = []float64{.0001, .0005, .002, .01, .05, .2, 1, 5}
	answerBuckets = []float64{.001, .005, .02, .05, .1, .2, .5, 1, 2, 5, 10, 60}
	orderBuckets  = []float64{.1, .25, .5, 1, 2, 5, 10, 30, 60, 300, 1800}
)

func newMetrics(registry *prometheus.Registry) *metrics {
	m := &metrics{
		turns:     histogram("muster_turn_seconds", "Length of the hub's turns.", turnBuckets),
		plan:      histogram("muster_turn_plan_seconds", "The brain's part of a turn.", turnBuckets),
		commit:    histogram("muster_commit_seconds", "Time to commit a turn that changed something.", turnBuckets),
		publish:   histogram("muster_turn_publish_seconds", "Time to hand a turn's messages to the broker.", turnBuckets),
		read:      histogram("muster_turn_read_seconds", "Time that readers of the API took of a turn.", turnBuckets),
		batch:     histogram("muster_turn_batch_inputs", "Inputs taken in by one turn.", []float64{1, 2, 5, 10, 30, 100, 300, 1000}),
		failed:    counter("muster_commit_failures_total", "Turns that were undone because the store failed."),
		published: counter("muster_turn_messages_total", "Messages that turns handed to the broker."),
		reads:     counter("muster_turn_reads_total", "Readers of the API that turns served."),
		inputs:    counters("muster_turn_inputs_total", "Inputs taken in, by kind.", "kind", fleetloop.Kinds...),
		events:    counters("muster_events_total", "Events committed, by type without its beginning.", "type"),
		acknowledged: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "muster_acknowledgement_seconds", Help: "From a message's publication until its host says that it has taken it in, by message.", Buckets: answerBuckets,
		}, []string{"message"}),
		converged: histogram("muster_convergence_seconds", "From the commit of an order until its service is as ordered.", orderBuckets),
		behind:    gauges("muster_unacknowledged_hosts", "Hosts that lack a message published while they were up, by message.", "message"),
		hosts:     gauges("muster_hosts", "Hosts that joined, by liveness.", "state", fleet.HostUp, fleet.HostUnknown, fleet.HostLost, fleet.HostStopped),
		services: gauges("muster_services", "Services by state.", "state",
			fleet.ServiceConverged, fleet.ServiceCompleted, fleet.ServiceProgressing, fleet.ServiceHeld, fleet.ServiceFrozen, fleet.ServiceStopped, fleet.ServiceRemoving),
		instances: gauges("muster_instances", "Instances by goal.", "goal", fleet.GoalRun, fleet.GoalDrain, fleet.GoalStop),
		desired:   gauge("muster_instances_desired", "Instances asked for."),
		ready:     gauge("muster_instances_ready", "Instances asked for that are ready."),
		types:     map[string]string{},
	}
	for _, kind := range fleet.EventTypes {
		label := strings.TrimPrefix(kind, "muster.")
		m.types[kind] = label
		m.events.WithLabelValues(label)
	}
	for _, what := range []string{fleetloop.WaitDesired, fleetloop.WaitPool, fleetloop.WaitBalancer} {
		m.acknowledged.WithLabelValues(what)
		m.behind.WithLabelValues(what)
	}
	registry.MustRegister(m.turns, m.plan, m.commit, m.publish, m.read, m.batch, m.failed, m.published, m.reads, m.inputs, m.events,
		m.acknowledged, m.converged, m.behind, m.hosts, m.services, m.instances, m.desired, m.ready)
	return m
}

// observe takes a turn in. The loop waits for it.
func (m *metrics) observe(t fleetloop.Turn) {
	m.turns.Observe(t.Duration.Seconds())
	inputs := 0
	for kind, n := range t.Inputs {
		inputs += n
		m.inputs.WithLabelValues(kind).Add(float64(n))
	}
	if inputs > 0 {
		m.batch.Observe(float64(inputs))
		m.plan.Observe(t.Plan.Seconds())
	}
	if t.Reads > 0 {
		m.reads.Add(float64(t.Reads))
		m.read.Observe(t.Read.Seconds())
	}
	if t.Published > 0 {
		m.published.Add(float64(t.Published))
		m.publish.Observe(t.Publish.Seconds())
	}
	if t.Stored {
		m.commit.Observe(t.Commit.Seconds())
	}
	if t.Failed {
		m.failed.Inc()
	}
	for i := range t.Events {
		m.events.WithLabelValues(m.typeOf(t.Events[i].Type)).Inc()
	}
	for _, wait := range t.Ended {
		if wait.For == fleetloop.WaitConverged {
			m.converged.Observe(wait.Took.Seconds())
		} else {
			m.acknowledged.WithLabelValues(wait.For).Observe(wait.Took.Seconds())
		}
	}
	set(m.behind, t.Behind)
	m.count(t.Tally)
}

// typeOf is the label of a type of event. Agents may name types that this hub
// doesn't know: they share one.
func (m *metrics) typeOf(kind string) string {
	if label, known := m.types[kind]; known {
		return label
	}
	return "other"
}

func (m *metrics) count(tally *turn.Tally) {
	set(m.hosts, tally.Hosts)
	set(m.services, tally.Services)
	set(m.instances, tally.Instances)
	m.desired.Set(float64(tally.Desired))
	m.ready.Set(float64(tally.Ready))
}

func set(vec *prometheus.GaugeVec, counts map[string]int) {
	for word, n := range counts {
		vec.WithLabelValues(word).Set(float64(n))
	}
}

// watch registers what is read at each scrape.
func (p *parts) watch(registry *prometheus.Registry) {
	stats := func(of func(broker.Stats) float64) func() float64 {
		return func() float64 { return of(p.broker.Stats()) }
	}
	clients := func(role string, of func(broker.Stats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "muster_broker_clients", Help: "Clients connected to the broker, by role.", ConstLabels: prometheus.Labels{"role": role},
		}, stats(of))
	}
	registry.MustRegister(
		gaugeOf("muster_queue_depth", "Inputs waiting for a turn.", func() float64 { return float64(p.loop.Waiting()) }),
		counterOf("muster_queue_dropped_total", "Messages that found the queue full; agents repeat them.", func() float64 { return float64(p.loop.Dropped()) }),
		clients("agent", func(s broker.Stats) float64 { return float64(s.Agents) }),
		clients("reader", func(s broker.Stats) float64 { return float64(s.Readers) }),
		counterOf("muster_broker_received_messages_total", "Messages published to the broker.", stats(func(s broker.Stats) float64 { return float64(s.MessagesReceived) })),
		counterOf("muster_broker_sent_messages_total", "Messages sent to subscribers.", stats(func(s broker.Stats) float64 { return float64(s.MessagesSent) })),
		counterOf("muster_broker_received_bytes_total", "Bytes received by the broker.", stats(func(s broker.Stats) float64 { return float64(s.BytesReceived) })),
		counterOf("muster_broker_sent_bytes_total", "Bytes sent by the broker.", stats(func(s broker.Stats) float64 { return float64(s.BytesSent) })),
		counterOf("muster_broker_dropped_messages_total", "Messages that a subscriber was too slow for.", stats(func(s broker.Stats) float64 { return float64(s.Dropped) })),
		counterOf("muster_broker_refused_clients_total", "Clients that were turned away or cut off.", stats(func(s broker.Stats) float64 { return float64(s.Refused) })),
		gaugeOf("muster_broker_retained_messages", "Messages that the broker keeps for later subscribers.", stats(func(s broker.Stats) float64 { return float64(s.RetainedMessages) })),
		gaugeOf("muster_store_events", "Events in the store.", func() float64 { events, _ := p.stored.Size(); return float64(events) }),
		gaugeOf("muster_store_bytes", "Length of the store's file.", func() float64 { _, bytes := p.stored.Size(); return float64(bytes) }),
	)
}
