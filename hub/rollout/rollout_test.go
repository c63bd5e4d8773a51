package rollout

import (
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func member(slot int, flags string) Member {
	m := Member{ID: fmt.Sprintf("i%d", slot), Slot: slot, Host: fmt.Sprintf("h%d", slot%2)}
	for _, f := range flags {
		switch f {
		case 'o':
			m.Outdated, m.ID = true, fmt.Sprintf("old%d", slot)
		case 's':
			m.Ready, m.Serving = true, true
		case 'r':
			m.Ready = true
		case 'l':
			m.Leaving, m.ID = true, fmt.Sprintf("out%d", slot)
		case 'x':
			m.Lost = true
		case 'f':
			m.Frozen = true
		}
	}
	return m
}

func TestDecide(t *testing.T) {
	tests := []struct {
		name string
		in   Input
		want Next
	}{
		{"nothing wanted", Input{}, Next{}},
		{"first apply", Input{Count: 3}, Next{Add: []int{1, 2, 3}}},
		{"converged", Input{Count: 2, Members: []Member{member(1, "s"), member(2, "s")}}, Next{}},
		{"scale up keeps slots", Input{Count: 3, Members: []Member{member(2, "s")}}, Next{Add: []int{1, 3}}},
		{"scale down takes what isn't ready", Input{Count: 2, Members: []Member{member(1, ""), member(2, "s"), member(3, "s")}}, Next{Leave: []string{"i1"}}},
		{"scale down keeps the spread", Input{Count: 2, Members: []Member{member(1, "s"), member(2, "s"), member(3, "s")}}, Next{Leave: []string{"i3"}}},
		{"remove", Input{Count: 0, Members: []Member{member(1, "s"), member(2, "s")}}, Next{Leave: []string{"i2", "i1"}}},
		{"replace starts one", Input{Count: 2, Members: []Member{member(1, "os"), member(2, "os")}}, Next{Add: []int{3}}},
		{"replace waits for it", Input{Count: 2, Members: []Member{member(1, "os"), member(2, "os"), member(3, "r")}}, Next{Waits: "replacement waits until i3 serves"}},
		{"then an old one leaves", Input{Count: 2, Members: []Member{member(1, "os"), member(2, "os"), member(3, "s")}}, Next{Leave: []string{"old1"}}},
		{"next while the old one drains", Input{Count: 2, Members: []Member{member(1, "l"), member(2, "os"), member(3, "s")}}, Next{Add: []int{1}}},
		{"a broken one is superseded", Input{Count: 1, Members: []Member{member(1, "os"), member(2, "o")}}, Next{Leave: []string{"old2"}}},
		{"stop first", Input{Count: 1, StopFirst: true, Members: []Member{member(1, "os")}}, Next{Leave: []string{"old1"}, First: true}},
		{"stop first waits", Input{Count: 1, StopFirst: true, Members: []Member{member(1, "l")}}, Next{}},
		{"stop first goes on", Input{Count: 2, StopFirst: true, Members: []Member{member(2, "os")}}, Next{Add: []int{1}}},
		{"what is ready and serves nobody goes before what serves", Input{Count: 1, Members: []Member{member(1, "os"), member(2, "or")}}, Next{Leave: []string{"old2"}}},
		{"scaled down, the one that serves stays", Input{Count: 1, Members: []Member{member(1, "r"), member(2, "s")}}, Next{Leave: []string{"i1"}}},
		{"scaled down in a replacement that doesn't get ready", Input{Count: 2, Members: []Member{
			member(1, "os"), member(2, "os"), member(3, ""), member(4, "")}}, Next{Leave: []string{"i4"}}},
		{"scaled down in a replacement that goes on", Input{Count: 2, Members: []Member{
			member(1, "os"), member(2, "os"), member(3, "s"), member(4, "")}}, Next{Leave: []string{"i4"}}},
		{"frozen ones count and stay", Input{Count: 3, Members: []Member{member(1, "osf"), member(2, "os")}}, Next{Add: []int{3}}},
		{"more frozen ones than wanted", Input{Count: 1, Members: []Member{member(1, "sf"), member(2, "sf"), member(3, "s")}}, Next{Leave: []string{"i3"}}},
		{"a lost one is replaced", Input{Count: 2, Members: []Member{member(1, "lx"), member(2, "s")}}, Next{Add: []int{1}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Decide(test.in)
			if len(got.Add) == 0 {
				got.Add = nil
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// Whatever the start, carrying out what is decided ends at the wanted count,
// all current, and a start-first replacement never goes below it.
func TestDecideConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := Input{Count: rapid.IntRange(0, 6).Draw(t, "count"), StopFirst: rapid.Bool().Draw(t, "stopFirst")}
		members := rapid.IntRange(0, 6).Draw(t, "members")
		for slot := 1; slot <= members; slot++ {
			in.Members = append(in.Members, member(slot, rapid.SampledFrom([]string{"", "s", "o", "os", "l", "lx"}).Draw(t, "flags")))
		}
		serving := count(in.Members)
		for range 100 {
			next := Decide(in)
			still := settled(in.Members)
			in.Members = carryOut(in.Members, next)
			if now := count(in.Members); !in.StopFirst && now < in.Count && now < serving && len(next.Add) == 0 {
				t.Fatalf("fell to %d serving of %d", now, in.Count)
			} else {
				serving = now
			}
			if len(next.Add)+len(next.Leave) == 0 && still {
				break
			}
		}
		if len(in.Members) != in.Count {
			t.Fatalf("%d members, want %d: %+v", len(in.Members), in.Count, in.Members)
		}
		for _, m := range in.Members {
			if m.Outdated || m.Leaving {
				t.Fatalf("left over: %+v", m)
			}
		}
	})
}

// In whatever state a service is, no decision leaves fewer serving than are
// wanted, or than there were, and none touches what is frozen.
func TestDecideKeepsWhatServes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := Input{Count: rapid.IntRange(0, 6).Draw(t, "count")}
		members := rapid.IntRange(0, 8).Draw(t, "members")
		for slot := 1; slot <= members; slot++ {
			in.Members = append(in.Members, member(slot, rapid.SampledFrom([]string{"", "r", "s", "o", "or", "os", "l", "ls", "osf", "f"}).Draw(t, "flags")))
		}
		before := count(in.Members)
		next := Decide(in)
		for i := range in.Members {
			m := &in.Members[i]
			for _, id := range next.Leave {
				if id == m.ID && m.Frozen {
					t.Fatalf("%s is frozen and leaves", id)
				}
				m.Leaving = m.Leaving || m.ID == id
			}
		}
		if now := count(in.Members); now < min(before, in.Count) {
			t.Fatalf("%d serve after %d, though %d are wanted: %+v", now, before, in.Count, next)
		}
	})
}

func count(members []Member) (n int) {
	for _, m := range members {
		if m.Serving && !m.Leaving {
			n++
		}
	}
	return n
}

func settled(members []Member) bool {
	for _, m := range members {
		if m.Leaving || !m.Serving {
			return false
		}
	}
	return true
}

var born int

// carryOut lets what leaves be gone, what is new begin to serve, and then
// adds and marks what was decided.
func carryOut(members []Member, next Next) []Member {
	var out []Member
	for _, m := range members {
		if m.Leaving {
			continue
		}
		if !m.Outdated {
			m.Ready, m.Serving = true, true
		}
		for _, id := range next.Leave {
			m.Leaving = m.Leaving || m.ID == id
		}
		out = append(out, m)
	}
	for _, slot := range next.Add {
		born++
		out = append(out, Member{ID: fmt.Sprintf("new%d", born), Slot: slot, Host: "h"})
	}
	return out
}
