package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Promote lets a rollout go on to its next step without more word from anybody,
// or fully, to its end. What fails goes back all the same.
func Promote(r fleet.Rollout, fully bool, now time.Time) (fleet.Rollout, error) {
	switch {
	case r.State == fleet.RolloutPaused && r.PauseReason == fleet.PauseFailure:
		return r, refused(r, "failed: "+r.Why, "retry or abort it")
	case r.State == fleet.RolloutPaused && r.PauseReason == fleet.PauseAgent:
		return r, tooOld(r)
	case r.State == fleet.RolloutPaused:
		unheard := r.Unheard || r.PauseReason == fleet.PauseBalancer
		r = resumed(r, now)
		r.Unheard = unheard
	case r.State != fleet.RolloutProgressing && r.State != fleet.RolloutPromoting:
		return r, refused(r, "is "+r.State, "only one that is progressing, promoting or paused can be promoted")
	}
	r.Promoted = max(r.Promoted, r.Step+1)
	if fully {
		r.Promoted = max(r.Promoted, len(r.Spec.Steps), 1)
	}
	return r, nil
}

// Pause keeps a rollout as it is until it is resumed or promoted.
func Pause(r fleet.Rollout, actor string, now time.Time) (fleet.Rollout, error) {
	switch r.State {
	case fleet.RolloutPaused:
		if r.PauseReason == fleet.PauseBalancer || r.PauseReason == fleet.PauseAgent {
			r.PauseReason, r.Why = fleet.PauseManual, "paused by "+actor
		}
		return r, nil
	case fleet.RolloutPreparing, fleet.RolloutProgressing, fleet.RolloutPromoting:
		return paused(r, fleet.PauseManual, "paused by "+actor, now), nil
	}
	return r, refused(r, "is "+r.State, "only one that goes on can be paused")
}

// Resume lets a paused rollout go on by itself where it paused.
func Resume(r fleet.Rollout, now time.Time) (fleet.Rollout, error) {
	switch {
	case r.State == fleet.RolloutRollbackPaused:
		why := r.Why
		r = enter(r, fleet.RolloutRollingBack, now)
		r.Why = why
		return r, nil
	case r.State != fleet.RolloutPaused:
		return r, refused(r, "is "+r.State, "only a paused one can be resumed")
	case r.PauseReason == fleet.PauseBalancer:
		return r, refused(r, "waits: "+r.Why, "it goes on by itself when they are heard again; to go on without them, promote it")
	case r.PauseReason == fleet.PauseFailure:
		return r, refused(r, "failed: "+r.Why, "retry or abort it")
	case r.PauseReason == fleet.PauseAgent:
		return r, tooOld(r)
	}
	return resumed(r, now), nil
}

func tooOld(r fleet.Rollout) error {
	return refused(r, "can't go on: "+r.Why, "it goes on by itself then; or abort it, and apply it with strategy: rolling")
}

// Abort has the old version take all traffic again. Of one that goes back
// already nothing is left to abort.
func Abort(r fleet.Rollout, actor string, now time.Time) (fleet.Rollout, error) {
	switch r.State {
	case fleet.RolloutRollingBack, fleet.RolloutRollbackPaused:
		return r, nil
	}
	if r.Over() {
		return r, refused(r, "is "+r.State, "muster rollback goes back to an older version")
	}
	return back(r, "aborted by "+actor, now), nil
}

// Retry begins a rollout anew that failed and paused. What restarted until now
// is forgiven, and one-shot services that haven't ended well run again.
func Retry(r fleet.Rollout, restarts int, now time.Time) (fleet.Rollout, error) {
	if r.State != fleet.RolloutPaused || r.PauseReason != fleet.PauseFailure {
		return r, refused(r, "is "+r.State, "only one that failed can be retried")
	}
	in := r.PausedIn
	r = enter(r, fleet.RolloutProgressing, now)
	if in == fleet.RolloutPreparing {
		r.State = in
	}
	r.Forgiven = restarts
	r.Jobs = slices.DeleteFunc(slices.Clone(r.Jobs), func(job fleet.RolloutJob) bool { return !job.Done })
	return r, nil
}

func refused(r fleet.Rollout, is, hint string) error {
	return fleet.Conflict("rollout", "the rollout from version %d to %d %s", r.From, r.To, is).WithHint("%s", hint)
}

// Begin is a new rollout, resolved for a count.
func Begin(id uint64, from, to int, spec *fleet.RolloutSpec, count int, now time.Time) fleet.Rollout {
	return fleet.Rollout{
		ID: id, From: from, To: to, Spec: Resolved(spec, count), State: fleet.RolloutPreparing, Began: now, Since: now,
	}
}

// Back has a rollout go back to an older version by a person's order, the quickest
// way that drops nothing: by one write to the balancers where all of its instances
// are still there, else a few at a time. It isn't judged against what it leaves.
func Back(r fleet.Rollout, whole bool) fleet.Rollout {
	off := true
	r.Back, r.Spec.Verify.Off, r.Spec.Verify.Judges, r.Spec.Manual = true, &off, nil, false
	switch {
	case whole:
		r.State, r.Spec.Strategy, r.Spec.Steps = fleet.RolloutProgressing, fleet.StrategyBlueGreen, []fleet.RolloutStep{{Weight: 100}}
	case r.Beside():
		r.Spec.Strategy, r.Spec.Steps = fleet.StrategyRolling, nil
	}
	if back := r.Spec.Rollback; back != nil && !whole {
		r.Spec.Batch, r.Spec.StopFirst, r.Spec.Delay, r.Spec.Monitor = back.Batch, back.StopFirst, back.Delay, back.Monitor
	}
	return r
}

// Describe says in a sentence what a rollout is at.
func Describe(r *fleet.Rollout) string {
	text := fmt.Sprintf("rollout from version %d to %d is %s", r.From, r.To, r.State)
	if r.PauseReason != "" {
		text += " (" + r.PauseReason + ")"
	}
	if r.Why != "" {
		text += ": " + r.Why
	}
	return text
}
