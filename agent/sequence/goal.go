package sequence

import (
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// goal is what this turn works towards for one service.
type goal struct {
	pool fleet.Pool
	// accepted is false when the pool wanted is kept back and pool is what
	// stands in for it.
	accepted bool
	problem  string
}

// goals merges what is wanted with what the file holds, by service. A pool
// that nobody mentions any more stays as it is: leaving something out never
// removes it.
func goals(want []fleet.Pool, memory Memory, now time.Time) []goal {
	wanted := map[fleet.ServiceKey]bool{}
	var all []goal
	for _, pool := range want {
		wanted[pool.Service] = true
		all = append(all, goalOf(pool, memory, now))
	}
	for _, pool := range memory.Filed {
		if wanted[pool.Service] || pool.Removed && want != nil {
			continue
		}
		all = append(all, goal{pool: pool, accepted: true})
	}
	slices.SortFunc(all, func(a, b goal) int {
		if a.pool.Service.Less(b.pool.Service) {
			return -1
		}
		return 1
	})
	return all
}

func goalOf(pool fleet.Pool, memory Memory, now time.Time) goal {
	rejection, rejected := memory.Rejected[pool.Service]
	if !rejected || rejection.Generation != pool.Generation || pool.Removed {
		return goal{pool: pool, accepted: true}
	}
	if !now.Before(rejection.Retry) {
		return goal{pool: pool, accepted: true, problem: rejection.Problem}
	}
	return goal{pool: standIn(pool, memory), problem: rejection.Problem}
}

// standIn is the last good section of a pool that was refused, with the
// endpoints that are wanted now as far as that section can have them: a
// removal counts all the same.
func standIn(pool fleet.Pool, memory Memory) fleet.Pool {
	filed, found := find(memory.Filed, pool.Service)
	if !found || filed.Removed {
		return fleet.Pool{Service: pool.Service, Generation: filed.Generation, Removed: true}
	}
	stand := filed
	stand.Endpoints = nil
	for _, endpoint := range pool.Endpoints {
		try := stand
		try.Endpoints = []fleet.Endpoint{endpoint}
		if lbconf.ValidatePool(try) == nil {
			stand.Endpoints = append(stand.Endpoints, endpoint)
		}
	}
	return stand
}
