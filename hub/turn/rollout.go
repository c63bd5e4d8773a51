package turn

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/hub/placement"
	"github.com/musterhq/muster/hub/rollout"
	"github.com/musterhq/muster/shared/fleet"
)

// beginRollout begins the move of a service from a version to the one that is
// asked for now. It supersedes one that is under way, and then comes from where
// that came from.
func (t *tx) beginRollout(s *Service, from int, back bool, c fleet.Command) {
	key := s.Asked.Key
	t.dirtyMembers(key)
	if len(s.Waiting) > 0 && (s.Rollout == nil || s.Rollout.Over()) {
		return // nothing of it has begun: there is nothing to come from
	}
	if r := s.Rollout; r != nil && !r.Over() {
		t.rolloutEvent(s, fleet.EventRolloutReplaced, fmt.Sprintf("the rollout of %s from version %d to %d gives way to version %d", key, r.From, r.To, s.Version))
		if from = r.From; from == s.Version { // what it came from is asked for again
			next, _ := rollout.Abort(*r, actor(c), t.now)
			s.Rollout = &next
			return
		}
	}
	r := rollout.Begin(t.rev, from, s.Version, s.Asked.Rollout, s.Asked.Count, t.now)
	if back {
		r = rollout.Back(r, t.whole(s))
	}
	r.Cause, r.Actor = s.Cause, c.Actor
	if t.allAre(s) {
		r.State, r.Ended = fleet.RolloutSucceeded, t.now
		s.Rollout = &r
		return
	}
	r.Hosts = t.prepareHosts(s)
	for _, in := range t.members(key) { // what was there already may have had its troubles
		if n, _ := t.restarts(in); in.Version == r.To {
			r.Forgiven += n
		}
	}
	for _, host := range r.Hosts {
		t.dirtyHost[host] = true
	}
	s.Rollout = &r
	t.rolloutEvent(s, fleet.EventRolloutBegun, fmt.Sprintf("%s goes from version %d to %d: %s", key, from, s.Version, r.Spec.Strategy))
}

// allAre: what runs of a service, if anything does, is of the version that is asked
// for: a restored hub may hear of it only now.
func (t *tx) allAre(s *Service) bool {
	n := 0
	for _, in := range t.members(s.Asked.Key) {
		switch {
		case in.Goal != fleet.GoalRun:
		case in.Version != s.Version:
			return false
		default:
			n++
		}
	}
	return n > 0
}

// whole: as many instances of the version that is asked for as are wanted are
// there and ready, kept from before.
func (t *tx) whole(s *Service) bool {
	n := 0
	for _, in := range t.members(s.Asked.Key) {
		if in.Goal == fleet.GoalRun && in.Ready && in.Version == s.Version {
			n++
		}
	}
	return n >= t.count(s) && n > 0 && s.Asked.Mode != fleet.ModeGlobal
}

func (t *tx) rolloutEvent(s *Service, kind, message string) {
	key := s.Asked.Key
	t.event(kind, subjectService(key), s.Cause, fleet.EventData{Message: message, Service: &key, Version: s.Version})
}

// mostPrepared bounds the hosts that fetch an image before anything moves.
const mostPrepared = 200

// prepareHosts are those where instances of the version that is asked for would
// be placed now, and those that have some of the service.
func (t *tx) prepareHosts(s *Service) []string {
	hosts := map[string]bool{}
	for _, in := range t.members(s.Asked.Key) {
		if in.Goal == fleet.GoalRun {
			hosts[in.Host] = true
		}
	}
	if s.Asked.Mode == fleet.ModeGlobal || s.Asked.Spec.Pinned() {
		return sorted(hosts, byText)
	}
	siblings := map[string]int{}
	candidates := t.candidates(s, siblings, "")
	count := t.count(s)
	if s.Asked.Mode == fleet.ModeJob {
		count = 1
	}
	for range min(count, mostPrepared) {
		host, _ := placement.Choose(placement.Of(&s.Asked, ""), candidates)
		if host == "" {
			break
		}
		hosts[host] = true
		for i := range candidates {
			if candidates[i].ID == host {
				candidates[i].Siblings++
			}
		}
	}
	return sorted(hosts, byText)
}

// fetches is the version whose image hosts are to have before anything of it comes, and
// those hosts: that of a rollout, or of a service that waits for others.
func fetches(s *Service) (version int, hosts []string) {
	if r := s.Rollout; r != nil && !r.Over() {
		return r.To, r.Hosts
	}
	return s.Version, s.Fetch
}

// preparing are the services of which a host is to have an image beforehand.
func (t *tx) preparing(host string) (keys []fleet.ServiceKey) {
	if !t.prepares(host) {
		return nil
	}
	for _, key := range t.moving() {
		if _, hosts := fetches(t.services.get(key)); slices.Contains(hosts, host) {
			keys = append(keys, key)
		}
	}
	return keys
}

// prepares: a host's agent, as last heard, knows what it is to prepare. A hub that
// starts goes by that, too: it takes back nothing.
func (t *tx) prepares(host string) bool {
	h := t.hosts.get(host)
	return h != nil && slices.Contains(h.Facts.Features, fleet.FeaturePrepare)
}

