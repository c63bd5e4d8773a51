package turn

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// Bounds of what a plan looks ahead: it is worked out while nothing else is.
const (
	maxAhead  = 2_000_000 // instances times hosts
	maxListed = 500       // moves
	maxRounds = 400       // of letting go and adding
)

// foresee says what an apply would have become of instances, once all of it is done:
// by the same decisions, on a draft on which whatever is started serves at once, and
// whatever is to leave is gone. A rollout's checks aren't foreseen.
func (t *tx) foresee(c fleet.Command, plan *fleet.Plan) {
	keys := map[fleet.ServiceKey]bool{}
	size := 0
	for _, change := range plan.Services {
		if change.Action != fleet.ActionUnchanged {
			keys[change.Service] = true
			size += len(t.members(change.Service))
		}
	}
	for i := range c.Services {
		size += c.Services[i].Count
	}
	switch {
	case len(keys) == 0:
		return
	case size*max(1, t.hosts.size()) > maxAhead:
		plan.Warnings = append(plan.Warnings, "too much would change for this plan to say where: the instances are placed as they come")
		return
	}
	d := &draft{tx: begin(t.s, t.now), keys: sorted(keys, fleet.ServiceKey.Less), before: map[string]*Instance{}, rolled: map[fleet.ServiceKey]bool{}}
	for _, key := range d.keys {
		for _, in := range d.members(key) {
			if in.Goal == fleet.GoalRun {
				d.before[in.ID] = in
			}
		}
	}
	c.DryRun = false
	if _, err := d.order(c); err != nil {
		return // it was refused before
	}
	d.goOn()
	plan.Moves, plan.Held = d.moves(plan), d.held()
	plan.Warnings = append(plan.Warnings, d.followers()...)
	if n := len(plan.Moves); n > maxListed {
		plan.Moves, plan.Left = plan.Moves[:maxListed], n-maxListed
	}
}

// draft is a turn that is dropped.
type draft struct {
	*tx
	keys   []fleet.ServiceKey
	before map[string]*Instance      // those that are to run now
	rolled map[fleet.ServiceKey]bool // services that a rollout replaces
}

// goOn works on until nothing changes any more.
func (d *draft) goOn() {
	for range maxRounds {
		d.adopted, d.crowd = map[fleet.ServiceKey]bool{}, nil
		for _, key := range d.keys {
			d.hurry(key)
			d.touch(key)
		}
		d.plan()
		if !d.pretend() {
			return
		}
	}
}

// hurry has a service's rollout be over, so that only what it leads to counts.
func (d *draft) hurry(key fleet.ServiceKey) {
	s := d.services.get(key)
	if s == nil || s.Rollout == nil || s.Rollout.Over() {
		return
	}
	d.rolled[key] = true
	recreates := s.Rollout.Spec.Strategy == fleet.StrategyRecreate
	d.services.edit(key).Rollout = nil
	for _, in := range d.members(key) {
		if recreates && in.Version != s.Version {
			d.leave(s, in, "")
			d.instances.delete(in.ID)
		}
	}
}

// pretend has agents and balancers have done what they are asked to. It reports
// whether there was anything.
func (d *draft) pretend() (some bool) {
	for _, key := range d.keys {
		running := map[string]bool{}
		for _, in := range d.members(key) {
			if in.Goal != fleet.GoalRun {
				d.instances.delete(in.ID)
				some = true
				continue
			}
			if running[in.ID] = true; !in.Ready {
				d.serve(in)
				some = true
			}
			some = d.end(in) || some
		}
		if s := d.services.get(key); s != nil {
			d.offer(s, running)
		}
	}
	return some
}

func (d *draft) serve(in *Instance) {
	in = d.instances.edit(in.ID)
	in.Ready, in.ReadyAt, in.Address = true, d.now, in.Host
	if v := d.versionOf(in); v != nil {
		for _, p := range v.Spec.Publish {
			in.Ports = with(in.Ports, p.Target, cmp.Or(p.HostPort, p.Target))
		}
	}
}

// end has a one-shot service's run have ended well. It reports whether it hadn't.
func (d *draft) end(in *Instance) bool {
	s := d.services.get(in.Service)
	if s == nil || s.Asked.Mode != fleet.ModeJob || s.Run == nil || s.Run.Instance != in.ID || s.Run.Over() {
		return false
	}
	run := *s.Run
	run.Ended = d.now
	d.services.edit(in.Service).Run = &run
	return true
}

