package brain

import (
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

// metering keeps what balancers count, until it is told. Whoever balances says
// so once a second at most, and only for pools that are to be measured.
type metering struct {
	counted map[string][]fleet.PoolMetrics // by balancer
	news    bool
}

// takeCounts changes nothing else: what is counted is no part of what is.
func (s *State) takeCounts(balancer string, pools []fleet.PoolMetrics) {
	m := &s.metering
	m.news = true
	if len(pools) == 0 {
		delete(m.counted, balancer)
		return
	}
	if m.counted == nil {
		m.counted = map[string][]fleet.PoolMetrics{}
	}
	m.counted[balancer] = pools
}

// tellMetrics tells what is new while somebody listens. A session that begins
// has heard nothing.
func (s *State) tellMetrics(out *Outputs) {
	m := &s.metering
	if !m.news || s.session == "" {
		return
	}
	m.news = false
	if len(m.counted) == 0 {
		return
	}
	told := fleet.Metrics{Host: s.config.Host, AgentStart: s.config.AgentStart}
	for _, balancer := range sortedKeys(m.counted) {
		told.Pools = append(told.Pools, m.counted[balancer]...)
	}
	slices.SortStableFunc(told.Pools, func(a, b fleet.PoolMetrics) int { return compareServices(a.Service, b.Service) })
	out.Metrics = &told
}
