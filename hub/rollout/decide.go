// Package rollout moves a service from one version to the next. Step works out
// how a rollout goes on, which the hub keeps; Decide works out from that which
// instances are added, and which leave. It is asked again after every change, so
// it needs no memory of its own. All of it is pure.
package rollout

import (
	"slices"
	"sort"
)

// Member is one instance of the service that isn't gone.
type Member struct {
	ID   string
	Slot int
	Host string
	// Leaving: on its way out already (draining or stopping).
	Leaving bool
	// Lost: its host is gone, and it is being replaced elsewhere.
	Lost bool
	// Outdated: of another version, or born before the last restart, or on a
	// host that it has to leave.
	Outdated bool
	// What makes it outdated is told apart where both sides have targets of their
	// own. Former: it is of another version; Displaced: it has to leave its host, or
	// restart, whatever its version. Stable: of the version that a rollout came from.
	Former    bool
	Displaced bool
	Stable    bool
	// Frozen: it stays as it is, whatever is asked for.
	Frozen bool
	Ready  bool
	// Serving: ready, and every balancer that is heard gives it traffic.
	Serving bool
	// Weight is its host's capacity beside other hosts'; 0 counts as 1. Groups are those
	// that the host belongs to by the labels that the service is spread over.
	Weight float64
	Groups []string
}

// Input is one service as it is now.
type Input struct {
	Count   int // instances asked for
	Members []Member
	// Surge is how many new instances may come at the same time to replace
	// outdated ones, beyond the count; less than one is one.
	Surge int
	// StopFirst: the old instance has to be gone before the new one can come
	// (it has a volume or a fixed host port). Surge is how many of them leave at the
	// same time.
	StopFirst bool
	// Recreate: all outdated ones have to be gone before the first new one comes.
	Recreate bool
	// Most is how many current ones there may be; 0: as many as are asked for.
	Most int
	// Still: no version replaces another.
	Still bool
	// Resting are slots that nobody gets: their data is where the service is stopped.
	Resting []int
	// Beside: outdated ones aren't replaced, but have a target of their own.
	Beside *Targets
}

// Targets are how many instances each side is to have.
type Targets struct {
	Current, Outdated int
	Kept              bool // no outdated one is added
}

// Next is what to do now. All lists may be empty: then there is nothing to
// do, or Waits says what has to happen first.
type Next struct {
	Add   []int    // slots that get a new instance
	Old   []int    // slots that get one of the outdated version
	More  []int    // slots that get one too if there is room; nothing waits for them
	Leave []string // instances that leave, by the drain barrier
	// First: the one that leaves makes room for its successor, which has to
	// be able to come.
	First bool
	Waits string // in words, for people
}

const waitsForStop = "replacement waits until an old instance has stopped"

// Decide compares what is with what was asked for. Missing instances are
// added at once. Outdated ones are replaced a few at a time, by Surge: an old
// one leaves only for a new one that serves, and only then the next one comes.
func Decide(in Input) Next {
	switch {
	case in.Beside != nil:
		return beside(in)
	case in.Still:
		return still(in)
	case in.Recreate:
		return recreate(in)
	}
	current, outdated, leaving, frozen := split(in.Members)
	total := len(current) + len(outdated) + frozen
	occupied := total
	surge := max(1, in.Surge)
	batch := min(surge, len(outdated))
	if in.StopFirst {
		occupied += leaving
		surge = 1
	}
	surge = min(surge, len(outdated))
	used := slots(in, in.StopFirst)
	coming := unserving(current)
	full := in.Most > 0 && len(current) >= in.Most
	if in.Most > 0 {
		surge = min(surge, max(0, in.Most-len(current)+len(coming)))
	}
	ahead := min(surge, len(coming)) // beyond the count, until they serve
	spare := ahead
	if in.StopFirst {
		spare = 0 // each has the place of one that has gone
	}

	if leave := shrink(in, total-in.Count-spare, current, outdated, spare); len(leave) > 0 {
		return Next{Leave: leave}
	}
	switch {
	case occupied < in.Count && full:
		return Next{Old: free(used, in.Count-occupied)}
	case occupied < in.Count:
		return Next{Add: free(used, in.Count-occupied)}
	case len(outdated) == 0 || surge == 0 && len(coming) == 0:
		return Next{}
	case len(coming) > 0:
		return Next{More: free(used, surge-ahead), Waits: "replacement waits until " + coming[0].ID + " serves"}
	case in.StopFirst && (leaving > 0 || total > in.Count):
		return Next{Waits: waitsForStop}
	case in.StopFirst:
		return Next{Leave: ids(outdated[:batch]), First: true}
	case leaving > 0: // and makes room
		return Next{More: free(used, surge), Waits: waitsForStop}
	default:
		next := free(used, surge)
		return Next{Add: next[:1], More: next[1:]}
	}
}

