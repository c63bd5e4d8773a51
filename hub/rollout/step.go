package rollout

import (
	"fmt"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Wanted is what a rollout wants of its service now.
type Wanted struct {
	// Beside: both sides have targets of their own; else old ones are replaced.
	Beside   bool
	New, Old int  // targets
	Kept     bool // the old side is only kept: nothing is added to it
	// Most bounds the new side of a replacement; 0: nothing does.
	Most int
	// Still: neither version replaces the other. What there is of both stays, and
	// what is missing is filled up.
	Still bool
	// Prepare has hosts fetch the image.
	Prepare bool
	// Weight is the new side's share of the traffic in percent; Natural: each
	// instance has the same.
	Weight int
	// Back: the service's version is the one that the rollout came from.
	Back bool
}

// Natural is the Weight that lets every instance have the same traffic.
const Natural = -1

// Step works out how a rollout goes on. It is pure: the same rollout, seen in
// the same way at the same time, goes on in the same way.
func Step(r fleet.Rollout, o Observed, now time.Time) fleet.Rollout {
	r = Sound(r, o.Count)
	switch r.State {
	case fleet.RolloutPreparing:
		r = prepare(r, o, now)
	case fleet.RolloutProgressing:
		r = progress(r, o, now)
	case fleet.RolloutPromoting:
		r = watch(r, o, now)
	case fleet.RolloutPaused:
		if r.PauseReason == fleet.PauseBalancer && o.Stale == "" || r.PauseReason == fleet.PauseAgent && o.Older == "" {
			return resumed(r, now)
		}
	case fleet.RolloutRollingBack, fleet.RolloutRollbackPaused:
		r = goBack(r, o, now)
	}
	return r
}

func enter(r fleet.Rollout, state string, now time.Time) fleet.Rollout {
	r.State, r.Since, r.Served, r.Stalled, r.Moved = state, now, time.Time{}, time.Time{}, 0
	r.PauseReason, r.PausedIn, r.Why, r.Waits = "", "", "", false
	if r.Over() {
		r.Ended = now
	}
	return r
}

func paused(r fleet.Rollout, reason, why string, now time.Time) fleet.Rollout {
	in := r.State
	r = enter(r, fleet.RolloutPaused, now)
	r.PauseReason, r.PausedIn, r.Why = reason, in, why
	return r
}

// resumed goes on where it paused, with its clocks begun anew.
func resumed(r fleet.Rollout, now time.Time) fleet.Rollout { return enter(r, r.PausedIn, now) }

// failed is what the rollout does about a failure. One that goes back already
// pauses.
func failed(r fleet.Rollout, why string, now time.Time) fleet.Rollout {
	if r.Back || r.Spec.OnFailure == fleet.OnFailurePause {
		return paused(r, fleet.PauseFailure, why, now)
	}
	return back(r, why, now)
}

// back has the old version take all traffic again.
func back(r fleet.Rollout, why string, now time.Time) fleet.Rollout {
	r = enter(r, fleet.RolloutRollingBack, now)
	r.Why, r.Weight = why, 0
	return r
}

func prepare(r fleet.Rollout, o Observed, now time.Time) fleet.Rollout {
	switch {
	case o.Older != "":
		return paused(r, fleet.PauseAgent, o.Older, now)
	case o.Astray != "":
		return failed(r, o.Astray, now)
	case o.After != "":
		r.Waits, r.Why = true, o.After
	case r.Waits: // its own time begins now
		return enter(r, fleet.RolloutPreparing, now)
	case o.Unfetched != "" && now.Sub(r.Since) > r.Spec.HealthyWithin.D():
		return failed(r, o.Unfetched, now)
	case o.Unfetched != "":
		r.Why = o.Unfetched
	case o.Unprepared != "" && now.Sub(r.Since) > r.Spec.ProgressWithin.D():
		return failed(r, o.Unprepared, now)
	case o.Unprepared != "":
		r.Why = o.Unprepared
	case o.Jobs.Result == Fails:
		return failed(r, o.Jobs.Why, now)
	case o.Jobs.Result != Passes && now.Sub(r.Since) > r.Spec.ProgressWithin.D():
		return failed(r, "it takes too long: "+o.Jobs.Why, now)
	case o.Jobs.Result != Passes:
		r.Why = o.Jobs.Why
	default:
		return enter(r, fleet.RolloutProgressing, now)
	}
	return r
}

// trouble is what ends any step at once.
func trouble(r *fleet.Rollout, o *Observed) string {
	switch {
	case o.Restarts-r.Forgiven > r.Spec.Verify.Restarts:
		return o.Crashed
	case o.Unready != "":
		return o.Unready
	case o.Verdict.Result == Fails:
		return o.Verdict.Why
	case o.Jobs.Result == Fails:
		return o.Jobs.Why
	}
	return ""
}

func progress(r fleet.Rollout, o Observed, now time.Time) fleet.Rollout {
	if why := trouble(&r, &o); why != "" {
		return failed(r, why, now)
	}
	switch {
	case o.Stale == "":
		r.Unheard = false
	case !r.Unheard:
		return paused(r, fleet.PauseBalancer, o.Stale, now)
	}
	if o.Older != "" {
		return paused(r, fleet.PauseAgent, o.Older, now)
	}
	if r.Beside() {
		return weigh(r, o, now)
	}
	return replace(r, o, now)
}

// replace lets old ones be replaced, all or batch by batch.
func replace(r fleet.Rollout, o Observed, now time.Time) fleet.Rollout {
	all := o.Old.Present+o.Old.Leaving-o.Old.Lost == 0 && o.New.Serving >= o.Count
	if all && len(r.Spec.Each) == 0 {
		return enter(r, fleet.RolloutPromoting, now)
	}
	most := most(&r, o.Count)
	r = moved(r, o.New.Ready+o.New.Serving)
	r.Why = fmt.Sprintf("%d of %d instances are of version %d and serve", o.New.Serving, o.Count, r.To)
	if most == 0 || o.New.Serving < min(most, o.Count) || o.Old.Leaving > o.Old.Lost {
		r.Served = time.Time{}
		return late(r, now)
	}
	if r.Served.IsZero() { // what is to be seen from now on comes first
		r.Served = now
		return r
	}
	switch {
	case o.Jobs.Result != Passes:
		r.Why = o.Jobs.Why
		return late(r, now)
	case all:
		return enter(r, fleet.RolloutPromoting, now)
	case o.Verdict.Result == Held:
		r.Why = o.Verdict.Why
		return late(r, now)
	case r.Spec.Manual && r.Promoted == 0:
		return paused(r, fleet.PauseManual, "the first batch serves; a person is to promote it", now)
	case now.Sub(r.Served) >= r.Spec.Delay.D():
		return next(r, now)
	}
	r.Stalled = time.Time{}
	return r
}

// next is the next step, or batch.
func next(r fleet.Rollout, now time.Time) fleet.Rollout {
	r.Step++
	r.Since, r.Served, r.Stalled, r.Moved, r.Why = now, time.Time{}, time.Time{}, 0, ""
	return r
}

// most is how many of the new version a replacement may have; 0: there is no bound,
// as nothing is to be waited for between its batches.
func most(r *fleet.Rollout, count int) int {
	batches := r.Spec.Delay > 0 || r.Spec.Manual && r.Promoted == 0 || len(r.Spec.Each) > 0
	switch {
	case r.Spec.Strategy == fleet.StrategyRecreate && len(r.Spec.Each) > 0:
		return count
	case r.Spec.Strategy == fleet.StrategyRecreate || !batches:
		return 0
	}
	return min(count, (r.Step+1)*r.Spec.Batch)
}

// weigh brings the new side to the step's size, gives it the step's share, waits
// until that is in force, and holds it there until it is judged.
func weigh(r fleet.Rollout, o Observed, now time.Time) fleet.Rollout {
	last := len(r.Spec.Steps) - 1
	if o.Count == 0 && (!r.Manual() || r.Promoted > r.Step) { // there is nothing to see
		r.Step, r.Weight = last, r.Spec.Steps[last].Weight
		return enter(r, fleet.RolloutPromoting, now)
	}
	step := r.Spec.Steps[r.Step]
	r = moved(r, o.New.Ready+o.New.Serving)
	wanted := instances(step, o.Count)
	switch {
	case o.New.Ready < wanted:
		r.Why = fmt.Sprintf("%d of %d instances of version %d are ready", o.New.Ready, wanted, r.To)
		r.Served = time.Time{}
		return late(r, now)
	case r.Weight != step.Weight:
		r.Weight, r.Served = step.Weight, time.Time{}
		r.Why = fmt.Sprintf("version %d is given %d %%", r.To, step.Weight)
		return r
	case o.New.Serving < wanted:
		r.Why = fmt.Sprintf("%d of %d instances of version %d are in every balancer", o.New.Serving, wanted, r.To)
		return late(r, now)
	}
	if r.Served.IsZero() { // what is to be seen from now on comes first
		r.Served = now
		return r
	}
	if r.Step == last && o.Jobs.Result == Passes {
		return enter(r, fleet.RolloutPromoting, now)
	}
	held := now.Sub(r.Served) >= step.Hold.D()
	promoted := r.Promoted > r.Step
	switch {
	case o.Jobs.Result != Passes:
		r.Why = o.Jobs.Why
		return late(r, now)
	case promoted, held && o.Verdict.Result == Passes && !step.Manual && !r.Spec.Manual:
		return next(r, now)
	case !held:
		r.Stalled = time.Time{}
		r.Why = fmt.Sprintf("version %d has %d %%, held for %s", r.To, step.Weight, step.Hold.D())
	case o.Verdict.Result != Passes:
		r.Why = fmt.Sprintf("version %d has %d %%: %s", r.To, step.Weight, o.Verdict.Why)
		return late(r, now)
	default:
		return paused(r, fleet.PauseManual, fmt.Sprintf("version %d has %d %% and does well; a person is to promote it", r.To, step.Weight), now)
	}
	return r
}

// moved notes that instances have come further than ever at this step.
func moved(r fleet.Rollout, to int) fleet.Rollout {
	if to > r.Moved {
		r.Moved, r.Stalled = to, time.Time{}
	}
	return r
}

// late pauses a rollout that stands still for too long: nobody knows whose fault
// that is.
func late(r fleet.Rollout, now time.Time) fleet.Rollout {
	if r.Stalled.IsZero() {
		r.Stalled = now
	}
	if now.Sub(r.Stalled) > r.Spec.ProgressWithin.D() {
		return paused(r, fleet.PauseInconclusive, fmt.Sprintf("nothing has moved for %s: %s", r.Spec.ProgressWithin.D(), r.Why), now)
	}
	return r
}

// watch looks at the new version for a while after it has got all traffic.
func watch(r fleet.Rollout, o Observed, now time.Time) fleet.Rollout {
	if why := trouble(&r, &o); why != "" {
		return failed(r, why, now)
	}
	r = moved(r, o.New.Ready+o.New.Serving)
	if o.New.Serving < o.Count {
		r.Served, r.Why = time.Time{}, fmt.Sprintf("%d of %d instances of version %d serve", o.New.Serving, o.Count, r.To)
		return late(r, now)
	}
	if r.Served.IsZero() {
		r.Served = now
		return r
	}
	monitor := r.Spec.Monitor.D()
	r.Why = fmt.Sprintf("version %d has all traffic, and is watched for %s", r.To, monitor)
	switch {
	case now.Sub(r.Served) < monitor:
		r.Stalled = time.Time{}
		return r
	case o.Jobs.Result != Passes:
		r.Why = o.Jobs.Why
		return late(r, now)
	case unproven(&r, &o):
		r.Why = o.Verdict.Why
		return late(r, now)
	}
	r = enter(r, fleet.RolloutSucceeded, now)
	if r.Beside() {
		r.KeepUntil = now.Add(r.Spec.Keep.D())
	}
	return r
}

// unproven: what is watched hasn't shown yet that it does well, and no person has
// let it pass. Who has nothing watched waits for judges only.
func unproven(r *fleet.Rollout, o *Observed) bool {
	if r.Promoted > r.Step {
		return false
	}
	return o.Verdict.Result == Held || o.Verdict.Result == Inconclusive && r.Spec.Monitor.D() > 0
}

// goBack waits until the old version serves alone.
func goBack(r fleet.Rollout, o Observed, now time.Time) fleet.Rollout {
	if o.New.Present+o.New.Leaving-o.New.Lost == 0 && o.Old.Serving >= o.Count {
		why := r.Why
		r = enter(r, fleet.RolloutRolledBack, now)
		r.Why = why
		return r
	}
	if r.State == fleet.RolloutRollingBack && now.Sub(r.Since) > r.Spec.ProgressWithin.D() {
		why := r.Why
		r = enter(r, fleet.RolloutRollbackPaused, now)
		r.Why = why
	}
	return r
}

// HeldUntil is until when a rollout stays at least where it is, once all of that
// serves.
func HeldUntil(r *fleet.Rollout) time.Time {
	switch {
	case r.State == fleet.RolloutPromoting:
		return r.Served.Add(r.Spec.Monitor.D())
	case r.Beside():
		return r.Served.Add(r.Spec.Steps[r.Step].Hold.D())
	}
	return r.Served.Add(r.Spec.Delay.D())
}

// instances is how many of the new version a step wants: that share of the
// count, and at least one.
func instances(step fleet.RolloutStep, count int) int {
	n := step.Instances
	if n == 0 {
		n = (count*step.Weight + 99) / 100
	}
	if step.Weight == 0 || step.Weight == 100 {
		n = max(step.Instances, count)
	}
	return min(max(n, 1), count)
}

// Wants is what a rollout wants in its state.
func Wants(of *fleet.Rollout, count int, now time.Time) Wanted {
	r := Sound(*of, count)
	state := r.State
	if state == fleet.RolloutPaused {
		state = r.PausedIn
	}
	w := Wanted{Weight: Natural}
	switch {
	case state == fleet.RolloutPreparing && r.Beside():
		w.Prepare, w.Still, w.Old, w.Weight = true, true, count, 0
	case state == fleet.RolloutPreparing:
		w.Prepare, w.Still = true, true
	case state == fleet.RolloutRollingBack || state == fleet.RolloutRollbackPaused:
		w.Back, w.Beside, w.Old, w.Weight = true, r.Beside(), count, 0
	case state == fleet.RolloutRolledBack:
		w.Back = true
	case r.Beside() && (state == fleet.RolloutProgressing || state == fleet.RolloutPromoting):
		w.Beside, w.New, w.Old, w.Weight = true, instances(r.Spec.Steps[r.Step], count), count, r.Weight
	case r.Beside() && state == fleet.RolloutSucceeded: // what is left of the old version gets none, however long it stays
		kept := now.Before(r.KeepUntil)
		w.Beside, w.New, w.Old, w.Kept, w.Weight = kept, count, count, kept, 100
	case state == fleet.RolloutProgressing:
		w.Most, w.Still = most(&r, count), r.State == fleet.RolloutPaused
	}
	return w
}
