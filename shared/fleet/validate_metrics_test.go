package fleet

import (
	"math"
	"strings"
	"testing"
)

func TestMetricsValidate(t *testing.T) {
	good := func() *Metrics {
		return &Metrics{Host: "web1", AgentStart: "start", Pools: []PoolMetrics{
			{Service: web, Balancer: "edge", Endpoints: []EndpointCounts{{Instance: "1c-1"}}},
			{Service: web, Balancer: "haproxy", Endpoints: []EndpointCounts{
				{Instance: "1c-1", Version: 3, Requests: math.MaxUint64, Failed: 5, Retried: math.MaxUint64, AverageMS: 12},
				{Instance: "1c-2", Failed: 5},
			}},
		}}
	}
	for _, m := range []*Metrics{good(), {Host: "web1", AgentStart: "start"}} {
		if err := m.Validate(); err != nil {
			t.Errorf("a right one: %v", err)
		}
	}
	for _, test := range []struct {
		path  string
		spoil func(*Metrics)
	}{
		{"host", func(m *Metrics) { m.Host = "web1/x" }},
		{"agentStart", func(m *Metrics) { m.AgentStart = "" }},
		{"agentStart", func(m *Metrics) { m.AgentStart = strings.Repeat("s", maxName+1) }},
		{"pools", func(m *Metrics) { m.Pools[0].Balancer = "haproxy" }},
		{"pools", func(m *Metrics) { m.Pools = make([]PoolMetrics, maxBalancers*maxPools+1) }},
		{"pools[0].service", func(m *Metrics) { m.Pools[0].Service = ServiceKey{} }},
		{"pools[1].balancer", func(m *Metrics) { m.Pools[1].Balancer = "" }},
		{"pools[1].endpoints", func(m *Metrics) { m.Pools[1].Endpoints[1].Instance = "1c-1" }},
		{"pools[1].endpoints", func(m *Metrics) { m.Pools[1].Endpoints = make([]EndpointCounts, maxEndpoints+1) }},
		{"pools[1].endpoints[1].instance", func(m *Metrics) { m.Pools[1].Endpoints[1].Instance = "1c/2" }},
		{"pools[1].endpoints[0].version", func(m *Metrics) { m.Pools[1].Endpoints[0].Version = -1 }},
		{"pools[1].endpoints[0].averageMS", func(m *Metrics) { m.Pools[1].Endpoints[0].AverageMS = -1 }},
	} {
		m := good()
		test.spoil(m)
		wantPath(t, m.Validate(), test.path)
	}
}
