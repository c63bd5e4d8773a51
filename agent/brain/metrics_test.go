package brain_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// counted is what a balancer counted of one endpoint.
func counted(balancer string, service fleet.ServiceKey, requests uint64) []fleet.PoolMetrics {
	return []fleet.PoolMetrics{{Service: service, Balancer: balancer, Endpoints: []fleet.EndpointCounts{{Instance: "a-1", Version: 1, Requests: requests}}}}
}

// told says in short what the hub heard of counts.
func (w *world) told() (all []string) {
	for _, m := range w.metrics {
		line := m.AgentStart
		for _, p := range m.Pools {
			line += fmt.Sprintf(" %s on %s: %d", p.Service, p.Balancer, p.Endpoints[0].Requests)
		}
		all = append(all, line)
	}
	w.metrics = nil
	return all
}

func (w *world) wantTold(want ...string) {
	w.t.Helper()
	if got := w.told(); fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("told %q, want %q", got, want)
	}
}

func TestCountsOfAllBalancersAreTold(t *testing.T) {
	w := settled(t)
	db := fleet.ServiceKey{Project: "shop", Name: "db"}
	w.step(brain.BalancerCounted{Balancer: "haproxy", Pools: append(counted("haproxy", db, 1), counted("haproxy", shopWeb, 2)...)})
	w.step(brain.BalancerCounted{Balancer: "edge", Pools: counted("edge", shopWeb, 3)})
	w.step(brain.BalancerCounted{Balancer: "haproxy"})
	w.step(brain.BalancerCounted{Balancer: "edge"})
	w.wantTold(
		"start1 shop/db on haproxy: 1 shop/web on haproxy: 2",
		"start1 shop/db on haproxy: 1 shop/web on edge: 3 shop/web on haproxy: 2",
		"start1 shop/web on edge: 3",
	)
}

func TestCountsAreToldOnceAndToWhoeverListens(t *testing.T) {
	w := settled(t)
	w.pass(10 * time.Second)
	w.wantTold()
	w.step(brain.Disconnected{})
	w.step(brain.BalancerCounted{Balancer: "haproxy", Pools: counted("haproxy", shopWeb, 1)})
	w.step(brain.BalancerCounted{Balancer: "haproxy", Pools: counted("haproxy", shopWeb, 2)})
	w.wantTold()
	w.connected()
	w.pass(10 * time.Second)
	w.wantTold("start1 shop/web on haproxy: 2")
	w.connected()
	w.wantTold("start1 shop/web on haproxy: 2")
}

// Counts change many times a minute under load.
func TestCountsChangeNoReport(t *testing.T) {
	w := settled(t)
	w.ack(w.sequence, 0)
	w.pass(time.Second)
	before := w.actuals
	for i := range uint64(20) {
		w.now = w.now.Add(time.Second)
		w.step(brain.BalancerCounted{Balancer: "haproxy", Pools: counted("haproxy", shopWeb, i)})
	}
	w.pass(2 * time.Second)
	if w.actuals != before || len(w.told()) != 20 {
		t.Errorf("%d reports", w.actuals-before)
	}
}