// shrink lets go of what is too many: first those that serve nobody, then the
// outdated, and of those that serve, or are ready to, only as many as leave enough:
// a balancer whose agent was just started may say of nobody that he serves. Of those
// that don't serve yet as many stay as may come ahead of an old one's end.
func shrink(in Input, surplus int, current, outdated []Member, ahead int) (leave []string) {
	current = byDispensable(current)
	coming := len(unserving(current)) // they are the first
	order := slices.Concat(outdated, current[:coming-ahead], current[coming:])
	sort.SliceStable(order, func(i, j int) bool { return !order[i].Serving && order[j].Serving })
	serving, ready := 0, 0
	for _, m := range in.Members {
		if m.Serving && !m.Leaving {
			serving++
		}
		if m.Ready && !m.Leaving {
			ready++
		}
	}
	for _, m := range order {
		switch {
		case len(leave) >= surplus:
			return leave
		case m.Serving && serving <= in.Count || m.Ready && ready <= in.Count:
			continue
		}
		if m.Serving {
			serving--
		}
		if m.Ready {
			ready--
		}
		leave = append(leave, m.ID)
	}
	return leave
}

// split sorts the members that stay: current by slot, outdated with the least
// useful first. The frozen are only counted.
func split(members []Member) (current, outdated []Member, leaving, frozen int) {
	for _, m := range members {
		switch {
		case m.Frozen && !m.Leaving:
			frozen++
		case m.Leaving:
			if !m.Lost {
				leaving++
			}
		case m.Outdated:
			outdated = append(outdated, m)
		default:
			current = append(current, m)
		}
	}
	sort.Slice(current, func(i, j int) bool { return bySlot(current[i], current[j]) })
	sort.Slice(outdated, func(i, j int) bool {
		a, b := outdated[i], outdated[j]
		if a.use() != b.use() {
			return a.use() < b.use()
		}
		return bySlot(a, b)
	})
	return current, outdated, leaving, frozen
}

// use orders members by what would be lost with them.
func (m Member) use() int {
	switch {
	case m.Serving:
		return 2
	case m.Ready:
		return 1
	}
	return 0
}

func bySlot(a, b Member) bool {
	if a.Slot != b.Slot {
		return a.Slot < b.Slot
	}
	return a.ID < b.ID
}

// byDispensable orders current members for a scale down: what is of least use,
// then the newest on the host, or in the group of hosts, that is the fullest for
// what it is, so that the rest stay spread as they were placed.
func byDispensable(current []Member) []Member {
	out := append([]Member(nil), current...)
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if a.use() != b.use() {
			return a.use() > b.use()
		}
		return bySlot(a, b)
	})
	rank := map[string][]float64{}
	seen := map[string]int{}
	for _, m := range out {
		rank[m.ID] = m.after(seen)
	}
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if a.use() != b.use() {
			return a.use() < b.use()
		}
		if by := slices.Compare(rank[a.ID], rank[b.ID]); by != 0 {
			return by > 0
		}
		return bySlot(b, a)
	})
	return out
}

// after is how full the member's groups and its host are with those seen so far, by
// what placement goes by. It counts the member in.
func (m Member) after(seen map[string]int) []float64 {
	rank := make([]float64, 0, len(m.Groups)+1)
	for _, group := range m.Groups {
		rank = append(rank, float64(seen["group "+group]))
		seen["group "+group]++
	}
	weight := m.Weight
	if weight == 0 {
		weight = 1
	}
	rank = append(rank, float64(seen["host "+m.Host])/weight)
	seen["host "+m.Host]++
	return rank
}

// unserving are those that don't serve yet.
func unserving(current []Member) (out []Member) {
	for _, m := range current {
		if !m.Serving {
			out = append(out, m)
		}
	}
	return out
}

// slots are the numbers that can't be given. One that is being left may be taken again,
// unless the old instance has to be gone first.
func slots(in Input, stopFirst bool) map[int]bool {
	used := map[int]bool{}
	for _, slot := range in.Resting {
		used[slot] = true
	}
	for _, m := range in.Members {
		if !m.Leaving || stopFirst && !m.Lost {
			used[m.Slot] = true
		}
	}
	return used
}

// free are the n lowest slots that aren't in use. It looks at each slot once:
// thousands may be wanted that no host has room for, turn after turn.
func free(used map[int]bool, n int) []int {
	out := make([]int, 0, n)
	for slot := 1; len(out) < n; slot++ {
		if !used[slot] {
			out = append(out, slot)
		}
	}
	return out
}