// moving are the services whose rollout isn't over, or that wait for others. At the turn's end, when many
// hosts are derived, they are found once.
func (t *tx) moving() (keys []fleet.ServiceKey) {
	if t.movers != nil {
		return *t.movers
	}
	found := map[fleet.ServiceKey]bool{}
	look := func(key fleet.ServiceKey) {
		if s := t.services.get(key); s != nil && s.comes() && !s.Removing {
			found[key] = true
		}
	}
	for key := range t.s.rolling {
		look(key)
	}
	for key := range t.services.changed {
		look(key)
	}
	return sorted(found, fleet.ServiceKey.Less)
}

// prepare adds what a host is to fetch to its desired state.
func (t *tx) prepare(d *fleet.Desired) {
	for _, key := range t.preparing(d.Host) {
		s := t.services.get(key)
		version, _ := fetches(s)
		v, known := s.Versions[version]
		if !known {
			continue
		}
		name := fleet.VersionKey(key, v.Number)
		d.Prepare = append(d.Prepare, name)
		if d.Versions == nil {
			d.Versions = map[string]fleet.Spec{}
		}
		d.Versions[name] = v.Spec
		if v.Pin != "" {
			if d.Pins == nil {
				d.Pins = map[string]string{}
			}
			d.Pins[name] = v.Pin
		}
	}
	slices.Sort(d.Prepare)
}

// prepared takes in which images a host has for versions that are about to come.
func (t *tx) prepared(host string, before, now map[string]fleet.Prepared) {
	if reflect.DeepEqual(before, now) {
		return
	}
	for _, key := range t.preparing(host) {
		s := t.services.get(key)
		version, hosts := fetches(s)
		p, known := now[fleet.VersionKey(key, version)]
		if v := s.Versions[version]; known && v.Pin == "" && p.Image != "" {
			v.Pin = p.Digest
			if v.Pin == "" {
				v.Pin = p.Image
			}
			t.services.edit(key).Versions = with(s.Versions, v.Number, v)
			for _, other := range hosts {
				t.dirtyHost[other] = true
			}
			for _, in := range t.members(key) {
				t.dirtyHost[in.Host] = true
			}
		}
		t.touch(key)
	}
}

// unprepared says which hosts still fetch the image of a rollout, and which
// can't. Nobody waits for hosts that aren't heard, or that can't do anything now.
func (t *tx) unprepared(s *Service) (fetching, failing string) {
	var waits, fails []string
	key := fleet.VersionKey(s.Asked.Key, s.Rollout.To)
	for _, host := range s.Rollout.Hosts {
		l := t.live.get(host)
		if l == nil || l.State != fleet.HostUp || l.Actual == nil || !t.prepares(host) ||
			!l.Actual.Engine.Up || l.Actual.Problem != "" { // one that is broken itself holds nobody up
			continue
		}
		switch p := l.Actual.Prepared[key]; {
		case p.Image != "":
		case p.Problem != "":
			fails = append(fails, host+": "+p.Problem)
		default:
			waits = append(waits, host)
		}
	}
	if len(fails) > 0 {
		failing = fmt.Sprintf("the image of version %d can't be fetched on %s", s.Rollout.To, strings.Join(fails, "; "))
	}
	if len(waits) > 0 {
		fetching = fmt.Sprintf("%s still fetch the image of version %d", strings.Join(waits, ", "), s.Rollout.To)
	}
	return fetching, failing
}

// roll lets a service's rollout go on, and returns what it wants.
func (t *tx) roll(key fleet.ServiceKey) rollout.Wanted {
	s := t.services.get(key)
	if s.Rollout == nil {
		return rollout.Wanted{Weight: rollout.Natural}
	}
	r := *s.Rollout
	if r.Since.Before(t.s.Started) && !r.Over() { // what nobody saw doesn't count
		r.Since, r.Served, r.Stalled = t.s.Started, time.Time{}, time.Time{}
	}
	next := r
	if !r.Over() {
		for range 2 { // what is prepared goes on at once
			was, before := next.State, next
			next = rollout.Step(next, t.observe(s, &next), t.now)
			if t.skips(key, &next) {
				next = before
				break
			}
			t.remember(s, &before, &next)
			if was != fleet.RolloutPreparing || next.State != fleet.RolloutProgressing {
				break
			}
		}
	}
	if !sameRollout(s.Rollout, &next) {
		s = t.services.edit(key)
		before := s.Rollout
		s.Rollout = &next
		t.moved(s, before)
	}
	return rollout.Wants(s.Rollout, t.count(s), t.now)
}

// skips: a rollout would come two steps further in one turn, in which a service may
// be planned more than once. The next turn sees first how it does.
func (t *tx) skips(key fleet.ServiceKey, next *fleet.Rollout) bool {
	s := t.s.Services[key]
	return s != nil && s.Rollout != nil && s.Rollout.ID == next.ID && s.Asked.Count > 0 && next.Step > s.Rollout.Step+1
}

func sameRollout(a, b *fleet.Rollout) bool { return reflect.DeepEqual(a, b) }

