package balance

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/shared/fleet"
)

// someMember is one instance in any state.
func someMember(t *rapid.T, id string) Member {
	m := Member{ID: id, Version: rapid.IntRange(1, 2).Draw(t, "version"), Ports: map[int]int{80: 20001}, Address: "10.0.0.1"}
	if rapid.IntRange(0, 9).Draw(t, "no address") == 0 {
		m.Address = ""
	}
	m.Balancing = someBalancing(t)
	m.Leaving = rapid.IntRange(0, 4).Draw(t, "leaving") == 0
	m.become(t)
	return m
}

// become is what an agent's report changes.
func (m *Member) become(t *rapid.T) {
	m.Ready = rapid.IntRange(0, 2).Draw(t, "ready") > 0
	m.Dead = !m.Ready && rapid.Bool().Draw(t, "dead")
}

func someBalancing(t *rapid.T) *fleet.Balancing {
	if rapid.IntRange(0, 9).Draw(t, "not offered") == 0 {
		return nil
	}
	target := rapid.SampledFrom([]int{80, 90}).Draw(t, "target")
	check := fleet.Check{Type: rapid.SampledFrom([]string{"", fleet.ProbeHTTP, fleet.ProbeTCP}).Draw(t, "check")}
	return &fleet.Balancing{Routes: []fleet.Route{{Target: target, Listen: []int{8080}}}, Check: check}
}

// life is a service on one host's balancers, from turn to turn.
type life struct {
	in     Input
	pool   fleet.Pool
	held   []string
	called map[string]bool // instances that were called ready once
}

// live calls check after each of a row of turns, with the life before it.
func live(t *rapid.T, check func(before life, now life)) {
	before := life{called: map[string]bool{}}
	members := map[string]Member{}
	for range rapid.IntRange(1, 8).Draw(t, "turns") {
		for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(1, 6), 1, 6, rapid.ID[int]).Draw(t, "changed") {
			id := fmt.Sprint(i)
			m, there := members[id]
			switch {
			case there && rapid.IntRange(0, 5).Draw(t, "gone") == 0:
				delete(members, id)
			case there && rapid.IntRange(0, 5).Draw(t, "another") > 0:
				m.become(t)
				members[id] = m
			default:
				members[id] = someMember(t, id)
			}
		}
		now := life{called: maps.Clone(before.called)}
		now.in = Input{Service: fleet.ServiceKey{Project: "shop", Name: "web"}, Balancing: someBalancing(t), Balancers: []string{"haproxy"}, NamePorts: []int{80}}
		if before.pool.Service == now.in.Service {
			now.in.Previous = &before.pool
		}
		for _, id := range slices.Sorted(maps.Keys(members)) {
			now.in.Members = append(now.in.Members, members[id])
			now.called[id] = now.called[id] || members[id].Ready
		}
		given := text(t, now.in)
		if now.pool, now.held = Pool(now.in); text(t, now.in) != given {
			t.Fatalf("%s became %s", given, text(t, now.in))
		}
		check(before, now)
		before = now
	}
}

// TestWhatWasNeverReadyGetsNoTraffic: whatever happens round it.
func TestWhatWasNeverReadyGetsNoTraffic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live(t, func(_, now life) {
			for _, e := range now.pool.Endpoints {
				if e.State == fleet.EndpointReady && !now.called[e.Instance] {
					t.Fatalf("%s takes traffic in %+v", e.Instance, now.in)
				}
			}
		})
	})
}

// TestAPoolNeverEmptiesItself: while one that took traffic is there and nobody
// lets it go, one takes traffic; and those that live are never fewer than half.
func TestAPoolNeverEmptiesItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live(t, func(before, now life) {
			had, staying, dead := states(&before.pool), 0, map[string]bool{}
			for _, m := range now.in.Members {
				dead[m.ID] = m.Dead
				if m.Address != "" && !m.Leaving && had[m.ID] == fleet.EndpointReady {
					staying++
				}
			}
			takes, alive := 0, 0
			for _, e := range now.pool.Endpoints {
				if e.State == fleet.EndpointReady {
					takes++
				} else if had[e.Instance] == fleet.EndpointReady && e.State == fleet.EndpointPreparing && !dead[e.Instance] {
					alive++
				}
			}
			if !now.pool.Removed && staying > 0 && (takes == 0 || alive > 0 && 2*takes < staying) {
				t.Fatalf("%d took traffic, %d do: %+v", staying, takes, now.pool)
			}
		})
	})
}

// TestWhatLeavesDrains: an instance that was in the pool is in it for as long as
// it is there, and takes no new traffic from the moment that it leaves. One
// that was never in it doesn't come in to leave.
func TestWhatLeavesDrains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live(t, func(before, now life) {
			had, has := states(&before.pool), states(&now.pool)
			for _, m := range now.in.Members {
				switch {
				case now.pool.Removed || !m.Leaving || m.Address == "":
				case had[m.ID] != "" && has[m.ID] != fleet.EndpointDraining, had[m.ID] == "" && has[m.ID] != "":
					t.Fatalf("%s was %q, leaves, and is %q", m.ID, had[m.ID], has[m.ID])
				}
			}
		})
	})
}

// TestAPoolIsTheSameForTheSame: sorted, the same bytes again, and, as in all of
// these, none of the input is written to.
func TestAPoolIsTheSameForTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live(t, func(_, now life) {
			if !slices.IsSortedFunc(now.pool.Endpoints, func(a, b fleet.Endpoint) int { return cmp.Compare(a.Instance, b.Instance) }) {
				t.Fatalf("out of order: %+v", now.pool.Endpoints)
			}
			again, held := Pool(now.in)
			if text(t, again) != text(t, now.pool) || !slices.Equal(held, now.held) {
				t.Fatalf("%+v, and again %+v", now.pool, again)
			}
		})
	})
}

// TestASettledPoolStays: what was published isn't changed by having been
// published.
func TestASettledPoolStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live(t, func(_, now life) {
			next := now.in
			next.Previous = &now.pool
			if again, held := Pool(next); text(t, again) != text(t, now.pool) || !slices.Equal(held, now.held) {
				t.Fatalf("%+v becomes %+v", now.pool, again)
			}
		})
	})
}

func text(t *rapid.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
