package turn

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// A service may come after others of its project. Its first instances wait until
// each of those meets its condition, wherever it runs; from then on it has begun,
// and what becomes of them later stops, and holds up, nothing of it. See ADR 22.

// precede has a service come after those that it depends on: its first instances
// wait for them, and it restarts after those that it is to restart with. What it
// returns first is why nothing of it is placed; nil: that may be.
func (t *tx) precede(s *Service) (waits, reasons []string) {
	if len(s.Asked.DependsOn) == 0 {
		t.waitsSince(s, nil)
		return nil, nil
	}
	if s.Begun {
		return nil, t.renewAfter(s)
	}
	runs := func(in *Instance) bool { return in.Goal == fleet.GoalRun } // what stops may be left of an earlier service
	if slices.ContainsFunc(t.members(s.Asked.Key), runs) {
		t.begin(s)
		return nil, nil
	}
	var lacks []fleet.Wait
	if t.wanted(s) > 0 {
		lacks = t.unmet(s)
	}
	return t.waitReasons(t.waitsSince(s, lacks), lacks), nil
}

// begin ends the wait of a service for those that it depends on, for good: its first
// instance has been placed.
func (t *tx) begin(s *Service) {
	s = t.services.edit(s.Asked.Key)
	s.Begun, s.Waiting, s.After = true, nil, t.marks(s)
	t.fetchOn(s, nil)
	t.touch(s.Asked.Key)
}

// unmet are the dependencies that don't meet their condition.
func (t *tx) unmet(s *Service) (waits []fleet.Wait) {
	for _, d := range s.Asked.DependsOn {
		if w := t.missed(s.Asked.Key.Project, d); w != nil {
			w.What = fleet.WaitStart
			waits = append(waits, *w)
		}
	}
	return waits
}

// missed says where and why a dependency doesn't meet its condition; nil: it does.
func (t *tx) missed(project string, d fleet.Dependency) *fleet.Wait {
	key := fleet.ServiceKey{Project: project, Name: d.Service}
	w := &fleet.Wait{Service: key, Condition: d.Condition}
	s := t.services.get(key)
	switch {
	case d.Optional && (s == nil || s.Removing || s.Stopped || s.Asked.Mode == fleet.ModeJob && t.isRun(s) && s.Run.Over()):
		return nil
	case s == nil || s.Removing:
		w.Why = "there is no such service"
	case s.Asked.Mode == fleet.ModeJob:
		return t.unended(s, d, w)
	case d.Condition == fleet.ConditionCompleted:
		w.Why = "it isn't a one-shot service, and has no end"
	case s.Stopped:
		w.Why = "it is stopped"
	case len(s.Waiting) > 0:
		w.Why = "it waits for " + s.waitsFor()
	default:
		return t.unready(s, d, w)
	}
	return w
}

// unready says which instance of a dependency isn't there yet. Those of an older
// version, and those that are to restart, are none of it.
func (t *tx) unready(s *Service, d fleet.Dependency, w *fleet.Wait) *fleet.Wait {
	met, want := 0, t.within(s)
	var first *Instance
	for _, in := range t.members(s.Asked.Key) {
		switch {
		case in.Goal != fleet.GoalRun || t.outdated(s, in):
		case in.Ready || d.Condition == fleet.ConditionStarted && t.hasStarted(in):
			met++
		case first == nil:
			first = in
		}
	}
	if met >= want {
		return nil
	}
	if first == nil {
		w.Why = fmt.Sprintf("%d of %d instances are placed", met, want)
		if len(s.Held) > 0 {
			w.Why += " (" + strings.TrimPrefix(s.Held[0], heldPrefix) + ")"
		}
		return w
	}
	w.Host, w.Instance = first.Host, first.ID
	w.Why = map[string]string{fleet.ConditionStarted: "not started", fleet.ConditionHealthy: "not healthy"}[d.Condition] + t.because(first)
	return w
}

// within is how many instances a dependency is to have where any can be: of a global
// one that is every host that is heard.
func (t *tx) within(s *Service) (n int) {
	if s.Asked.Mode != fleet.ModeGlobal {
		return t.count(s)
	}
	t.hosts.each(func(host string, _ *Host) {
		if t.wantsGlobal(s, host) && t.barred(host) == "" {
			n++
		}
	})
	return n
}

// hasStarted: the program of an instance has been started, whatever became of it.
func (t *tx) hasStarted(in *Instance) bool {
	l := t.live.get(in.Host)
	if l == nil || l.instances[in.ID] == nil {
		return false
	}
	a := l.instances[in.ID]
	return a.Phase == fleet.PhaseRunning || a.Phase == fleet.PhaseExited || a.Restarts > 0
}

// probeFails is how agents begin to say what a probe that fails has met.
const probeFails = "its probe fails: "

