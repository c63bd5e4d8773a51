package brain

import (
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
}

// locate takes the address that others reach this host at, if it is known.
func (s *State) locate(advertise, bind string, now time.Time) {
	if advertise == "" {
		return
	}
	s.advertise, s.bind, s.located = advertise, bind, true
	if s.cache.Advertise != advertise {
		s.cache.Advertise = advertise
		s.dirty(now)
	}
}

// adopt makes the agent follow another hub. What the former one asked for is
// forgotten; its containers and pools stay as they are until the new one says.
func (s *State) adopt(lineage string) {
	s.cache.Lineage = lineage
	s.cache.Desired, s.cache.LeaveConfirmed = nil, false
}