// offer has every balancer give traffic to all that run.
func (d *draft) offer(s *Service, running map[string]bool) {
	report := &fleet.PoolActual{Service: s.Asked.Key}
	for _, id := range sorted(running, byText) {
		report.Endpoints = append(report.Endpoints, fleet.EndpointActual{Instance: id, State: fleet.EndpointReady, Check: fleet.CheckPassing})
	}
	for _, key := range d.balancersOf(s) {
		l := d.heard(key.Host)
		l.pools = with(l.pools, key.Name, with(l.pools[key.Name], s.Asked.Key, report)) // nil: it hasn't reported yet
	}
}

// moves pairs what has left with what has come.
func (d *draft) moves(plan *fleet.Plan) (moves []fleet.Move) {
	why := d.reasonsToLeave()
	for _, change := range plan.Services {
		if change.Action == fleet.ActionUnchanged {
			continue
		}
		var gone, come []*Instance
		now := map[string]bool{}
		for _, in := range d.members(change.Service) {
			if now[in.ID] = true; d.before[in.ID] == nil && in.Goal == fleet.GoalRun {
				come = append(come, in)
			}
		}
		for _, id := range sorted(d.before, byText) {
			if in := d.before[id]; in.Service == change.Service && !now[id] {
				gone = append(gone, in)
			}
		}
		slices.SortStableFunc(gone, func(a, b *Instance) int { return cmp.Compare(a.Slot, b.Slot) })
		moves = append(moves, paired(change, gone, come, why)...)
	}
	return moves
}

// paired has each that left be followed by one that came: on its host, if there is
// one.
func paired(change fleet.ServiceChange, gone, come []*Instance, why map[string]string) (moves []fleet.Move) {
	followed := map[string]*Instance{}
	take := func(fits func(in, next *Instance) bool) {
		for _, in := range gone {
			i := slices.IndexFunc(come, func(next *Instance) bool { return fits(in, next) })
			if followed[in.ID] == nil && i >= 0 {
				followed[in.ID] = come[i]
				come = slices.Delete(come, i, i+1)
			}
		}
	}
	take(func(in, next *Instance) bool { return in.Host == next.Host })
	take(func(_, _ *Instance) bool { return true })
	for _, in := range gone {
		m := fleet.Move{Action: fleet.MoveStop, Service: in.Service, Version: in.Version, Instance: in.ID, From: in.Host, Why: why[in.ID]}
		if next := followed[in.ID]; next != nil {
			if m.Action, m.To, m.Version = fleet.MoveMove, next.Host, next.Version; m.To == m.From {
				m.Action = fleet.MoveReplace
			}
		}
		moves = append(moves, m)
	}
	because := "more are asked for"
	if change.Action == fleet.ActionAdd {
		because = "it is new"
	}
	for _, in := range come {
		moves = append(moves, fleet.Move{Action: fleet.MoveStart, Service: in.Service, Version: in.Version, To: in.Host, Why: because})
	}
	return moves
}

// followers name the services that restart once others have been replaced: nothing of
// them is otherwise changed, or not their version.
func (d *draft) followers() (warnings []string) {
	after := sorted(d.rolled, fleet.ServiceKey.Less)
	for i := 0; i < len(after); i++ {
		on := after[i]
		for _, key := range sorted(d.dependents(on), fleet.ServiceKey.Less) {
			s := d.services.get(key)
			restarts := s != nil && !s.Removing && !s.Stopped && s.Begun && slices.ContainsFunc(s.Asked.DependsOn, func(dep fleet.Dependency) bool {
				return dep.Restart && dep.Service == on.Name
			})
			if restarts && !d.rolled[key] {
				d.rolled[key] = true
				after = append(after, key)
				warnings = append(warnings, fmt.Sprintf("%s restarts once %s has been replaced, as it depends on it with restart", key, on))
			}
		}
	}
	return few(warnings)
}

// reasonsToLeave are those of the draft's events, by instance.
func (d *draft) reasonsToLeave() map[string]string {
	why := map[string]string{}
	for i := range d.events {
		if e := &d.events[i]; e.Type == fleet.EventInstanceDraining {
			_, reason, _ := strings.Cut(e.Data.Message, ": ")
			why[e.Data.Instance] = reason
		}
	}
	return why
}

// held is what keeps services from getting there, once all else is done.
func (d *draft) held() (reasons []string) {
	for _, key := range d.keys {
		if n := d.notes.get(key); n != nil && d.services.get(key) != nil {
			for _, why := range n.reasons {
				reasons = append(reasons, fmt.Sprintf("%s: %s", key, strings.TrimPrefix(why, heldPrefix)))
			}
		}
	}
	return few(reasons)
}
