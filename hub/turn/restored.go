package turn

import (
	"fmt"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// A restored store is older than its fleet: hosts have accepted orders, and
// have instances, that it doesn't know. So what a host has is taken in before
// the host is told anything, and nothing is decided before the hosts were heard.

// unsettled: what the host has wasn't taken in since the store was restored.
// Until then the host is told nothing, and goes on as it was told before.
func (t *tx) unsettled(host string) bool {
	h := t.hosts.get(host)
	return h != nil && h.Settled < t.s.Restored
}

// gathering says what the hub of a restored store waits for before it decides
// anything; empty: nothing. A host that was waited for in vain is late, and not
// waited for again at the hub's next start.
func (t *tx) gathering() string {
	until := t.s.Started.Add(t.s.opts.UnknownFor)
	if t.s.Restored == 0 || !t.now.Before(until) {
		return ""
	}
	if t.s.blank || t.s.anew && t.listening() {
		return fmt.Sprintf("the store is new: hosts have until %s to say what they run", until.Format(time.TimeOnly))
	}
	for _, id := range t.hosts.keys(byText) {
		if h, l := t.hosts.get(id), t.live.get(id); t.unsettled(id) && h.Late < t.s.Restored && !h.Failed && (l == nil || !l.told()) {
			return fmt.Sprintf("the store was restored: %s has until %s to say what it runs", id, until.Format(time.TimeOnly))
		}
	}
	return ""
}

// listening: the first gathering of a store that was begun anew hasn't ended,
// whatever was applied, and however often the hub was started, in the meantime.
// Nobody knows then which hosts there are, and which balancers.
func (t *tx) listening() bool {
	hosts := t.hosts.keys(byText)
	return len(hosts) == 0 || slices.ContainsFunc(hosts, func(id string) bool { return t.unsettled(id) && t.hosts.get(id).Late < t.s.Restored })
}

// told: the agent has said what its engine has, and it is one of ours.
func (l *Live) told() bool { return l.Actual != nil && l.Actual.Engine.Up && l.Alien == "" }

// settle ends the gathering when it is time: services that changed since the
// backup are frozen, and the hosts that were heard are told again what to do.
// Those that come later are gathered one by one.
func (t *tx) settle() {
	if t.s.Restored == 0 || t.gathering() != "" {
		return
	}
	for _, key := range t.services.keys(fleet.ServiceKey.Less) {
		if t.services.get(key).Settled < t.s.Restored {
			t.freezeChanged(key)
		}
	}
	if t.s.blank && len(t.s.Services) == 0 {
		return
	}
	for _, host := range t.hosts.keys(byText) {
		switch l := t.live.get(host); {
		case !t.unsettled(host):
		case l != nil && l.told():
			t.hosts.edit(host).Settled = t.s.Restored
			t.resend[host] = true
		case t.hosts.get(host).Late < t.s.Restored:
			t.hosts.edit(host).Late = t.s.Restored
		}
	}
}

// freezeChanged keeps a service as it is that would lose instances by going
// back to what the backup says: that is for a person to decide.
func (t *tx) freezeChanged(key fleet.ServiceKey) {
	s := t.services.edit(key)
	s.Settled = t.s.Restored
	t.touch(key)
	running, other, astray, further := 0, 0, 0, 0
	onHost := map[string]int{}
	for _, in := range t.members(key) {
		if in.Goal == fleet.GoalRun {
			running++
			onHost[in.Host]++
			switch {
			case in.Version != s.Version:
				other++
			case in.Born > t.s.Restored && t.outdated(s, in):
				astray++
			case in.Born > t.s.Restored && s.Rollout != nil && !s.Rollout.Over():
				further++
			}
		}
	}
	excess := max(0, running-t.count(s))
	if s.Asked.Mode == fleet.ModeGlobal {
		excess, astray = t.excessGlobal(s, onHost), 0
	}
	if s.Frozen || s.Removing || other+astray+further+excess == 0 {
		return
	}
	s.Frozen = true
	s.Generation = t.rev
	s.Cause = t.event(fleet.EventServiceFrozen, subjectService(key), causeRestore, fleet.EventData{Service: &key, Message: fmt.Sprintf(
		"%s is frozen: it isn't what the restored backup says (%d of its %d instances are of another version, %d are on hosts that they would have to leave, %d came later in a rollout that it has under way, %d are more than asked for); apply its file and drain or activate its hosts as they are today, and then muster unfreeze %s, which alone goes back to the backup",
		key, other, running, astray, further, excess, key)})
	for _, in := range t.members(key) {
		t.dirtyHost[in.Host] = true
	}
}

// gather compares the backup with a host that is heard for the first time since
// the store was restored: instances that are gone are forgotten, and those that
// are being stopped stay so. What the backup lacks is adopted as it is reported.
// An agent that has accepted nothing can't name what it has: it is told at once.
func (t *tx) gather(host string, l *Live) {
	if !t.unsettled(host) || !l.told() {
		return
	}
	t.noteSenders(host, l)
	if l.Actual.Observed.Lineage == "" {
		t.hosts.edit(host).Settled = t.s.Restored
		t.resend[host] = true
		return
	}
	for _, in := range t.residents(host) {
		a := l.instances[in.ID]
		switch {
		case a == nil || a.Phase == fleet.PhaseStopped:
			in = t.instances.edit(in.ID)
			in.Cause = causeRestore
			t.gone(in)
		case a.Phase == fleet.PhaseStopping && in.Goal != fleet.GoalStop:
			in = t.instances.edit(in.ID)
			in.Goal, in.GoalAt = fleet.GoalStop, t.now
			in.Cause = t.event(fleet.EventInstanceStopping, subjectInstance(in.ID), causeRestore, about(in, fmt.Sprintf("%s is being stopped since before the store was restored", in)))
			t.dirtyHost[host] = true
		}
	}
}

// noteSenders remembers which instances a host's balancers have that the backup
// knows, and knows of no balancer: they were sent them since.
func (t *tx) noteSenders(host string, l *Live) {
	for _, b := range l.Actual.Balancers {
		key := fleet.BalancerKey{Host: host, Name: b.Name}
		for i := range b.Pools {
			for _, e := range b.Pools[i].Endpoints {
				if in := t.instances.get(e.Instance); in != nil && !in.Sent[key] {
					in = t.instances.edit(in.ID)
					in.Sent = with(in.Sent, key, true)
				}
			}
		}
	}
}

// causeRestore is the cause of what follows from a restored store.
const causeRestore = "restore"