// because is what its host says of an instance that isn't there yet, in brackets.
func (t *tx) because(in *Instance) string {
	l := t.live.get(in.Host)
	switch {
	case l == nil || l.State == fleet.HostUnknown:
		return fmt.Sprintf(" (%s isn't heard yet)", in.Host)
	case l.State != fleet.HostUp:
		return fmt.Sprintf(" (%s is %s)", in.Host, l.State)
	case l.instances[in.ID] == nil:
		return " (" + fleet.PhasePending + ")"
	}
	a := l.instances[in.ID]
	return " (" + strings.TrimPrefix(cmp.Or(a.Reason, a.Phase), probeFails) + ")"
}

// waitsFor names the dependencies that a service's first instances wait for.
func (s *Service) waitsFor() string { return strings.Join(sorted(s.Waiting, byText), ", ") }

// waitsSince keeps since when a service waits for which dependencies, and puts that
// into waits. It returns the service as it is then.
func (t *tx) waitsSince(s *Service, waits []fleet.Wait) *Service {
	var since map[string]time.Time
	for i := range waits {
		w := &waits[i]
		w.Since = t.now
		if before, known := s.Waiting[w.Service.Name]; known {
			w.Since = before
		}
		since = with(since, w.Service.Name, w.Since)
	}
	if maps.EqualFunc(since, s.Waiting, time.Time.Equal) {
		return s
	}
	if key := s.Asked.Key; len(s.Waiting) == 0 {
		t.event(fleet.EventServiceWaiting, subjectService(key), s.Cause, fleet.EventData{Message: fmt.Sprintf("%s is %s", key, &waits[0]), Service: &key, Version: s.Version})
	}
	fetch := s.Fetch
	switch {
	case len(s.Waiting) == 0:
		fetch = t.prepareHosts(s)
	case len(since) == 0:
		fetch = nil
	}
	s = t.services.edit(s.Asked.Key)
	s.Waiting = since
	t.fetchOn(s, fetch)
	return s
}

// fetchOn has hosts fetch a service's image before anything of it comes, in the place
// of those that did.
func (t *tx) fetchOn(s *Service, hosts []string) {
	for _, host := range slices.Concat(s.Fetch, hosts) {
		t.dirtyHost[host] = true
	}
	s.Fetch = hosts
}

// waitReasons say what a service waits for, and the way out where that lasts or can't
// end by itself.
func (t *tx) waitReasons(s *Service, waits []fleet.Wait) (reasons []string) {
	for i := range waits {
		w := &waits[i]
		out := t.wayOut(s, w)
		switch on, lasts := t.services.get(w.Service), t.now.Sub(w.Since) > t.s.opts.ReadyAfter; {
		case out != "":
			reasons = append(reasons, fmt.Sprintf(heldPrefix+"%s (%s; muster start %s waits for nothing)", w, out, s.Asked.Key))
		case on != nil && len(on.Held) > 0: // the words for what it lacks may change all the time
			reasons = append(reasons, w.String(), fmt.Sprintf(heldPrefix+"waiting for %s, which is held (muster service %s says why; muster start %s waits for nothing)",
				w.Service.Name, w.Service, s.Asked.Key))
		case lasts:
			reasons = append(reasons, w.String(), fmt.Sprintf(heldPrefix+"waiting for %s for more than %s (muster service %s says more; muster start %s waits for nothing)",
				w.Service.Name, t.s.opts.ReadyAfter, w.Service, s.Asked.Key))
		default:
			reasons = append(reasons, w.String())
		}
	}
	return reasons
}

// wayOut is what a person can do about a dependency that won't meet its condition by
// itself; empty: it may.
func (t *tx) wayOut(s *Service, w *fleet.Wait) string {
	d := t.services.get(w.Service)
	switch {
	case d == nil || d.Removing:
		return fmt.Sprintf("apply a file that has it, or take it out of depends_on of %s", s.Asked.Key.Name)
	case d.Asked.Mode == fleet.ModeJob && t.isRun(d) && d.Run.Over():
		return fmt.Sprintf("apply what works, or muster restart %s runs it again", w.Service)
	case d.Asked.Mode != fleet.ModeJob && w.Condition == fleet.ConditionCompleted:
		return fmt.Sprintf("apply a file in which it is one, or has another condition in depends_on of %s", s.Asked.Key.Name)
	case d.Stopped:
		return fmt.Sprintf("muster start %s", w.Service)
	case d.Frozen:
		return fmt.Sprintf("it is frozen: muster unfreeze %s", w.Service)
	}
	return ""
}

// waitsNow are the dependencies that a service waits for now.
func (t *tx) waitsNow(s *Service) (waits []fleet.Wait) {
	r := s.Rollout
	switch {
	case s.Removing:
		return nil
	case len(s.Waiting) > 0:
		waits = t.unmet(s)
		for i := range waits {
			waits[i].Since = s.Waiting[waits[i].Service.Name]
		}
	case r != nil && r.Waits && preparing(r):
		waits, _ = t.rolloutWaits(s, r)
	default:
		waits = t.restartWaits(s)
	}
	return waits
}
