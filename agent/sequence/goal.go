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
	// wanted is the generation of the pool wanted.
	wanted  uint64
	problem string
	// outside are the instances that the pool names and that can't be in it.
	outside []string
}

// goals merges what is wanted with what the file holds, by service. A pool
// that nobody mentions any more stays as it is: leaving something out never
// removes it.
func goals(want []fleet.Pool, memory Memory, now time.Time) []goal {
	wanted := map[fleet.ServiceKey]bool{}
	var all []goal
	beside := beside(want, memory, now)
	for _, pool := range want {
		wanted[pool.Service] = true
		all = append(all, goalOf(pool, memory, now, beside[pool.Service]))
	}
	for _, pool := range memory.Filed {
		if wanted[pool.Service] || pool.Removed && want != nil {
			continue
		}
		all = append(all, goal{pool: pool, accepted: true})
	}
	slices.SortFunc(all, func(a, b goal) int { return ByService(a.pool, b.pool) })
	return all
}

// beside are pools that are kept back and share a port with one that is tried now:
// together they may do what neither can alone, as have TLS there.
func beside(want []fleet.Pool, memory Memory, now time.Time) map[fleet.ServiceKey]bool {
	if len(memory.Rejected) == 0 {
		return nil
	}
	kept := func(pool fleet.Pool) bool {
		rejection, rejected := memory.Rejected[pool.Service]
		return rejected && rejection.Generation == pool.Generation && now.Before(rejection.Retry)
	}
	var ports []int
	for _, pool := range want {
		if filed, _ := find(memory.Filed, pool.Service); !kept(pool) && !lbconf.SameSection(filed, pool) {
			for _, route := range slices.Concat(pool.Routes, filed.Routes) {
				ports = append(ports, route.Listen...)
			}
		}
	}
	out := map[fleet.ServiceKey]bool{}
	for _, pool := range want {
		out[pool.Service] = len(ports) > 0 && kept(pool) && listens(pool, ports)
	}
	return out
}

func goalOf(pool fleet.Pool, memory Memory, now time.Time, beside bool) goal {
	if pool.Removed {
		return goal{pool: pool, accepted: true}
	}
	rejection, rejected := memory.Rejected[pool.Service]
	if !rejected || rejection.Generation != pool.Generation {
		return place(pool, pool.Endpoints, true, "")
	}
	if beside || !now.Before(rejection.Retry) {
		return place(pool, pool.Endpoints, true, rejection.Problem)
	}
	g := place(lastGood(pool, memory), pool.Endpoints, false, rejection.Problem)
	g.wanted = pool.Generation
	return g
}

// lastGood is the section of a pool that was refused as the file has it. It
// gets the endpoints that are wanted now, as far as it can have them: a
// removal counts all the same.
func lastGood(pool fleet.Pool, memory Memory) fleet.Pool {
	filed, found := find(memory.Filed, pool.Service)
	if !found || filed.Removed {
		return fleet.Pool{Service: pool.Service, Generation: filed.Generation, Removed: true}
	}
	return filed
}

// place gives a section its endpoints. One that no route leads to, or that
// can't be had as it is, stays outside and doesn't hold up the others.
func place(section fleet.Pool, endpoints []fleet.Endpoint, accepted bool, problem string) goal {
	g := goal{pool: section, accepted: accepted, problem: problem}
	if section.Removed {
		return g
	}
	section.Endpoints = endpoints
	sound, wrong := lbconf.Sound(section)
	switch {
	case wrong != nil && problem == "":
		g.problem = "left out: " + wrong.Error()
	case wrong != nil:
		g.problem = problem + "; left out: " + wrong.Error()
	}
	g.pool.Endpoints = nil
	inside := map[string]bool{}
	for _, endpoint := range sound.Endpoints {
		if onAny(section, endpoint) {
			g.pool.Endpoints = append(g.pool.Endpoints, endpoint)
			inside[endpoint.Instance] = true
		}
	}
	for _, endpoint := range endpoints {
		if !inside[endpoint.Instance] {
			inside[endpoint.Instance] = true // named once
			g.outside = append(g.outside, endpoint.Instance)
		}
	}
	return g
}
