package brain

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// acceptedPool is one service's pool that was accepted.
type acceptedPool struct {
	raw      []byte // as it came
	observed fleet.Observed
	pool     fleet.Pool
}

func readPool(service fleet.ServiceKey, payload []byte) (acceptedPool, string) {
	p := acceptedPool{raw: slices.Clone(payload)}
	env, err := wire.Open(payload, &p.pool)
	if err != nil {
		return p, err.Error()
	}
	if p.pool.Service != service {
		return p, fmt.Sprintf("its topic is of %s, its content of %s", service, p.pool.Service)
	}
	if p.pool.Generation != env.Generation {
		return p, fmt.Sprintf("its content is of generation %d, its envelope of %d", p.pool.Generation, env.Generation)
	}
	p.observed = fleet.Observed{Lineage: env.Lineage, Epoch: env.Epoch, Generation: env.Generation, Sum: env.Sum}
	return p, ""
}

func (s *State) takePool(service fleet.ServiceKey, payload []byte, now time.Time) {
	if len(payload) == 0 || s.left() {
		return // unknown: keep balancing
	}
	what := "pool of " + service.String()
	next, problem := readPool(service, payload)
	if problem != "" {
		s.refuse(what, problem, now)
		return
	}
	if s.dropped(service, next.observed) {
		return
	}
	env := wire.Envelope{Lineage: next.observed.Lineage, Epoch: next.observed.Epoch, Generation: next.observed.Generation, Sum: next.observed.Sum}
	v, problem := s.judge(env, s.newestPool(service).observed)
	switch v {
	case verdictRefused:
		s.refuse(what, problem, now)
	case verdictAccept:
		s.cache.Lineage, s.cache.Pools[service.String()] = env.Lineage, next.raw
		if s.incoming.pools == nil {
			s.incoming.pools = map[fleet.ServiceKey]acceptedPool{}
		}
		s.incoming.pools[service] = next
		s.saveNow(now)
	}
}

// dropped: a pool was removed, and forgotten with that, by a desired state that is
// newer than the message. What comes too late doesn't bring it back.
func (s *State) dropped(service fleet.ServiceKey, o fleet.Observed) bool {
	d := s.newestDesired()
	if d == nil || s.newestPool(service).raw != nil || o.Lineage != d.envelope.Lineage {
		return false
	}
	older := o.Epoch < d.envelope.Epoch || o.Epoch == d.envelope.Epoch && o.Generation <= d.envelope.Generation
	return older && !slices.ContainsFunc(d.desired.Pools, func(ref fleet.PoolRef) bool { return ref.Service == service })
}

// forgetPools drops removed pools that the index no longer has. A pool that
// the index merely lacks stays.
func (s *State) forgetPools(now time.Time) {
	indexed := map[fleet.ServiceKey]bool{}
	for _, ref := range s.accepted.desired.Pools {
		indexed[ref.Service] = true
	}
	for service, p := range s.pools {
		if p.pool.Removed && !indexed[service] {
			delete(s.pools, service)
			delete(s.cache.Pools, service.String())
			s.dirty(now)
		}
	}
}

// wantedPools returns the whole set for the balancers. It is unknown (false)
// until every pool of the index has come once: a set that lacks some would
// read as if those services were gone.
func (s *State) wantedPools(now time.Time) ([]fleet.Pool, bool) {
	if s.accepted == nil {
		return nil, false
	}
	if !s.cache.PoolsComplete {
		for _, ref := range s.accepted.desired.Pools {
			if _, ok := s.pools[ref.Service]; !ok && now.Before(s.born.Add(s.config.Timing.FirstPools)) {
				return nil, false
			}
		}
		s.cache.PoolsComplete = true
		s.dirty(now)
	}
	wanted := make([]fleet.Pool, 0, len(s.pools))
	for _, key := range s.poolKeys() {
		wanted = append(wanted, s.pools[key].pool)
	}
	return wanted, true
}

func (s *State) poolKeys() []fleet.ServiceKey {
	return slices.SortedFunc(maps.Keys(s.pools), compareServices)
}

func compareServices(a, b fleet.ServiceKey) int {
	switch {
	case a.Less(b):
		return -1
	case b.Less(a):
		return 1
	}
	return 0
}

// poolGenerations are those that count, by service.
func (s *State) poolGenerations() map[fleet.ServiceKey]uint64 {
	if len(s.pools) == 0 {
		return nil
	}
	generations := make(map[fleet.ServiceKey]uint64, len(s.pools))
	for key, p := range s.pools {
		generations[key] = p.observed.Generation
	}
	return generations
}
