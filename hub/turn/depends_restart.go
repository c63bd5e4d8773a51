package turn

import (
	"fmt"
	"maps"
	"slices"

	"github.com/musterhq/muster/hub/rollout"
	"github.com/musterhq/muster/shared/fleet"
)

// mark is the revision at which a service last had all of its instances replaced, or
// was asked to: who depends on it with restart restarts after it.
func (s *Service) mark() uint64 { return max(s.Renewed, s.Restarted) }

// beside is another service of its project.
func (s *Service) beside(name string) fleet.ServiceKey {
	return fleet.ServiceKey{Project: s.Asked.Key.Project, Name: name}
}

// marks are those of the dependencies that a service restarts with, by their names.
func (t *tx) marks(s *Service) map[string]uint64 {
	var out map[string]uint64
	for _, d := range s.Asked.DependsOn {
		if on := t.services.get(s.beside(d.Service)); d.Restart && on != nil {
			out = with(out, d.Service, on.mark())
		}
	}
	return out
}

// renewAfter restarts a service after those of its dependencies with restart that
// have been replaced, once they are whole again.
func (t *tx) renewAfter(s *Service) (reasons []string) {
	for _, d := range s.Asked.DependsOn {
		key := s.beside(d.Service)
		on := t.services.get(key)
		if _, known := s.After[d.Service]; d.Restart && on != nil && !known {
			s = t.services.edit(s.Asked.Key)
			s.After = with(s.After, d.Service, on.mark())
		}
		if !t.restartsAfter(s, d, on) {
			continue
		}
		if s.Stopped { // whatever comes of it comes after that
			s = t.services.edit(s.Asked.Key)
			s.After = t.marks(s)
			continue
		}
		if w := t.unwhole(s, d, on); w != nil {
			if !on.Stopped && len(on.Held) == 0 { // else that is for the other to say
				reasons = append(reasons, w.String()+"; it restarts then")
			}
			continue
		}
		s = t.renew(s, key)
	}
	return reasons
}

// restartsAfter: a dependency with restart has been replaced since the service was
// last started. A rollout that has yet to begin replaces everything anyway.
func (t *tx) restartsAfter(s *Service, d fleet.Dependency, on *Service) bool {
	if r := s.Rollout; !s.Begun || r != nil && !r.Over() && preparing(r) {
		return false
	}
	before, known := s.After[d.Service]
	return d.Restart && on != nil && !on.Removing && known && on.mark() != before
}

// toRestart: a service is yet to restart after one of those that it depends on.
func (t *tx) toRestart(s *Service) bool {
	return slices.ContainsFunc(s.Asked.DependsOn, func(d fleet.Dependency) bool {
		return t.restartsAfter(s, d, t.services.get(s.beside(d.Service)))
	})
}

// unwhole says what a dependency that has been replaced still lacks; nil: nothing.
func (t *tx) unwhole(s *Service, d fleet.Dependency, on *Service) *fleet.Wait {
	w := &fleet.Wait{Service: on.Asked.Key, Condition: d.Condition, Why: t.rolls(on)}
	if w.Why == "" {
		d.Optional = false
		w = t.missed(s.Asked.Key.Project, d)
	}
	if w != nil {
		w.What = fleet.WaitRestart
	}
	return w
}

// restartWaits are the dependencies after which a service is yet to restart.
func (t *tx) restartWaits(s *Service) (waits []fleet.Wait) {
	for _, d := range s.Asked.DependsOn {
		on := t.services.get(s.beside(d.Service))
		if !t.restartsAfter(s, d, on) {
			continue
		}
		if w := t.unwhole(s, d, on); w != nil {
			waits = append(waits, *w)
		}
	}
	return waits
}

// renew restarts a service because one that it depends on has been replaced.
func (t *tx) renew(s *Service, on fleet.ServiceKey) *Service {
	key := s.Asked.Key
	s = t.services.edit(key)
	s.After = t.marks(s)
	s.Restarted, s.RestartedOn, s.Generation, s.Held = t.rev, nil, t.rev, nil
	s.Cause = t.event(fleet.EventServiceRestart, subjectService(key), t.services.get(on).Cause, fleet.EventData{
		Message: fmt.Sprintf("%s restarts, one instance after another, as %s has been replaced", key, on), Service: &key, Version: s.Version,
	})
	t.touch(key)
	t.touchDependents(key, true)
	return s
}

// renewed notes that all instances of a service have been replaced.
func (t *tx) renewed(s *Service) {
	s.Renewed = t.rev
	t.touchDependents(s.Asked.Key, true)
}

// replacedSome: a rollout that has gone back had let go of instances before, so that
// others of the version that it came from have taken their place.
func (t *tx) replacedSome(s *Service) bool {
	for _, in := range t.members(s.Asked.Key) {
		if in.Goal == fleet.GoalRun && in.Version == s.Rollout.From && in.Born > s.Rollout.ID {
			return true
		}
	}
	return false
}

