package brain

import (
	"maps"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// openCached takes up what was accepted before the agent's last end.
func (s *State) openCached(now time.Time) {
	if len(s.cache.Desired) > 0 {
		if next, problem := readDesired(s.config.Host, s.cache.Desired); problem == "" {
			s.use(next)
		} else {
			s.cache.Desired = nil
			s.refuse("desired state on disk", problem, now)
		}
	}
	for _, name := range sortedKeys(s.cache.Pools) {
		key, err := fleet.ParseServiceKey(name)
		if err != nil {
			delete(s.cache.Pools, name)
			continue
		}
		pool, problem := readPool(key, s.cache.Pools[name])
		if problem != "" {
			delete(s.cache.Pools, name)
			s.refuse("pool "+name+" on disk", problem, now)
			continue
		}
		s.pools[key] = pool
	}
	s.report.observed = s.accepted.observed()
}

// adopt makes the agent follow another hub. What the former one asked for is
// forgotten; its containers and pools stay as they are until the new one says.
func (s *State) adopt(lineage string) {
	s.cache.Lineage = lineage
	s.cache.Desired = nil
}

// keepRollback remembers what counts now, once for each save.
func (s *State) keepRollback() {
	if s.rollback != nil {
		return
	}
	s.rollback = &rollback{
		lineage:  s.cache.Lineage,
		raw:      s.cache.Desired,
		accepted: s.accepted,
		rawPools: maps.Clone(s.cache.Pools),
		pools:    maps.Clone(s.pools),
		complete: s.cache.PoolsComplete,
	}
}

// undoAcceptance goes back to what is on disk.
func (s *State) undoAcceptance(now time.Time) {
	r := s.rollback
	if r == nil {
		return
	}
	s.rollback = nil
	s.cache.Lineage, s.cache.Desired, s.cache.Pools = r.lineage, r.raw, r.rawPools
	s.cache.PoolsComplete = r.complete
	s.pools = r.pools
	s.use(r.accepted)
	s.dirty(now)
}
