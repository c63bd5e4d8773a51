package rollout

import "sort"

// beside brings both sides to their targets. None of the outdated leaves for a
// current one, and what leaves is of the least use; of those that serve only as
// many as leave enough. What is displaced is followed, a few at a time, by another
// of its own version, and leaves when that serves.
func beside(in Input) Next {
	var news, olds side
	spare := -in.Count // that serve, beyond those asked for
	for _, m := range in.Members {
		if m.Serving && !m.Leaving {
			spare++
		}
		switch {
		case m.Leaving:
		case m.Frozen && m.Former && !m.Stable: // it can't leave, and stands in for nobody
		case m.Former:
			olds.add(m)
		default:
			news.add(m)
		}
	}
	if leave := dispensable(olds.leave(in.Beside.Outdated, byStanding), spare); len(leave) > 0 {
		return Next{Leave: leave}
	}
	if leave := dispensable(news.leave(in.Beside.Current, byDispensable), spare); len(leave) > 0 {
		return Next{Leave: leave}
	}
	moreOld, moreNew := olds.missing(in.Beside.Outdated, in.Surge), news.missing(in.Beside.Current, in.Surge)
	if in.Beside.Kept {
		moreOld = 0
	}
	slots := free(slots(in, false), moreOld+moreNew)
	return Next{Old: slots[:moreOld], Add: slots[moreOld:]}
}

// side are the members of one side that don't leave.
type side struct{ steady, displaced, frozen []Member }

func (s *side) add(m Member) {
	switch {
	case m.Frozen:
		s.frozen = append(s.frozen, m)
	case m.Displaced:
		s.displaced = append(s.displaced, m)
	default:
		s.steady = append(s.steady, m)
	}
}

// leave names those that are too many: of the displaced as many as there are
// others that serve in their place, and all once these are enough.
func (s *side) leave(target int, order func([]Member) []Member) []Member {
	stay := len(s.steady) + len(s.frozen)
	if stay > target {
		return first(order(s.steady), stay-target)
	}
	serving := len(s.frozen)
	for _, m := range s.steady {
		if m.Serving || m.Ready {
			serving++
		}
	}
	return first(order(s.displaced), len(s.displaced)-max(0, target-serving))
}

// dispensable names those of them that don't serve, and of the others as many as
// there are to spare.
func dispensable(members []Member, spare int) (leave []string) {
	for _, m := range members {
		if m.Serving {
			spare--
		}
		if !m.Serving || spare >= 0 {
			leave = append(leave, m.ID)
		}
	}
	return leave
}

// missing is how many are to be added: all that the target lacks, and of those
// that follow displaced ones a few at a time.
func (s *side) missing(target, surge int) int {
	stay, coming := len(s.steady)+len(s.frozen), 0
	for _, m := range s.steady {
		if !m.Ready {
			coming++
		}
	}
	lacks := target - stay
	follow := min(len(s.displaced), max(0, lacks))
	return max(0, lacks-follow) + max(0, min(follow, max(1, surge)-coming))
}

// recreate lets all outdated ones go, and new ones come when they are gone.
func recreate(in Input) Next {
	current, outdated, leaving, frozen := split(in.Members)
	switch total := len(current) + frozen; {
	case len(outdated) > 0:
		return Next{Leave: ids(outdated), First: true}
	case leaving > 0:
		return Next{Waits: waitsForStop}
	case total < in.Count:
		return Next{Add: free(slots(in, true), in.Count-total)}
	case total > in.Count:
		return Next{Leave: ids(first(byDispensable(current), total-in.Count))}
	}
	return Next{}
}

// byStanding orders outdated members for a scale down: those first that aren't of
// the version which the rollout came from, then as current ones.
func byStanding(outdated []Member) []Member {
	out := byDispensable(outdated)
	sort.SliceStable(out, func(i, j int) bool { return !out[i].Stable && out[j].Stable })
	return out
}

func ids(members []Member) (out []string) {
	for _, m := range members {
		out = append(out, m.ID)
	}
	return out
}

func first[T any](list []T, n int) []T { return list[:max(0, min(n, len(list)))] }