// rolls says what rollout a service has under way; empty: none.
func (t *tx) rolls(s *Service) string {
	r := s.Rollout
	if r == nil || r.Over() {
		return ""
	}
	text := fmt.Sprintf("its rollout from version %d to %d is %s", r.From, r.To, r.State)
	if r.State == fleet.RolloutPaused || r.State == fleet.RolloutRollbackPaused {
		text += fmt.Sprintf(" (see muster rollout %s)", s.Asked.Key)
	}
	return text
}

func preparing(r *fleet.Rollout) bool {
	return r.State == fleet.RolloutPreparing || r.State == fleet.RolloutPaused && r.PausedIn == fleet.RolloutPreparing
}

// holdBack says which dependencies a rollout waits for before anything moves: the
// rollouts of those with restart, and the runs of one-shot services. One of the
// former that has gone back meanwhile is a failure of this rollout, too.
func (t *tx) holdBack(s *Service, r *fleet.Rollout, o *rollout.Observed) {
	if !preparing(r) || r.Back {
		return
	}
	waits, back := t.rolloutWaits(s, r)
	if len(waits) > 0 {
		o.After = waits[0].String()
	}
	o.Astray = back
}

// rolloutReasons say what a rollout waits for before anything moves, and the way out
// where that can't go on by itself.
func (t *tx) rolloutReasons(s *Service, r *fleet.Rollout) (reasons []string) {
	waits, _ := t.rolloutWaits(s, r)
	for i := range waits {
		w := &waits[i]
		reasons = append(reasons, fmt.Sprintf("rollout from version %d to %d: %s", r.From, r.To, w))
		switch on := t.services.get(w.Service); {
		case on != nil && on.Frozen:
			reasons = append(reasons, fmt.Sprintf(heldPrefix+"the rollout waits for %s, which is frozen (muster unfreeze %s; muster rollout %s abort stays at version %d)",
				w.Service.Name, w.Service, s.Asked.Key, r.From))
		case on != nil && len(on.Held) > 0:
			reasons = append(reasons, fmt.Sprintf(heldPrefix+"the rollout waits for %s, which is held (muster service %s says why; muster rollout %s abort stays at version %d)",
				w.Service.Name, w.Service, s.Asked.Key, r.From))
		}
	}
	return reasons
}

func (t *tx) rolloutWaits(s *Service, r *fleet.Rollout) (waits []fleet.Wait, back string) {
	for _, d := range s.Asked.DependsOn {
		key := s.beside(d.Service)
		on := t.services.get(key)
		w := &fleet.Wait{Service: key, Condition: d.Condition}
		switch {
		case on == nil || on.Removing:
			continue
		case d.Condition == fleet.ConditionCompleted:
			w = t.missed(key.Project, d)
		case !d.Restart:
			continue
		case t.rolls(on) != "":
			w.Why = t.rolls(on)
		default:
			if of := on.Rollout; of != nil && of.State == fleet.RolloutRolledBack && !of.Ended.Before(r.Since) {
				back = fmt.Sprintf("%s, which it is to come after, went back to version %d: %s", key, of.From, of.Why)
			}
			continue
		}
		if w != nil {
			w.What, w.Since = fleet.WaitRollout, r.Since
			waits = append(waits, *w)
		}
	}
	return waits, back
}

// touchDependents has the services planned that depend on another: all of them, or
// those that wait for something.
func (t *tx) touchDependents(key fleet.ServiceKey, all bool) {
	for dependent := range t.dependents(key) {
		s := t.services.get(dependent)
		if s == nil || s.Removing {
			continue
		}
		if all || !s.Begun || s.Rollout != nil && !s.Rollout.Over() && preparing(s.Rollout) || t.toRestart(s) {
			t.touch(dependent)
		}
	}
}

// dependents are the services that depend on another, in any order; there may be too
// many. It costs what has changed in this turn, not what there is.
func (t *tx) dependents(on fleet.ServiceKey) map[fleet.ServiceKey]bool {
	if t.dependsOn == nil {
		t.dependsOn = map[fleet.ServiceKey]map[fleet.ServiceKey]bool{}
		for key, s := range t.services.changed {
			for _, on := range dependencies(s) {
				t.dependsOn[on] = with(t.dependsOn[on], key, true)
			}
		}
	}
	stood, changed := t.s.dependents[on], t.dependsOn[on]
	if len(changed) == 0 {
		return stood
	}
	all := maps.Clone(changed)
	maps.Copy(all, stood)
	return all
}

// dependencies are the services that one depends on; of none (nil) there are none.
func dependencies(s *Service) (on []fleet.ServiceKey) {
	if s == nil {
		return nil
	}
	for _, d := range s.Asked.DependsOn {
		on = append(on, s.beside(d.Service))
	}
	return on
}

// touchOrder has those planned that a service depends on, or that depend on it, as
// that changes: a one-shot service runs if there is somebody who waits for it.
func (t *tx) touchOrder(s *Service) {
	t.dependsOn = nil
	for _, on := range dependencies(s) {
		t.touch(on)
	}
	t.touchDependents(s.Asked.Key, true)
	t.dependsOn = nil
}
