package turn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// heldPrefix begins every reason that won't go away by itself.
const heldPrefix = "held: "

// report records what a person should hear of: that a service has converged,
// or that it can't.
func (t *tx) report(key fleet.ServiceKey, reasons []string) {
	s := t.services.get(key)
	t.note(key, reasons)
	var held []string
	for _, why := range reasons {
		if strings.HasPrefix(why, heldPrefix) {
			held = append(held, why)
		}
	}
	if strings.Join(held, "\n") != strings.Join(s.Held, "\n") {
		s = t.services.edit(key)
		s.Held = held
		if len(held) > 0 {
			t.event(fleet.EventServiceHeld, subjectService(key), s.Cause, fleet.EventData{Message: fmt.Sprintf("%s is %s", key, strings.Join(held, "; ")), Service: &key})
		}
	}
	if s.Converged != s.Generation && len(reasons) == 0 && len(t.distance(s)) == 0 {
		s = t.services.edit(key)
		s.Converged = s.Generation
		t.event(fleet.EventServiceConverged, subjectService(key), s.Cause, fleet.EventData{Message: fmt.Sprintf("%s is as it was asked for", key), Service: &key, Version: s.Version})
	}
}

// note keeps the reasons for people to see. They aren't stored: the next plan
// finds them again.
func (t *tx) note(key fleet.ServiceKey, reasons []string) {
	before := t.notes.get(key)
	switch {
	case len(reasons) > 0 && (before == nil || !slices.Equal(before.reasons, reasons)):
		t.notes.put(key, &notes{reasons: reasons})
	case len(reasons) == 0 && before != nil:
		t.notes.delete(key)
	}
}

// mostReasons are told one by one: thousands help nobody, and are told anew at
// each step.
const mostReasons = 20

// few cuts a long list of reasons short, those first that won't go away by
// themselves.
func few(reasons []string) []string {
	if len(reasons) <= mostReasons {
		return reasons
	}
	held := func(why string) bool { return strings.HasPrefix(why, heldPrefix) }
	var out, others []string
	for _, why := range reasons {
		if held(why) {
			out = append(out, why)
		} else {
			others = append(others, why)
		}
	}
	out = append(out, others...)
	rest := out[mostReasons:]
	more := fmt.Sprintf("and %d reasons more", len(rest))
	if held(rest[0]) {
		more = heldPrefix + more
	}
	return append(out[:mostReasons:mostReasons], more)
}

// distance lists in words what is still missing between desired and actual;
// empty: converged.
func (t *tx) distance(s *Service) []string {
	key := s.Asked.Key
	var out []string
	if s.Removing {
		return []string{"is being removed"}
	}
	running, waiting := 0, map[string]bool{}
	for _, in := range t.members(key) {
		if t.kept(s, in) || t.completed(s, in) && in.Goal == fleet.GoalRun {
			continue
		}
		l := t.live.get(in.Host)
		up := l != nil && l.State == fleet.HostUp
		if up && l.Presence.Observed.Generation != t.desiredGeneration(in.Host) && (l.Actual == nil || l.Actual.Observed.Generation != t.desiredGeneration(in.Host)) {
			waiting[in.Host] = true
		}
		switch {
		case in.Goal == fleet.GoalRun:
			running++
			if why := t.instanceDistance(s, in, l); why != "" {
				out = append(out, fmt.Sprintf("instance %s on %s %s", in.ID, in.Host, why))
			}
		case up && in.Goal == fleet.GoalDrain:
			out = append(out, t.draining(in))
		case up:
			out = append(out, t.stopping(in, l))
		}
	}
	for _, host := range sorted(waiting, byText) {
		out = append(out, host+" hasn't taken its desired state yet"+t.behindWhy(host))
	}
	if want := t.wanted(s); running != want && len(s.Waiting) == 0 { // who waits says so
		out = append(out, fmt.Sprintf("%d of %d instances are placed", running, want))
	}
	return few(append(out, t.poolDistance(s)...))
}

