package sequence

import (
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// Times of the sequence.
const (
	// MinDrain is how long an endpoint is without traffic before it counts as
	// drained, however idle it is. A thread of a worker that chose it just before
	// has long made its connection then, and the file is up to date.
	MinDrain = 500 * time.Millisecond
	// FastWake is the pause between turns while an endpoint waits for its
	// first check.
	FastWake = 20 * time.Millisecond
	// MotionWake is the pause while anything else is in motion.
	MotionWake = 100 * time.Millisecond
	// SlowWake is the pause otherwise. It only serves to see checks change.
	SlowWake = time.Second
	// fileDelay is the longest time that the file may be behind the worker.
	fileDelay = 100 * time.Millisecond
)

// Turn is the outcome of Next.
type Turn struct {
	Actions []Action
	Report  []fleet.PoolActual // sorted by Service
	Wake    time.Duration      // until the next turn, unless something happens before
	Memory  Memory
}

type turn struct {
	want    []fleet.Pool
	seen    Observed
	memory  Memory
	now     time.Time
	goals   []goal
	servers map[ServerKey]Server
	ours    []Server // the servers seen of the goals' services
	actions []Action
	motion  bool
	waits   bool // for a check that comes soon
	returns bool // sticky clients come back to who is only drained
}

// Next looks at the whole distance between what is wanted and what was seen.
// A nil want is unknown: nothing is changed, but a balancer that died is
// started from its file.
func Next(want []fleet.Pool, seen Observed, memory Memory, now time.Time) Turn {
	t := newTurn(want, seen, memory, now)
	t.returns = true
	if seen.Structure == memory.Structure {
		t.memory.Unloaded = Rejection{}
	}
	t.remember()
	if !seen.Up {
		t.start()
		return t.end()
	}
	t.track()
	if want == nil {
		return t.end()
	}
	t.retire()
	if reason := t.mustReload(); reason != "" {
		t.do(Action{Kind: Reload, Pools: t.file(true), Reason: reason})
		return t.end()
	}
	t.admit()
	t.clean()
	t.follow()
	return t.end()
}

func newTurn(want []fleet.Pool, seen Observed, memory Memory, now time.Time) *turn {
	t := &turn{want: want, seen: seen, memory: memory.clone(), now: now, servers: map[ServerKey]Server{}}
	t.forget()
	t.goals = goals(want, t.memory, now)
	for _, server := range seen.Servers {
		if slices.ContainsFunc(t.goals, func(g goal) bool { return g.pool.Service == server.Service }) {
			t.servers[server.ServerKey] = server
			t.ours = append(t.ours, server)
		}
	}
	return t
}

// follow brings the file to what the worker has: at once when there is nothing
// else to do, so that it holds up neither the worker nor the report of it.
func (t *turn) follow() {
	file := t.file(false)
	if !t.memory.Stale && samePools(file, t.memory.Filed) {
		t.memory.behind = time.Time{}
		return
	}
	if t.memory.behind.IsZero() {
		t.memory.behind = t.now
	}
	if len(t.actions) == 0 || t.now.Sub(t.memory.behind) >= fileDelay {
		t.do(Action{Kind: Write, Pools: file})
	}
}

func (t *turn) do(action Action) { t.actions = append(t.actions, action) }

func (t *turn) end() Turn {
	out := Turn{Actions: t.actions, Report: t.report(), Wake: SlowWake, Memory: t.memory}
	switch {
	case !t.seen.Up:
		out.Wake = MotionWake
	case len(t.actions) > 0:
		out.Wake = 0
	case t.waits:
		out.Wake = FastWake
	case t.motion:
		out.Wake = MotionWake
	}
	return out
}

// start brings up a balancer that isn't there. Nobody knows any more which
// endpoints passed their check, except those that the file has as ready.
func (t *turn) start() {
	pools := t.memory.Filed
	if t.want != nil {
		pools = nil
		for _, g := range t.goals {
			filed, _ := find(t.memory.Filed, g.pool.Service)
			pools = append(pools, fill(g, filed.Generation, func(endpoint fleet.Endpoint) fleet.Endpoint {
				i := slices.IndexFunc(filed.Endpoints, func(e fleet.Endpoint) bool { return e.Instance == endpoint.Instance })
				state := fleet.EndpointDraining
				if i >= 0 && sameAddress(filed.Endpoints[i], endpoint, g.pool.Routes) {
					state = filed.Endpoints[i].State
				}
				endpoint.State = lesser(endpoint.State, state)
				return endpoint
			}))
		}
	}
	t.do(Action{Kind: Start, Pools: pools, Reason: "it isn't running"})
}

// mustReload returns why a reload is due, or "".
func (t *turn) mustReload() string {
	if changed := t.changed(); len(changed) > 0 {
		return "new or changed listeners or checks of " + strings.Join(changed, ", ")
	}
	if t.seen.Structure != t.memory.Structure && !t.now.Before(t.memory.Unloaded.Retry) {
		return "the worker was started from another file"
	}
	return ""
}

// changed are the services whose section the file doesn't have as it should.
func (t *turn) changed() (changed []string) {
	for _, g := range t.goals {
		filed, found := find(t.memory.Filed, g.pool.Service)
		switch {
		case !found && g.pool.Removed:
		case !found || !lbconf.SameSection(filed, g.pool):
			changed = append(changed, g.pool.Service.String())
		}
	}
	return changed
}
