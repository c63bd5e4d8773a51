package turn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// A one-shot service that others depend on runs by itself: each of its versions
// once, to its end, when those that it depends on itself are there. How that ended is
// kept, so nothing that becomes of its host has it run again; a person's restart does.

// planJob runs a one-shot service that others depend on, and lets go of instances
// that neither they nor a rollout wait for.
func (t *tx) planJob(s *Service) (reasons []string) {
	awaited := t.isAwaited(s)
	if awaited {
		s = t.knowRun(s)
	}
	for _, in := range t.members(s.Asked.Key) {
		kept := awaited && t.isRun(s) && s.Run.Instance == in.ID && !(s.Run.Over() && t.displaced(s, in))
		if in.Goal == fleet.GoalRun && !t.frozen(in) && !kept && !t.waitedFor(in) {
			t.leave(s, in, t.leftWhy(s, in))
		}
	}
	if !awaited {
		t.waitsSince(s, nil)
		return nil
	}
	return t.runOnce(s)
}

func (t *tx) leftWhy(s *Service, in *Instance) string {
	if t.outdated(s, in) {
		return ""
	}
	return "it has done its work"
}

// isAwaited: services depend on this one.
func (t *tx) isAwaited(s *Service) bool {
	for key := range t.dependents(s.Asked.Key) {
		if d := t.services.get(key); d != nil && !d.Removing && slices.ContainsFunc(d.Asked.DependsOn, func(d fleet.Dependency) bool { return d.Service == s.Asked.Key.Name }) {
			return true
		}
	}
	return false
}

// isRun: the run that is known is of the version that is asked for, and no restart
// was ordered since.
func (t *tx) isRun(s *Service) bool {
	return s.Run != nil && s.Run.Version == s.Version && s.Run.Begun >= s.Restarted
}

// knowRun has an instance that was taken in be the run, where none is known.
func (t *tx) knowRun(s *Service) *Service {
	if s.Run != nil {
		return s
	}
	for _, in := range t.members(s.Asked.Key) {
		if in.Goal == fleet.GoalRun && in.Version == s.Version && in.Born >= s.Restarted && !t.waitedFor(in) {
			s = t.services.edit(s.Asked.Key)
			s.Run = &fleet.Run{Instance: in.ID, Host: in.Host, Version: in.Version, Begun: in.Born}
			return s
		}
	}
	return s
}

// runOnce brings the run of a one-shot service to its end.
func (t *tx) runOnce(s *Service) []string {
	if t.isRun(s) {
		in := t.instances.get(s.Run.Instance)
		switch {
		case s.Run.Over():
			return t.failedRun(s)
		case in != nil && in.Goal == fleet.GoalRun:
			return t.seeEnd(s, in)
		}
	}
	if lacks := t.unmet(s); len(lacks) > 0 && !s.Begun {
		return t.waitReasons(t.waitsSince(s, lacks), lacks)
	}
	s = t.waitsSince(s, nil)
	for _, in := range t.members(s.Asked.Key) {
		if !in.Lost && !t.waitedFor(in) {
			return []string{fmt.Sprintf("it runs again when %s on %s has stopped", in.ID, in.Host)}
		}
	}
	if why := t.placeAll(s, []int{1}, ""); why != "" {
		return []string{why}
	}
	made := t.newborn[s.Asked.Key]
	in := t.instances.get(made[len(made)-1])
	s = t.services.edit(s.Asked.Key)
	s.Run, s.Begun = &fleet.Run{Instance: in.ID, Host: in.Host, Version: in.Version, Begun: in.Born}, false
	return []string{t.runs(s)}
}

// runs says where a one-shot service runs.
func (t *tx) runs(s *Service) string {
	return fmt.Sprintf("version %d runs as %s on %s", s.Run.Version, s.Run.Instance, s.Run.Host)
}

// seeEnd notes how a run has ended, once its host says so.
func (t *tx) seeEnd(s *Service, in *Instance) []string {
	l := t.live.get(in.Host)
	if l == nil || l.instances[in.ID] == nil || l.instances[in.ID].Phase != fleet.PhaseExited || !t.carries(in, l.instances[in.ID]) {
		return []string{t.runs(s)}
	}
	a := l.instances[in.ID]
	run := *s.Run
	run.Ended, run.Code, run.Reason = t.now, a.ExitCode, a.Reason
	key := s.Asked.Key
	s = t.services.edit(key)
	s.Run = &run
	if run.Completed() {
		s.Renewed = t.rev
		t.event(fleet.EventServiceCompleted, subjectService(key), in.Cause, about(in, fmt.Sprintf("%s has completed as %s on %s", key, in.ID, in.Host)))
	}
	t.touchDependents(key, true)
	return t.failedRun(s)
}

// failedRun says that a run has failed, and the way out; nil: it has ended well.
func (t *tx) failedRun(s *Service) []string {
	if s.Run.Code == 0 {
		return nil
	}
	return []string{fmt.Sprintf(heldPrefix+"version %d on %s %s (apply what works, or muster restart %s runs it again)", s.Run.Version, s.Run.Host, ending(s.Run), s.Asked.Key)}
}

// ending is how a run has ended, in words.
func ending(r *fleet.Run) string {
	if r.Reason != "" {
		return r.Reason
	}
	return fmt.Sprintf("exited with code %d", r.Code)
}

// unended says why a one-shot service doesn't meet a condition yet; nil: it does.
func (t *tx) unended(s *Service, d fleet.Dependency, w *fleet.Wait) *fleet.Wait {
	if !t.isRun(s) {
		w.Why = "it has yet to run"
		if len(s.Waiting) > 0 {
			w.Why = "it waits for " + s.waitsFor()
		} else if len(s.Held) > 0 {
			w.Why += " (" + strings.TrimPrefix(s.Held[0], heldPrefix) + ")"
		}
		return w
	}
	w.Host, w.Instance = s.Run.Host, s.Run.Instance
	in := t.instances.get(s.Run.Instance)
	switch {
	case s.Run.Completed(), d.Condition == fleet.ConditionStarted && (s.Run.Over() || in != nil && t.hasStarted(in)):
		return nil
	case s.Run.Over():
		w.Why = ending(s.Run)
	case d.Condition == fleet.ConditionStarted && in != nil:
		w.Why = "not started" + t.because(in)
	case in != nil && in.Ready:
		w.Why = "it still runs"
	case in != nil:
		w.Why = "it hasn't completed" + t.because(in)
	default:
		w.Why = "it runs again, as its instance is gone"
	}
	return w
}

// completed: an instance is the run of a one-shot service that has ended well, and is
// kept for people to look at.
func (t *tx) completed(s *Service, in *Instance) bool {
	return s != nil && s.Asked.Mode == fleet.ModeJob && s.Run.Completed() && s.Run.Instance == in.ID
}
