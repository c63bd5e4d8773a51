package turn

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/musterhq/muster/hub/placement"
	"github.com/musterhq/muster/shared/fleet"
)

// Bounds of one rebalance, which is worked out while nothing else is: how many
// instances it moves, and from how many hosts of a service each of them may be. How
// often it looks at hosts is Options.MaxLooks.
const (
	maxMoves   = 200
	maxSources = 32
)

// betterPlaces are the moves that bring services nearer to how they would be placed
// now: an instance moves where another host comes before its own by what decides,
// and not only by free memory or a name. Each move is reckoned with those before
// it done, and those that spread a service before those that only even out what runs
// on hosts. Stay says which services nothing is moved of, and why. Left is 1 if there
// may be more moves than are found, or made, at once.
// Now and then one that came early is better off elsewhere once the others have come:
// it, or rather the one that came for it, moves again.
func (t *tx) betterPlaces(keys []fleet.ServiceKey) (moves []fleet.Move, left int, stay []string) {
	t.crowd = nil
	defer func() { t.crowd = nil }() // its books are those of afterwards
	at := map[string]string{}        // where those are that move
	siblings := map[fleet.ServiceKey]map[string]int{}
	var movable []fleet.ServiceKey
	for _, key := range keys {
		s := t.services.get(key)
		if why := t.stuckTo(s); why != "" {
			stay = append(stay, fmt.Sprintf("nothing of %s is moved: %s", key, why))
			continue
		}
		movable = append(movable, key)
		siblings[key] = t.siblings(s, t.members(key))
	}
	looks := 0
	try := func(key fleet.ServiceKey, rank ranking) bool {
		m, in := t.betterPlace(t.services.get(key), siblings[key], at, rank, &looks)
		if len(moves) == maxMoves && in != nil || looks > t.s.opts.MaxLooks {
			left = 1
		}
		if in == nil || left > 0 {
			return false
		}
		at[in.ID] = m.To
		siblings[key][m.From]--
		siblings[key][m.To]++
		t.shift(in, m.From, m.To)
		moves = append(moves, m)
		return true
	}
	for before := -1; before < len(moves) && left == 0; { // what leaves makes room for others
		before = len(moves)
		for _, rank := range t.ranks(movable) {
			for i := 0; i < len(movable) && left == 0; {
				if !try(movable[i], rank) {
					i++
				}
			}
		}
	}
	return moves, left, stay
}

// ranking compares places by some of what decides.
type ranking = func(a, b placement.Score) int

// ranks are what places are compared by, one after another: by what counts for the
// most alone, then by the next as well.
func (t *tx) ranks(keys []fleet.ServiceKey) (ranks []ranking) {
	labels := 0
	for _, key := range keys {
		labels = max(labels, len(t.services.get(key).Asked.Spread))
	}
	for n := 1; n <= labels; n++ {
		ranks = append(ranks, func(a, b placement.Score) int {
			return slices.Compare(a.Groups[:min(n, len(a.Groups))], b.Groups[:min(n, len(b.Groups))])
		})
	}
	return append(ranks, placement.Score.Spread, placement.Score.Rank)
}

// stuckTo says why none of a service's instances is moved; empty: they may be.
func (t *tx) stuckTo(s *Service) string {
	switch {
	case s.Asked.Mode == fleet.ModeGlobal:
		return "it runs once on every eligible host"
	case s.Asked.Mode == fleet.ModeJob:
		return "it is a job"
	case s.Removing:
		return "it is being removed"
	case s.Frozen:
		return fmt.Sprintf("it is frozen (muster unfreeze %s)", s.Asked.Key)
	case s.Stopped:
		return "it is stopped"
	case s.Asked.Spec.Pinned():
		return "its data stays where it is"
	case stopFirst(s) || s.Asked.Rollout != nil && s.Asked.Rollout.StopFirst:
		return fmt.Sprintf("its instances stop before others start, so that moving one would be noticed (muster restart %s places them anew)", s.Asked.Key)
	case s.Rollout != nil && !s.Rollout.Over():
		return fmt.Sprintf("it goes from version %d to %d", s.Rollout.From, s.Rollout.To)
	case s.Rebalance != nil:
		return "it is being rebalanced"
	}
	if why := t.unsettledWhy(s); why != "" {
		return "not before " + why
	}
	return ""
}