// waits are the balancers that a leaving instance still waits for.
func (t *tx) waits(in *Instance) (out []fleet.BalancerKey) {
	if in.Goal != fleet.GoalDrain {
		return nil
	}
	for _, key := range sorted(in.Sent, fleet.BalancerKey.Less) {
		if in.Released[key] == "" {
			out = append(out, key)
		}
	}
	return out
}

// draining says whom a leaving instance waits for, and the way out where
// nobody will answer.
func (t *tx) draining(in *Instance) string {
	text := fmt.Sprintf("instance %s on %s leaves the balancers", in.ID, in.Host)
	for _, key := range t.waits(in) {
		text += fmt.Sprintf(", %s still has to acknowledge", key)
		if !t.driven(key) {
			text += fmt.Sprintf(", whose agent is silent or no longer drives it (if it is gone for good: muster lb forget %s)", key)
		}
	}
	return text
}

// stopping says how far an instance is that was asked to stop.
func (t *tx) stopping(in *Instance, l *Live) string {
	switch {
	case l == nil || l.State != fleet.HostUp:
		return fmt.Sprintf("instance %s stops when %s is back", in.ID, in.Host)
	case l.instances[in.ID] != nil && l.instances[in.ID].Reason != "":
		return fmt.Sprintf("instance %s on %s is being stopped: %s", in.ID, in.Host, l.instances[in.ID].Reason)
	default:
		return fmt.Sprintf("instance %s on %s is being stopped", in.ID, in.Host)
	}
}

// behindWhy says what keeps a host from taking its desired state, where that
// is known.
func (t *tx) behindWhy(host string) string {
	switch l := t.live.get(host); {
	case l.Alien != "":
		return ": its agent " + t.foreign(l.Alien)
	case l.Actual != nil && l.Actual.Problem != "":
		return ": " + l.Actual.Problem
	default:
		return ""
	}
}

func (t *tx) instanceDistance(s *Service, in *Instance, l *Live) string {
	switch {
	case t.outdated(s, in):
		return "is to be replaced"
	case l != nil && l.State == fleet.HostLost:
		return "is on a lost host"
	case !in.Ready:
		if l != nil && l.instances[in.ID] != nil && l.instances[in.ID].Reason != "" {
			return "isn't ready: " + l.instances[in.ID].Reason
		}
		return "isn't ready yet"
	case !t.serving(s, in) && !t.idle(s, in):
		return "isn't in every balancer yet"
	default:
		return ""
	}
}

func (t *tx) wanted(s *Service) int {
	switch s.Asked.Mode {
	case fleet.ModeJob:
		return t.working(s)
	case fleet.ModeGlobal:
	default:
		return t.count(s)
	}
	n := 0
	for _, host := range t.hosts.keys(byText) {
		if t.wantsGlobal(s, host) {
			n++
		}
	}
	return n
}

// poolDistance names the balancers that are heard and haven't applied the
// pool as published.
func (t *tx) poolDistance(s *Service) (out []string) {
	for _, key := range t.balancersOf(s) {
		p := t.pools.get(PoolKey{Host: key.Host, Service: s.Asked.Key})
		l := t.live.get(key.Host)
		if p == nil || l == nil || l.State != fleet.HostUp {
			continue
		}
		report := l.pools[key.Name][s.Asked.Key]
		if len(p.Held) > 0 {
			out = append(out, heldText(p.Held))
		}
		switch {
		case !t.driven(key):
			out = append(out, fmt.Sprintf("balancer %s is no longer driven by its agent (if it is gone for good: muster lb forget %s)", key, key))
		case report == nil:
			out = append(out, fmt.Sprintf("balancer %s hasn't taken the pool yet", key))
		case report.Generation != p.Pool.Generation && report.Problem != "":
			out = append(out, fmt.Sprintf("balancer %s: %s", key, report.Problem))
		case report.Generation != p.Pool.Generation && troubles(l.Actual)[key.Name] != "":
			out = append(out, fmt.Sprintf("balancer %s: %s", key, troubles(l.Actual)[key.Name]))
		case report.Generation != p.Pool.Generation:
			out = append(out, fmt.Sprintf("balancer %s is at generation %d of %d", key, report.Generation, p.Pool.Generation))
		}
	}
	return out
}
