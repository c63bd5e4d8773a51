package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// printRollout writes what a rollout is at, and both of its versions.
func (s *session) printRollout(v fleet.RolloutView) {
	r := &v.Rollout
	kind := r.Spec.Strategy
	if r.Back {
		kind = join(", ", kind, "going back")
	}
	s.line("Rollout", fmt.Sprintf("%s from version %d to %d (%s)", v.Service, r.From, r.To, dash(kind)))
	s.line("State", s.state(r.State)+reasonOf(r)+" since "+stamp(r.Since))
	if r.Why != "" {
		s.line("", r.Why)
	}
	if step := stepOf(r); step != "" && !r.Over() {
		s.line("At", step)
	}
	s.line("Began", join(" by ", stamp(r.Began), r.Actor)+", cause "+dash(r.Cause))
	if !r.Ended.IsZero() {
		s.line("Ended", stamp(r.Ended))
	}
	if r.KeepUntil.After(time.Now()) {
		s.line("Kept", fmt.Sprintf("version %d until %s, to go back at once: muster rollback %s", r.From, stamp(r.KeepUntil), v.Service))
	}
	for i, way := range waysOut(r, v.Service) {
		s.line(first(i, "Next"), way)
	}
	var rows [][]string
	for _, use := range v.Versions {
		rows = append(rows, []string{
			strconv.Itoa(use.Version), strconv.Itoa(use.Wanted), strconv.Itoa(use.Ready), strconv.Itoa(use.Restarts), shareOf(&v, use),
			strconv.Itoa(use.Requests), failures(use), average(use),
		})
	}
	s.printf("\n")
	s.printTable([]column{
		{title: "version", right: true}, {title: "wanted", right: true}, {title: "ready", right: true}, {title: "restarts", right: true},
		{title: "weight %", right: true}, {title: "requests", right: true}, {title: "failed", right: true}, {title: "average", right: true},
	}, rows)
}

// shareOf is a version's share of the traffic in percent; none where no balancer
// sends any.
func shareOf(v *fleet.RolloutView, use fleet.VersionUse) string {
	offered := false
	for _, side := range v.Versions {
		offered = offered || side.Weight > 0
	}
	switch {
	case !offered:
		return "-"
	case use.Version == v.To:
		return strconv.Itoa(v.Weight)
	default:
		return strconv.Itoa(100 - v.Weight)
	}
}

func failures(use fleet.VersionUse) string {
	if use.Failed == 0 || use.Requests == 0 {
		return strconv.Itoa(use.Failed)
	}
	return fmt.Sprintf("%d (%.1f %%)", use.Failed, 100*float64(use.Failed)/float64(use.Requests))
}

func average(use fleet.VersionUse) string {
	if use.Requests == 0 {
		return "-"
	}
	return strconv.Itoa(use.AverageMS) + " ms"
}

// reasonOf is why a rollout pauses, in a word.
func reasonOf(r *fleet.Rollout) string {
	if r.PauseReason == "" {
		return ""
	}
	return " (" + r.PauseReason + ")"
}

// stepOf says how far a rollout is that goes step by step.
func stepOf(r *fleet.Rollout) string {
	switch {
	case r.Step < len(r.Spec.Steps):
		return fmt.Sprintf("step %d of %d, %d %% of the traffic", r.Step+1, len(r.Spec.Steps), r.Spec.Steps[r.Step].Weight)
	case r.Spec.Strategy == fleet.StrategyRolling && (r.Spec.Delay > 0 || r.Spec.Manual):
		return fmt.Sprintf("batch %d, each of %s", r.Step+1, instances(r.Spec.Batch))
	}
	return ""
}

// waysOut are what a person can do about a rollout that doesn't go on by itself.
func waysOut(r *fleet.Rollout, key fleet.ServiceKey) []string {
	command := "muster rollout " + key.String() + " "
	back := command + "abort    goes back to version " + strconv.Itoa(r.From)
	switch {
	case r.State == fleet.RolloutRollbackPaused:
		return []string{"muster service " + key.String() + " says what holds it up"}
	case r.State == fleet.RolloutRolledBack:
		return []string{command + "retry    tries version " + strconv.Itoa(r.To) + " again"}
	case r.State != fleet.RolloutPaused:
		return nil
	case r.PauseReason == fleet.PauseFailure:
		return []string{command + "retry    tries again", back}
	case r.PauseReason == fleet.PauseBalancer:
		return []string{"it goes on by itself when the balancer is back; or else:", command + "promote  goes on without it", back}
	case r.PauseReason == fleet.PauseAgent:
		return []string{"it goes on by itself when the agent is upgraded; or else:", back}
	case r.PauseReason == fleet.PauseManual && r.Manual():
		return []string{command + "promote  goes on to the next step", back}
	default:
		return []string{command + "promote  goes on to the next step", command + "resume   goes on as it was", back}
	}
}

// rolloutBrief is a rollout that is under way in a few words.
func rolloutBrief(r *fleet.Rollout) string {
	text := fmt.Sprintf("rollout to version %d %s%s", r.To, r.State, reasonOf(r))
	if step := stepOf(r); step != "" {
		text += ", " + step
	}
	return text
}
