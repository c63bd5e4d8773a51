package sequence

import (
	"maps"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Memory is what a turn knows from those before it. The zero value is that of
// a driver that has just started; a lost memory only makes waits begin anew.
type Memory struct {
	// Filed is what the file holds, and Structure its structure. The driver
	// sets both when it has read or written the file.
	Filed     []fleet.Pool
	Structure string
	// Stale: the file could not be brought back to Filed after a failure.
	Stale bool
	// Rejected are pools whose section the balancer's checker refused.
	Rejected map[fleet.ServiceKey]Rejection
	// Unloaded is a file that no worker could be started from, though no pool
	// is to blame. The running worker goes on, and changes that it can take.
	Unloaded Rejection
	// Down are the servers that the file has as down, and Failed is the structure
	// of a file that couldn't be loaded: of a balancer without a runtime API only,
	// whose driver sets both.
	Down   []ServerKey
	Failed string

	acked map[fleet.ServiceKey]uint64
	// removals are the generations of refused pools of which what leaves has left.
	removals map[fleet.ServiceKey]uint64
	away     map[endpointKey]away
	entered  map[ServerKey]time.Time // when a server that had been in maint began to be checked
	due      time.Time               // since when a reload is; of a balancer without a runtime API, as the next one
	reloaded time.Time
	behind   time.Time // since when the file lacks something; zero: it doesn't
	// served are servers that were seen to take traffic: clients may have their cookies.
	served map[ServerKey]bool
}

// Rejection keeps a pool back until it changes, or a reload; from Retry on it
// is tried again, and the problem stays reported until that works.
type Rejection struct {
	Generation uint64
	Problem    string
	Retry      time.Time
	wait       time.Duration // before Retry
}

// What was rejected is tried again, unchanged, after the first of these times;
// then after twice as long each time, up to the other.
const (
	firstRetry = 5 * time.Second
	maxRetry   = time.Minute
)

// Again is the rejection after another try.
func (r Rejection) Again(problem string, now time.Time) Rejection {
	r.wait = min(max(2*r.wait, firstRetry), maxRetry)
	r.Problem, r.Retry = problem, now.Add(r.wait)
	return r
}

type endpointKey struct {
	service  fleet.ServiceKey
	instance string
}

// away is an endpoint that is to have no traffic and gets none in the
// current worker.
type away struct {
	since time.Time
	// safe are the workers in which it was seen without traffic while they
	// were current: what they were told, they keep to.
	safe []Worker
}

func (m Memory) clone() Memory {
	m.Rejected = maps.Clone(m.Rejected)
	m.acked, m.removals = maps.Clone(m.acked), maps.Clone(m.removals)
	m.away = maps.Clone(m.away)
	m.entered, m.served = maps.Clone(m.entered), maps.Clone(m.served)
	if m.acked == nil {
		m.acked = map[fleet.ServiceKey]uint64{}
	}
	if m.removals == nil {
		m.removals = map[fleet.ServiceKey]uint64{}
	}
	if m.away == nil {
		m.away = map[endpointKey]away{}
	}
	if m.entered == nil {
		m.entered = map[ServerKey]time.Time{}
	}
	if m.served == nil {
		m.served = map[ServerKey]bool{}
	}
	return m
}

// Reject returns the memory with a pool kept back.
func (m Memory) Reject(pool fleet.Pool, problem string, now time.Time) Memory {
	m = m.clone()
	if m.Rejected == nil {
		m.Rejected = map[fleet.ServiceKey]Rejection{}
	}
	rejection := m.Rejected[pool.Service]
	if rejection.Generation != pool.Generation {
		rejection = Rejection{Generation: pool.Generation}
	}
	m.Rejected[pool.Service] = rejection.Again(problem, now)
	return m
}

// Reconsider returns the memory with a pool that is kept back tried at the next turn.
func (m Memory) Reconsider(service fleet.ServiceKey) Memory {
	rejection, rejected := m.Rejected[service]
	if !rejected {
		return m
	}
	m = m.clone()
	rejection.Retry = time.Time{}
	m.Rejected[service] = rejection
	return m
}

// forget drops what nothing refers to any more.
func (t *turn) forget() {
	maps.DeleteFunc(t.memory.Rejected, func(key fleet.ServiceKey, rejection Rejection) bool {
		filed, _ := find(t.memory.Filed, key)
		wanted, found := find(t.want, key)
		return t.want != nil && (!found || wanted.Generation != rejection.Generation || filed.Generation == rejection.Generation)
	})
	maps.DeleteFunc(t.memory.entered, func(key ServerKey, _ time.Time) bool {
		return !slices.ContainsFunc(t.seen.Servers, func(s Server) bool { return s.ServerKey == key })
	})
}

func find(pools []fleet.Pool, key fleet.ServiceKey) (fleet.Pool, bool) {
	i := slices.IndexFunc(pools, func(p fleet.Pool) bool { return p.Service == key })
	if i < 0 {
		return fleet.Pool{}, false
	}
	return pools[i], true
}
