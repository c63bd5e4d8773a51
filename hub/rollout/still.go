package rollout

import "slices"

// still keeps as many instances as are asked for, of the versions that they are of.
// What has to leave its host, or restart, is followed as ever.
func still(in Input) Next {
	recreate := in.Recreate
	in.Still, in.Recreate, in.Most, in.Members = false, false, 0, slices.Clone(in.Members)
	news, olds := 0, 0
	for i := range in.Members {
		m := &in.Members[i]
		m.Outdated = m.Displaced
		switch {
		case m.Leaving:
		case !m.Former:
			news++
		case !m.Displaced:
			olds++
		}
	}
	next := Decide(in)
	next.More = nil // one by one: who follows whom has to be clear
	if recreate && news > 0 {
		return next // never both
	}
	lacks := max(0, in.Count-news-olds)
	next.Old, next.Add = first(next.Add, lacks), next.Add[min(lacks, len(next.Add)):]
	return next
}
