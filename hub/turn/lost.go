package turn

import (
	"fmt"
	"time"

	"github.com/musterhq/muster/hub/balance"
	"github.com/musterhq/muster/shared/fleet"
)

// giveUp decides for an instance on a host that isn't heard whether it is
// replaced elsewhere. why says in words what keeps it; empty and false: its
// host is heard, there is nothing to decide.
//
// A dead agent is not a dead host. A balancer whose check passes after the
// silence began is the second witness: the instance serves, and stays.
func (t *tx) giveUp(s *Service, in *Instance) (gone bool, why string) {
	l := t.live.get(in.Host)
	h := t.hosts.get(in.Host)
	if l == nil || h == nil || l.State == fleet.HostUp || l.State == fleet.HostUnknown && !h.Failed {
		return false, ""
	}
	switch {
	case h.Maintenance != nil && !h.Failed:
		return false, fmt.Sprintf("%s is %s, and in maintenance%s: what it runs waits for it (muster host activate %s ends that)", in.Host, l.State, h.Maintenance.until(), in.Host)
	case t.homeOf(s, in.Slot) == in.Host:
		return false, fmt.Sprintf(heldPrefix+"its data is on %s, which is %s%s", in.Host, l.State, t.dataHint(in.Host))
	case h.Failed:
		return true, ""
	case h.Frozen:
		return false, fmt.Sprintf(heldPrefix+"%s is %s and frozen, so nothing of it is placed elsewhere (muster unfreeze host:%s)", in.Host, l.State, in.Host)
	case s.Asked.Mode == fleet.ModeGlobal:
		return false, fmt.Sprintf("%s is %s", in.Host, l.State)
	case l.State == fleet.HostStopped:
		return false, fmt.Sprintf("the agent on %s is stopped (if the host is dead: muster host fail %s)", in.Host, in.Host)
	case s.Asked.Reschedule == fleet.RescheduleNever:
		return false, fmt.Sprintf(heldPrefix+"%s is lost, and x-reschedule is never: instance %s stays there (to have what runs there placed anew: muster host fail %s)", in.Host, in.ID, in.Host)
	case t.fleet.Held:
		return false, fmt.Sprintf(heldPrefix+"%s is lost and so are too many others (if it is dead: muster host fail %s)", in.Host, in.Host)
	case t.now.Sub(t.fleet.ReleasedAt) < t.s.opts.ReturnWithin:
		return false, fmt.Sprintf("%s is lost; many were, and the others are coming back", in.Host)
	}
	if wait := t.s.opts.Grace; t.now.Sub(l.Since) < s.Asked.Grace.Or(wait) {
		return false, fmt.Sprintf("%s is lost; waiting %s before placing anew", in.Host, s.Asked.Grace.Or(wait))
	}
	return t.witness(s, in, l)
}

// witness asks the balancers' checks whether the instance serves. What a
// balancer saw lately counts though its own agent has gone since, for an
// upgrade perhaps: the balancer goes on. That it saw nothing doesn't.
func (t *tx) witness(s *Service, in *Instance, l *Live) (gone bool, why string) {
	if s.Asked.Balancing == nil || len(in.Sent) == 0 {
		return true, ""
	}
	heard, silent := 0, 0
	from := l.LastHeard.Add(checkWindow(s.Asked.Balancing.Check))
	for _, key := range sorted(in.Sent, fleet.BalancerKey.Less) {
		if t.writtenOff(key) {
			continue
		}
		host := t.live.get(key.Host)
		if host == nil {
			silent++
			continue
		}
		saw, up := fleet.CheckUnknown, host.State == fleet.HostUp
		if !host.LastHeard.Before(from) {
			saw = check(host.pools[key.Name][in.Service], in.ID)
		}
		switch {
		case saw == fleet.CheckPassing && (up || t.now.Sub(host.LastHeard) <= t.s.opts.LostAfter):
			return false, fmt.Sprintf("the agent on %s is silent, but %s still reaches the instance", in.Host, key)
		case !up:
			silent++
		case saw == fleet.CheckUnknown:
			return false, fmt.Sprintf("%s is lost; waiting for the check of %s", in.Host, key)
		default:
			heard++
		}
	}
	if heard == 0 && silent > 0 {
		return false, fmt.Sprintf(heldPrefix+"%s is lost, and no balancer of the service is heard (if it is dead: muster host fail %s)", in.Host, in.Host)
	}
	return true, ""
}

