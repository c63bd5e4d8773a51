package rollout

import "sort"

// beside brings both sides to their targets. None of the outdated has to leave
// for a current one, and what leaves is of the least use.
func beside(in Input) Next {
	current, outdated, _, _ := split(in.Members)
	frozenOutdated, frozenCurrent := 0, 0
	for _, m := range in.Members {
		switch {
		case !m.Frozen || m.Leaving:
		case m.Outdated:
			frozenOutdated++
		default:
			frozenCurrent++
		}
	}
	olds, news := len(outdated)+frozenOutdated, len(current)+frozenCurrent
	if surplus := olds - in.Beside.Outdated; surplus > 0 {
		return Next{Leave: ids(first(byStanding(outdated), surplus))}
	}
	if surplus := news - in.Beside.Current; surplus > 0 {
		return Next{Leave: ids(first(byDispensable(current), surplus))}
	}
	slots := free(slots(in.Members, false), max(0, in.Beside.Outdated-olds)+max(0, in.Beside.Current-news))
	if in.Beside.Kept {
		return Next{Add: first(slots, in.Beside.Current-news)}
	}
	return Next{Old: first(slots, in.Beside.Outdated-olds), Add: slots[max(0, in.Beside.Outdated-olds):]}
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
		return Next{Add: free(slots(in.Members, true), in.Count-total)}
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