// moved tells what a rollout has come to, and carries out that it goes back.
func (t *tx) moved(s *Service, before *fleet.Rollout) {
	r := s.Rollout
	t.touch(s.Asked.Key)
	t.dirtyPool[s.Asked.Key] = true
	if preparing(before) && !preparing(r) { // what comes now comes after them
		s.After = t.marks(s)
	}
	if before.Over() != r.Over() {
		for _, host := range imageHosts(s) {
			t.dirtyHost[host] = true
		}
	}
	text := fmt.Sprintf("%s, version %d to %d: ", s.Asked.Key, r.From, r.To)
	switch {
	case r.State == fleet.RolloutRollingBack && s.Version != r.From:
		t.returnTo(s, r.From)
		t.rolloutEvent(s, fleet.EventRolloutBack, text+"goes back: "+r.Why)
	case r.State == before.State && r.Step == before.Step && r.Weight == before.Weight:
	case r.State == fleet.RolloutProgressing && r.Beside() && r.Weight != r.Spec.Steps[r.Step].Weight: // not yet
	case r.State == fleet.RolloutProgressing && r.Beside():
		t.rolloutEvent(s, fleet.EventRolloutStep, text+fmt.Sprintf("step %d of %d, %d %% of the traffic", r.Step+1, len(r.Spec.Steps), r.Weight))
	case r.State == before.State:
	case r.State == fleet.RolloutPaused:
		t.rolloutEvent(s, fleet.EventRolloutPaused, text+"pauses ("+r.PauseReason+"): "+r.Why)
	case r.State == fleet.RolloutPromoting:
		t.rolloutEvent(s, fleet.EventRolloutPromoting, text+"all traffic is the new version's")
	case r.State == fleet.RolloutSucceeded:
		t.renewed(s)
		t.rolloutEvent(s, fleet.EventRolloutSucceeded, text+"succeeded")
	case r.State == fleet.RolloutRolledBack:
		if t.replacedSome(s) {
			t.renewed(s)
		}
		t.rolloutEvent(s, fleet.EventRolloutBackAgain, text+"is back: "+r.Why)
	}
}

// returnTo asks for an older version again, as a new generation. Where its
// listeners can't be had any more, it is offered as the newer one was.
func (t *tx) returnTo(s *Service, version int) {
	v := s.Versions[version]
	asked := s.Asked
	asked.Spec = v.Spec
	asked.Spec.Requires = nil
	if !reflect.DeepEqual(v.Balancing, asked.Balancing) {
		asked.Balancing = v.Balancing
		if ports, err := t.shareOut(fleet.Command{Project: asked.Key.Project, Services: []fleet.Service{asked}}); err == nil {
			s.NamePorts = ports.names[asked.Key]
		} else {
			asked.Balancing = s.Asked.Balancing
		}
	}
	s.Asked, s.Version, s.Generation, s.Held = asked, version, t.rev, nil
	t.touch(asked.Key)
	t.dirtyPool[asked.Key] = true
}

// pauseReasons say what keeps a rollout that doesn't go on by itself, and the way out.
func (t *tx) pauseReasons(s *Service) []string {
	r := s.Rollout
	if r == nil {
		return nil
	}
	key := s.Asked.Key
	waits := func(ways string) []string {
		return []string{fmt.Sprintf(heldPrefix+"%s (muster rollout %s %s)", rollout.Describe(r), key, ways)}
	}
	switch {
	case r.State == fleet.RolloutPaused && r.PauseReason == fleet.PauseFailure:
		return waits("retry, or abort")
	case r.State == fleet.RolloutPaused && r.PauseReason == fleet.PauseBalancer:
		return waits("promote goes on without, abort goes back")
	case r.State == fleet.RolloutPaused && r.PauseReason == fleet.PauseAgent:
		return []string{fmt.Sprintf(heldPrefix+"%s (or muster rollout %s abort)", rollout.Describe(r), key)}
	case r.State == fleet.RolloutPaused && r.PauseReason == fleet.PauseManual && r.Manual():
		return waits("promote, or abort")
	case r.State == fleet.RolloutPaused:
		return waits("promote, resume or abort")
	case r.State == fleet.RolloutRollbackPaused:
		o := t.observe(s, r)
		return []string{fmt.Sprintf(heldPrefix+"%s; of version %d %d of %d instances serve, and %d of others are left (it ends by itself when they are gone; muster rollout %s retry tries version %d again)",
			rollout.Describe(r), r.From, o.Old.Serving, o.Count, o.New.Present+o.New.Leaving, key, r.To)}
	case r.State == fleet.RolloutPreparing && r.Waits:
		return t.rolloutReasons(s, r)
	case r.State == fleet.RolloutPreparing && r.Why != "", r.Beside() && r.State == fleet.RolloutProgressing:
		return []string{rollout.Describe(r)}
	}
	return nil
}

// kept: an instance of the version before is kept without traffic, for a quick
// way back.
func (t *tx) kept(s *Service, in *Instance) bool {
	r := s.Rollout
	return r != nil && r.State == fleet.RolloutSucceeded && t.now.Before(r.KeepUntil) && in.Goal == fleet.GoalRun && in.Version == r.From && r.From != s.Version
}
