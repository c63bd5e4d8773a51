package haproxy

import (
	"maps"
	"slices"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
)

// ledger adds up what HAProxy's workers count. Each begins at 0, and goes on
// when a reload has replaced it until its last connection ends; what it counts
// after the last look at it is lost.
type ledger struct {
	accounts map[account]*sums
	meters   map[place]meter
	told     balancer.Told
}

// account is what is added up for: an endpoint.
type account struct {
	service  fleet.ServiceKey
	instance string
}

// place is where a meter is: one worker has one for each server.
type place struct {
	worker sequence.Worker
	server sequence.ServerKey
}

// sums are those of an endpoint, over all of its routes, since it was first seen:
// what was before began whenever HAProxy or the endpoint did.
type sums struct {
	begun     bool
	protocols map[string]counters
	average   int // in milliseconds
}

// follow says what is to be counted: the endpoints of measured pools.
func (l *ledger) follow(pools []fleet.Pool) {
	if len(l.accounts) == 0 && !slices.ContainsFunc(pools, balancer.Measured) {
		return
	}
	kept := map[account]*sums{}
	for _, pool := range pools {
		if !balancer.Measured(pool) {
			continue
		}
		for _, e := range pool.Endpoints {
			key := account{pool.Service, e.Instance}
			kept[key] = l.accounts[key]
			if kept[key] == nil {
				kept[key] = &sums{protocols: map[string]counters{}}
			}
		}
	}
	l.accounts = kept
}

// take adds what a worker has counted since it was last read. Only the current
// one knows how long requests take now.
func (l *ledger) take(worker sequence.Worker, rows []row, current bool) {
	if len(l.accounts) == 0 {
		return
	}
	took := map[*sums]average{}
	for _, r := range rows {
		key, ok := serverOf(r.text("pxname"), r.text("svname"))
		if !ok {
			continue
		}
		s := l.accounts[account{key.Service, key.Instance}]
		if s == nil {
			continue
		}
		now, at, protocol := readCounters(r), place{worker, key}, r.text("mode")
		next, grown := l.meters[at].read(now)
		if !s.begun {
			next, grown = since(now), counters{}
		}
		if l.meters == nil {
			l.meters = map[place]meter{}
		}
		l.meters[at], s.protocols[protocol] = next, s.protocols[protocol].plus(grown)
		took[s] = took[s].with(r, now)
	}
	for s, took := range took {
		if current && took.requests > 0 {
			s.average = took.sum / took.requests
		}
	}
}

// seen ends a look at all of these workers. It drops what was read of others,
// and of servers that aren't counted any more.
func (l *ledger) seen(workers []sequence.Worker) {
	for _, s := range l.accounts {
		s.begun = s.begun || len(s.protocols) > 0
	}
	maps.DeleteFunc(l.meters, func(at place, _ meter) bool {
		return !slices.Contains(workers, at.worker) || l.accounts[account{at.server.Service, at.server.Instance}] == nil
	})
}

func (l *ledger) news(name string, pools []fleet.Pool, now time.Time) ([]fleet.PoolMetrics, bool) {
	return l.told.News(name, pools, now, l.endpoints)
}

// endpoints are the counts of those that HAProxy was seen to have.
func (l *ledger) endpoints(pool *fleet.Pool) []fleet.EndpointCounts {
	counts := []fleet.EndpointCounts{}
	for _, e := range pool.Endpoints {
		s := l.accounts[account{pool.Service, e.Instance}]
		if s == nil || len(s.protocols) == 0 {
			continue
		}
		out := fleet.EndpointCounts{Instance: e.Instance, Version: e.Version, AverageMS: s.average}
		for protocol, c := range s.protocols {
			out.Requests += c.requests(protocol)
			out.Failed += c.failed(protocol)
			out.Retried += c.retried
		}
		counts = append(counts, out)
	}
	return counts
}
