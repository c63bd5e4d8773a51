package fleetloop

import (
	"testing"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// counting says what a host counted.
func counting(t *testing.T, l *Loop, host string, requests uint64) {
	t.Helper()
	l.Message(host, wire.LeafMetrics, "", []byte(seal(t, requests, fleet.Metrics{Host: host, AgentStart: "a", Pools: []fleet.PoolMetrics{
		{Service: key, Balancer: "haproxy", Endpoints: []fleet.EndpointCounts{{Instance: "2-1", Requests: requests}}},
	}})))
}

func TestAFloodOfCountsTakesOnePlaceOfEachHost(t *testing.T) {
	l := queued(3)
	for n := range uint64(1000) {
		counting(t, l, "web1", n)
		counting(t, l, "web2", n)
	}
	if l.Enqueue(turn.Tick{}); l.Dropped() != 0 || l.Waiting() != 3 {
		t.Fatalf("%d are in the queue, %d were dropped", l.Waiting(), l.Dropped())
	}
	for _, host := range []string{"web1", "web2"} {
		it := <-l.queue
		if last := l.counts.take(it.counted).Metrics; it.counted != host || last.Host != host || last.Pools[0].Endpoints[0].Requests != 999 {
			t.Errorf("%s: %+v", it.counted, last)
		}
	}
	if counting(t, l, "web1", 1000); l.Waiting() != 2 {
		t.Error("what came after a turn isn't in the queue")
	}
}

func TestCountsThatFoundNoRoomDontKeepLaterOnesOut(t *testing.T) {
	l := queued(1)
	l.Enqueue(turn.Tick{})
	counting(t, l, "web1", 1)
	if l.Dropped() != 1 || len(l.counts.waiting) != 0 {
		t.Fatalf("%d were dropped, %v wait", l.Dropped(), l.counts.waiting)
	}
	<-l.queue
	if counting(t, l, "web1", 2); l.Waiting() != 1 {
		t.Error("it waits for the one that was dropped")
	}
}
