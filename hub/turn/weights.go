package turn

import (
	"github.com/musterhq/muster/hub/rollout"
	"github.com/musterhq/muster/shared/fleet"
)

// weights are those that each instance of a version has.
type weights struct {
	rollout         *fleet.Rollout // nil: all have the same
	to, from, other int
}

func (w weights) of(version int) int {
	switch {
	case w.rollout != nil && version == w.rollout.To:
		return w.to
	case w.rollout != nil && version == w.rollout.From:
		return w.from
	}
	return w.other
}

// weightsOf are the weights that a rollout wants for a service's versions now. Whoever
// is to have none has some all the same while nobody else could answer. Versions that
// the rollout has nothing to do with have some only while the old one isn't whole.
func (t *tx) weightsOf(s *Service, r *fleet.Rollout) weights {
	_, even := rollout.Weights(0, 0, rollout.Natural)
	w := weights{rollout: r, to: even, from: even, other: even}
	if r == nil {
		return w
	}
	ready, present := map[int]int{}, 0
	for _, in := range t.members(s.Asked.Key) {
		if in.Goal != fleet.GoalRun {
			continue
		}
		if in.Ready {
			ready[in.Version]++
		}
		if in.Version == r.From {
			present++
		}
	}
	news, olds := ready[r.To], ready[r.From]
	others := -news - olds
	for _, n := range ready {
		others += n
	}
	count := t.wanted(s)
	whole := olds >= count && olds > 0
	if r.Beside() { // it was whole, and what isn't ready there comes back: a version that may be bad is no help
		whole = present >= count && olds > 0
	}
	if whole && !r.Over() {
		w.other, others = 0, 0
	}
	wanted := rollout.Wants(r, t.count(s), t.now)
	switch {
	case wanted.Weight == rollout.Natural, wanted.Back && !whole, wanted.Weight == 0 && olds+others == 0, wanted.Weight == 100 && news == 0:
		return w
	}
	w.to, w.from = rollout.Weights(max(news, 1), max(olds+others, 1), wanted.Weight)
	if w.other > 0 {
		w.other = w.from
	}
	return w
}

// idle: a rollout wants an instance to have no traffic now, though it is ready.
func (t *tx) idle(s *Service, in *Instance) bool {
	return s.Rollout != nil && t.weightsOf(s, s.Rollout).of(in.Version) == 0
}