// check is what a balancer's check says of an instance. A balancer that hasn't
// reported, or that sends to the instance without a check's result, doesn't
// know yet; one that doesn't have it can't reach it.
func check(report *fleet.PoolActual, instance string) string {
	if report == nil {
		return fleet.CheckUnknown
	}
	for _, e := range report.Endpoints {
		if e.Instance == instance && (e.Check != fleet.CheckUnknown || e.State == fleet.EndpointReady) {
			return e.Check
		}
	}
	return fleet.CheckFailing
}

// checkWindow is how long after an endpoint's death its check may still be
// seen passing.
func checkWindow(c fleet.Check) time.Duration {
	return time.Duration(max(c.Fall, 2))*c.Interval.Or(time.Second) + c.Timeout.Or(time.Second) + time.Second
}

// replaceLost lets an instance go: it leaves the pools, and once the balancers
// have let go of it its stop waits in the desired state for the host's return.
func (t *tx) replaceLost(s *Service, in *Instance) {
	cause := s.Cause
	if h := t.hosts.get(in.Host); h.Failed {
		cause = h.Cause
	} else if l := t.live.get(in.Host); l.Cause != "" {
		cause = l.Cause
	}
	cause = t.event(fleet.EventInstanceDraining, subjectInstance(in.ID), cause, about(in, fmt.Sprintf("%s is given up: its host is lost", in)))
	in = t.instances.edit(in.ID)
	in.Goal, in.GoalAt, in.Cause, in.Lost, in.Ready = fleet.GoalDrain, t.now, cause, true, false
	t.dirtyHost[in.Host] = true // the cause is part of its desired state
	t.dirtyPool[in.Service] = true
}

// The ways in which a balancer leaves the drain barrier.
const (
	releasedDrained     = "drained"
	releasedForgotten   = "forgotten"
	releasedUnreachable = "unreachable"
)

// release looks at every balancer that was ever sent the instance, and
// returns those that it still waits for.
func (t *tx) release(in *Instance) (waits []fleet.BalancerKey) {
	if t.s.opts.WithoutBarrier {
		return nil
	}
	for _, key := range sorted(in.Sent, fleet.BalancerKey.Less) {
		if in.Released[key] != "" {
			continue
		}
		if how := t.released(in, key); how != "" {
			edited := t.instances.edit(in.ID)
			edited.Released = with(edited.Released, key, how)
			in = edited
			continue
		}
		waits = append(waits, key)
	}
	return waits
}

func (t *tx) released(in *Instance, key fleet.BalancerKey) string {
	if t.writtenOff(key) {
		return releasedForgotten
	}
	published := t.pools.get(PoolKey{Host: key.Host, Service: in.Service})
	since, out := uint64(0), false
	if published != nil {
		since, out = published.leftAt(in.ID)
	}
	l := t.live.get(key.Host)
	if out && l != nil && l.State == fleet.HostUp && balance.Drained(l.pools[key.Name][in.Service], in.ID, since) {
		return releasedDrained
	}
	if t.unreachable(key) {
		return releasedUnreachable
	}
	return ""
}

// leftAt is the generation from which on an instance has been without
// traffic; false: it hasn't left. One that the pool lacks, because all of the
// pool was removed meanwhile, left with the last change at the latest.
func (p *Published) leftAt(instance string) (since uint64, out bool) {
	if since, out = p.Draining[instance]; out {
		return since, true
	}
	return p.Pool.Generation, !p.has(instance)
}

func (p *Published) has(instance string) bool {
	for _, e := range p.Pool.Endpoints {
		if e.Instance == instance {
			return true
		}
	}
	return false
}
