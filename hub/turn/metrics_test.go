package turn

import (
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

func TestTheLastCountsOfAHostAreKept(t *testing.T) {
	w := newWorld(t, "web1").withBalancer("web1").join()
	revision := w.s.Revision
	for requests := range uint64(3) {
		w.step(MetricsIn{Host: "web1", Metrics: fleet.Metrics{Host: "web1", AgentStart: "a", Pools: []fleet.PoolMetrics{{
			Service: fleet.ServiceKey{Project: "shop", Name: "web"}, Balancer: "haproxy",
			Endpoints: []fleet.EndpointCounts{{Instance: "2-1", Requests: requests}},
		}}}})
	}
	if m := w.s.live["web1"].Metrics; m == nil || m.Pools[0].Endpoints[0].Requests != 2 {
		t.Errorf("kept %+v", m)
	}
	if w.s.Revision != revision {
		t.Error("counts are stored: the store would grow with the traffic")
	}
	w.step(MetricsIn{Host: "web9", Metrics: fleet.Metrics{Host: "web9", AgentStart: "a"}})
	if w.s.live["web9"] != nil {
		t.Error("a host that was never heard is known by its counts")
	}
}
