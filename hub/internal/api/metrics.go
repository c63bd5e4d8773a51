package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what the API tells of itself.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	inFlight prometheus.Gauge
	watchers prometheus.Gauge
	followed prometheus.Gauge
}

func newMetrics(registry *prometheus.Registry, version string) *metrics {
	m := &metrics{
		registry: registry,
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "muster_http_request_seconds",
			Help:    "Time to answer HTTP requests.",
			Buckets: []float64{.001, .005, .02, .1, .5, 2, 10, 60},
		}, []string{"method", "route", "status"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "muster_http_requests_in_flight", Help: "HTTP requests being answered.",
		}),
		followed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "muster_http_followed_instances", Help: "Instances whose output is followed.",
		}),
		watchers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "muster_http_watchers", Help: "Open streams of changes.",
		}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "muster_build_info", Help: "1, with the hub's version.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	registry.MustRegister(m.requests, m.inFlight, m.watchers, m.followed, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Metrics answers what /metrics does, for a server of its own.
func (a *API) Metrics() http.Handler { return a.metrics.handler() }

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// begin counts a request; the function that it returns notes its end.
func (m *metrics) begin() func(method, pattern string, status int, took time.Duration) {
	m.inFlight.Inc()
	return func(method, pattern string, status int, took time.Duration) {
		m.inFlight.Dec()
		route := "none" // what callers make up must not become labels
		if pattern != "" {
			_, route, _ = strings.Cut(pattern, " ")
		} else {
			method = "any"
		}
		m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
	}
}
