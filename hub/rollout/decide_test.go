package rollout

import (
	"fmt"
	"reflect"
	"slices"
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

// surging is a service of four instances.
func surging(surge int, members ...string) Input {
	in := Input{Count: 4, Surge: surge}
	for i, flags := range members {
		in.Members = append(in.Members, member(i+1, flags))
	}
	return in
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
		{"next while the old one drains", Input{Count: 2, Members: []Member{member(1, "l"), member(2, "os"), member(3, "s")}}, Next{More: []int{1}, Waits: waitsForStop}},
		{"a broken one is superseded", Input{Count: 1, Members: []Member{member(1, "os"), member(2, "o")}}, Next{Leave: []string{"old2"}}},
		{"stop first", Input{Count: 1, StopFirst: true, Members: []Member{member(1, "os")}}, Next{Leave: []string{"old1"}, First: true}},
		{"stop first waits", Input{Count: 1, StopFirst: true, Members: []Member{member(1, "l")}}, Next{}},
		{"stop first goes on", Input{Count: 2, StopFirst: true, Members: []Member{member(2, "os")}}, Next{Add: []int{1}}},
		{"what is ready and serves nobody goes before what serves", Input{Count: 1, Members: []Member{member(1, "os"), member(2, "or")}}, Next{Leave: []string{"old2"}}},
		{"scaled down, the one that serves stays", Input{Count: 1, Members: []Member{member(1, "r"), member(2, "s")}}, Next{Leave: []string{"i1"}}},
		{"scaled down in a replacement that doesn't get ready", Input{Count: 2, Members: []Member{
			member(1, "os"), member(2, "os"), member(3, ""), member(4, "")}}, Next{Leave: []string{"i4"}}},
		{"scaled down in a replacement that goes on", Input{Count: 2, Members: []Member{
			member(1, "os"), member(2, "os"), member(3, "s"), member(4, "")}}, Next{Leave: []string{"old1"}}},
		{"frozen ones count and stay", Input{Count: 3, Members: []Member{member(1, "osf"), member(2, "os")}}, Next{Add: []int{3}}},
		{"more frozen ones than wanted", Input{Count: 1, Members: []Member{member(1, "sf"), member(2, "sf"), member(3, "s")}}, Next{Leave: []string{"i3"}}},
		{"a surge starts several", surging(3, "os", "os", "os", "os"), Next{Add: []int{5}, More: []int{6, 7}}},
		{"never more than are outdated", surging(3, "s", "s", "os", "os"), Next{Add: []int{5}, More: []int{6}}},
		{"frozen ones aren't replaced", surging(3, "osf", "osf", "os", "s"), Next{Add: []int{5}}},
		{"others come while one does", surging(2, "os", "os", "os", "os", "r"), Next{More: []int{6}, Waits: "replacement waits until i5 serves"}},
		{"a version that never gets ready goes no further", surging(2, "os", "os", "os", "os", "", ""), Next{Waits: "replacement waits until i5 serves"}},
		{"one for one that serves", surging(2, "os", "os", "os", "os", "s", ""), Next{Leave: []string{"old1"}}},
		{"and the next comes", surging(2, "l", "os", "os", "os", "s", ""), Next{More: []int{1}, Waits: "replacement waits until i6 serves"}},
		{"who is missing comes too, and counts", surging(2, "os", "os", "os", ""), Next{More: []int{5}, Waits: "replacement waits until i4 serves"}},
		{"scaled down in a surge", surging(2, "os", "os", "os", "os", "os", "", ""), Next{Leave: []string{"old1"}}},
		{"stop first goes one by one", Input{Count: 2, Surge: 2, StopFirst: true, Members: []Member{member(1, "l"), member(2, "os")}}, Next{Waits: waitsForStop}},
		{"stop first has no surge", Input{Count: 3, Surge: 2, StopFirst: true, Members: []Member{member(1, "os"), member(2, "os"), member(3, "")}}, Next{Waits: "replacement waits until i3 serves"}},
		{"an old one that serves nobody leaves for one that serves", surging(1, "o", "os", "os", "os", ""), Next{Waits: "replacement waits until i5 serves"}},
		{"a frozen one that serves nobody holds nobody up", Input{Count: 1, Members: []Member{member(1, "f"), member(2, "os")}}, Next{Add: []int{3}}},
		{"but nobody could follow it, stop first", Input{Count: 1, StopFirst: true, Members: []Member{member(1, "f"), member(2, "os")}}, Next{Waits: waitsForStop}},
		{"a lost one is replaced", Input{Count: 2, Members: []Member{member(1, "lx"), member(2, "s")}}, Next{Add: []int{1}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Decide(test.in)
			for _, slots := range []*[]int{&got.Add, &got.More} {
				if len(*slots) == 0 {
					*slots = nil
				}
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// Whatever the start, carrying out what is decided ends at the wanted count,
// all current, and a start-first replacement never goes below it. Nothing waits
// for those that come only if there is room.
func TestDecideConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := Input{Count: rapid.IntRange(0, 6).Draw(t, "count"), Surge: rapid.IntRange(0, 4).Draw(t, "surge"), StopFirst: rapid.Bool().Draw(t, "stopFirst")}
		crowded := rapid.Bool().Draw(t, "crowded")
		members := rapid.IntRange(0, 6).Draw(t, "members")
		for slot := 1; slot <= members; slot++ {
			in.Members = append(in.Members, member(slot, rapid.SampledFrom([]string{"", "s", "o", "os", "l", "lx"}).Draw(t, "flags")))
		}
		serving := count(in.Members)
		for range 100 {
			next := Decide(in)
			if crowded {
				next.More = nil
			}
			still := settled(in.Members)
			in.Members = carryOut(in.Members, next)
			if now := count(in.Members); !in.StopFirst && now < in.Count && now < serving && len(next.Add)+len(next.More) == 0 {
				t.Fatalf("fell to %d serving of %d", now, in.Count)
			} else {
				serving = now
			}
			if len(next.Add)+len(next.More)+len(next.Leave) == 0 && still {
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
		in.Surge = rapid.IntRange(0, 4).Draw(t, "surge")
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

// While a service is replaced, and some begin to serve, fail or are gone, and
// another count is asked for, as many come beyond the count as the surge
// allows, and never more than there are outdated ones left.
func TestDecideKeepsToTheSurge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := Input{Count: rapid.IntRange(1, 10).Draw(t, "count"), Surge: rapid.IntRange(1, 4).Draw(t, "surge")}
		for slot := 1; slot <= in.Count; slot++ {
			in.Members = append(in.Members, member(slot, "os"))
		}
		for range 30 {
			decideAll(t, &in)
			current, outdated, _, _ := split(in.Members)
			coming, beyond := len(unserving(current)), len(current)+len(outdated)-in.Count
			switch allowed := min(in.Surge, len(outdated)); {
			case min(coming, beyond) > allowed:
				t.Fatalf("%d come and %d are beyond the count, %d may: %+v", coming, beyond, allowed, in)
			case max(coming, beyond) < allowed:
				t.Fatalf("only %d come, %d could: %+v", coming, allowed, in)
			}
			in.Members = slices.DeleteFunc(in.Members, func(m Member) bool {
				return m.Leaving && rapid.Bool().Draw(t, "gone") || rapid.IntRange(0, 30).Draw(t, "lost") == 30
			})
			for i := range in.Members {
				m := &in.Members[i]
				switch rapid.SampledFrom([]string{"", "", "", "serves", "serves", "fails"}).Draw(t, "befalls") {
				case "serves":
					m.Ready, m.Serving = true, true
				case "fails":
					m.Ready, m.Serving = false, false
				}
			}
			if rapid.IntRange(0, 9).Draw(t, "scaled") == 9 {
				in.Count = rapid.IntRange(1, 10).Draw(t, "count")
			}
		}
	})
}

// decideAll carries out what is decided until nothing can be done at once. An
// old one leaves only for a new one that serves, and none that may come is
// called off.
func decideAll(t *rapid.T, in *Input) {
	for range 10 {
		before := count(in.Members)
		current, outdated, _, _ := split(in.Members)
		ahead := min(in.Surge, len(outdated), len(unserving(current)))
		next := Decide(*in)
		if len(next.Add)+len(next.More)+len(next.Leave) == 0 {
			return
		}
		for i := range in.Members {
			in.Members[i].Leaving = in.Members[i].Leaving || slices.Contains(next.Leave, in.Members[i].ID)
		}
		in.Members = append(in.Members, added(next)...)
		switch current, outdated, _, _ := split(in.Members); {
		case len(unserving(current)) < ahead:
			t.Fatalf("one of %d that come is called off: %+v", ahead, next)
		case len(next.Leave) > 0 && len(current)+len(outdated) < in.Count+ahead:
			t.Fatalf("one leaves for one of %d that don't serve yet: %+v", ahead, next)
		}
		if now := count(in.Members); now < min(before, in.Count) {
			t.Fatalf("%d serve after %d, though %d are wanted: %+v", now, before, in.Count, next)
		}
	}
	t.Fatalf("it doesn't come to rest: %+v", *in)
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
	return append(out, added(next)...)
}

func added(next Next) (out []Member) {
	for _, slot := range slices.Concat(next.Add, next.More) {
		born++
		out = append(out, Member{ID: fmt.Sprintf("new%d", born), Slot: slot, Host: "h"})
	}
	return out
}

// Both sides have targets, but nobody is let go who is needed.
func TestBesideKeepsEnoughServing(t *testing.T) {
	var members []Member
	for i := range 3 {
		members = append(members, Member{ID: fmt.Sprint(i), Slot: i + 1, Ready: true, Serving: true})
	}
	members = append(members, Member{ID: "old", Slot: 4, Outdated: true, Former: true, Stable: true})
	in := Input{Count: 3, Members: members, Beside: &Targets{Current: 1, Outdated: 3}}
	if next := Decide(in); len(next.Leave) > 0 || len(next.Old) != 2 {
		t.Errorf("nothing else serves: %+v", next)
	}
	members[3].Serving = true
	if next := Decide(in); len(next.Leave) != 1 {
		t.Errorf("one serves beside: %+v", next)
	}
}