// betterPlace is the next instance of a service to move, of those that haven't; nil:
// all are where they would be placed now.
func (t *tx) betterPlace(s *Service, siblings map[string]int, at map[string]string, rank ranking, looks *int) (fleet.Move, *Instance) {
	if *looks > t.s.opts.MaxLooks {
		return fleet.Move{}, nil
	}
	need, hosts := placement.Of(&s.Asked, ""), t.candidates(s, siblings, "")
	*looks += len(hosts)
	last := map[string]*Instance{} // on each host
	for _, in := range t.members(s.Asked.Key) {
		host := cmp.Or(at[in.ID], in.Host)
		if in.Goal == fleet.GoalRun && !t.kept(s, in) && t.barred(in.Host) == "" {
			if before := last[host]; before == nil || at[before.ID] != "" || at[in.ID] == "" && before.Slot < in.Slot {
				last[host] = in
			}
		}
	}
	var sources []int
	for i := range hosts {
		if last[hosts[i].ID] != nil {
			sources = append(sources, i)
		}
	}
	scores := placement.Scores(need, hosts)
	slices.SortStableFunc(sources, func(a, b int) int { return scores[b].Rank(scores[a]) })
	first, second := bestTwo(need, hosts, scores)
	for _, i := range sources[:min(len(sources), maxSources)] {
		in, there := last[hosts[i].ID], first
		if there == i {
			there = second
		}
		switch {
		case len(need.Spread) > 0: // who leaves changes the groups of others, too
			there = -1
			*looks += len(hosts)
		case there < 0:
			continue
		}
		if to, why := better(need, hosts, i, there, t.versionOf(in), rank); to != "" {
			return fleet.Move{
				Action: fleet.MoveMove, Service: s.Asked.Key, Version: in.Version, Instance: in.ID, From: hosts[i].ID, To: to, Why: why,
			}, in
		}
	}
	return fleet.Move{}, nil
}

// bestTwo are the two hosts that could have one more of a service before all others,
// as indexes; -1: there is none.
func bestTwo(need placement.Need, hosts []placement.Host, scores []placement.Score) (first, second int) {
	first, second = -1, -1
	for i := range hosts {
		switch {
		case second >= 0 && scores[i].Compare(scores[second]) > 0 || placement.Refuse(need, &hosts[i]) != "":
		case first < 0 || scores[i].Compare(scores[first]) < 0:
			first, second = i, first
		default:
			second = i
		}
	}
	return first, second
}

// better is the host that one instance of those on the host at an index would be
// better on by what ranks them, and why; empty: none is. There is the best of the
// others, where that is known, and else -1.
func better(need placement.Need, hosts []placement.Host, at, there int, v *fleet.Version, rank ranking) (to, why string) {
	from := hosts[at]
	without := from
	without.Siblings, without.Instances = from.Siblings-1, from.Instances-1
	vacate(&without, v)
	without.Barred = "is where it is" // and counts, for what it has
	if there >= 0 {
		hosts, at, there = []placement.Host{without, hosts[there]}, 0, 1
	} else {
		hosts = slices.Clone(hosts)
		hosts[at] = without
		if to, _ = placement.Choose(need, hosts); to == "" {
			return "", ""
		}
		there = slices.IndexFunc(hosts, func(h placement.Host) bool { return h.ID == to })
	}
	to, scores := hosts[there].ID, placement.Scores(need, hosts)
	if need.MostPerHost > 0 && from.Siblings > need.MostPerHost {
		return to, fmt.Sprintf("%s has %d of it, and no host may have more than %d", from.ID, from.Siblings, need.MostPerHost)
	}
	if rank(scores[there], scores[at]) < 0 {
		return to, whyBetter(need, &from, &hosts[there], scores[at], scores[there])
	}
	return "", ""
}

// whyBetter names what of two hosts decides, as they are before the move.
func whyBetter(need placement.Need, from, to *placement.Host, a, b placement.Score) string {
	for i := range a.Groups {
		if a.Groups[i] != b.Groups[i] {
			label := need.Spread[i]
			return fmt.Sprintf("%s has %d of it, %s %d", group(label, from), a.Groups[i]+1, group(label, to), b.Groups[i])
		}
	}
	what, here, there := "instances", from.Instances, to.Instances
	if a.Siblings != b.Siblings {
		what, here, there = "of it", from.Siblings, to.Siblings
	}
	text := fmt.Sprintf("%s has %d %s, %s %d", from.ID, here, what, to.ID, there)
	if ratio := to.Weight / from.Weight; ratio != 1 {
		text += fmt.Sprintf(" at %.2g times the capacity", ratio)
	}
	return text
}

// group names the hosts that are alike in a label.
func group(label string, h *placement.Host) string {
	if value := h.Labels[label]; value != "" {
		return label + "=" + value
	}
	return "what has no " + label
}

// shift has the books say that an instance is on another host.
func (t *tx) shift(in *Instance, from, to string) {
	if i, ok := t.crowd.index[from]; ok {
		h := &t.crowd.hosts[i]
		h.Instances--
		vacate(h, t.versionOf(in))
	}
	there := *in
	there.Host = to
	t.occupy(&there)
}

// stillBetter looks again at a move that was worked out some time ago.
func (t *tx) stillBetter(s *Service, in *Instance, to string) bool {
	need, hosts := placement.Of(&s.Asked, ""), t.candidates(s, t.siblings(s, t.members(s.Asked.Key)), "")
	at := slices.IndexFunc(hosts, func(h placement.Host) bool { return h.ID == in.Host })
	if at < 0 || in.Goal != fleet.GoalRun {
		return false
	}
	for i := range hosts { // others count for what they have, and aren't asked
		if hosts[i].ID != to && hosts[i].Barred == "" {
			hosts[i].Barred = "isn't asked"
		}
	}
	found, _ := better(need, hosts, at, -1, t.versionOf(in), placement.Score.Rank)
	return found == to
}
