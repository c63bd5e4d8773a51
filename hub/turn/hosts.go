package turn

import (
	"bytes"
	"fmt"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// heard returns the host's live record to write to.
func (t *tx) heard(host string) *Live {
	if l := t.live.edit(host); l != nil {
		return l
	}
	l := &Live{State: fleet.HostUnknown, Since: t.s.Started}
	t.live.put(host, l)
	return l
}

// presence takes a sign of life. The Will of a session that isn't current is
// ignored: the agent has come back since.
func (t *tx) presence(host string, p fleet.Presence, answered bool) {
	if t.outside(host, "", p.AgentStart, p.State) {
		t.presenceOutside(host, p)
		return
	}
	if p.State == fleet.PresenceLeft && t.hasLeft(host, p) {
		return
	}
	l := t.heard(host)
	if p.State == fleet.PresenceLost {
		if l.Presence.Session == p.Session && l.State == fleet.HostUp {
			t.lose(host, l, "its agent's connection broke")
		}
		return
	}
	before := l.Presence
	l.Presence, l.LastHeard = p, t.now
	t.acks[host] = t.acks[host] || !answered
	if p.State != fleet.PresenceOnline {
		t.stopped(host, l, p.State)
		return
	}
	t.follows(host, l, p.Observed)
	rebooted := before.BootID != "" && before.BootID != p.BootID
	if rebooted && t.hosts.get(host) != nil {
		t.event(fleet.EventHostRebooted, subjectHost(host), "", fleet.EventData{Message: host + " has rebooted", Host: host})
	}
	if l.State != fleet.HostUp {
		t.returned(host, l)
	}
	t.revive(host, l)
	t.catchUp(host, l)
}

// catchUp sends a host its desired state again when it has lacked it for a
// while: an acknowledgement on the wire proves nothing.
func (t *tx) catchUp(host string, l *Live) {
	h := t.hosts.get(host)
	if h == nil || l.Alien != "" {
		return
	}
	behind := l.Presence.Observed.Generation != h.Desired || l.Presence.Observed.Epoch != t.epoch || t.lacksPools(host, l)
	switch {
	case !behind:
		l.BehindSince = time.Time{}
	case l.BehindSince.IsZero():
		l.BehindSince = t.now
	case t.now.Sub(l.BehindSince) >= t.s.opts.BehindAfter:
		l.BehindSince = t.now
		t.republish(host)
	}
}

func (t *tx) lacksPools(host string, l *Live) bool {
	for _, ref := range t.poolRefs(host) {
		if l.Presence.Pools[ref.Service] != ref.Generation {
			return true
		}
	}
	return false
}

func (t *tx) returned(host string, l *Live) {
	was := l.State
	l.State, l.Since = fleet.HostUp, t.now
	h := t.hosts.get(host)
	if h == nil {
		return
	}
	if was != fleet.HostUnknown || h.Failed {
		t.event(fleet.EventHostReturned, subjectHost(host), "", fleet.EventData{Message: fmt.Sprintf("%s is back (was %s)", host, was), Host: host})
	}
	t.touchAll()
}

// revive takes back a person's word that a host is dead, once a machine has
// reported in the session that is heard. A sign of life doesn't say whose it
// is: until then the host may be another machine, and whoever reports is it.
func (t *tx) revive(host string, l *Live) {
	h := t.hosts.get(host)
	if h == nil || !h.Failed || l.State != fleet.HostUp || l.Actual == nil || l.Actual.Session != l.Presence.Session {
		return
	}
	h = t.hosts.edit(host)
	h.Failed, h.Vacant = false, false
	t.notDead(h)
	h.Generation = t.rev
	t.touchAll()
}

func (t *tx) stopped(host string, l *Live, state string) {
	if l.State == fleet.HostStopped {
		return
	}
	l.State, l.Since = fleet.HostStopped, t.now
	if t.hosts.get(host) != nil {
		t.event(fleet.EventHostStopped, subjectHost(host), "", fleet.EventData{Message: fmt.Sprintf("the agent on %s says that it is %s; its containers go on", host, state), Host: host})
	}
	t.touchAll()
}

func (t *tx) lose(host string, l *Live, why string) {
	l.State, l.Since = fleet.HostLost, t.now
	switch h := t.hosts.get(host); {
	case h == nil:
	case h.Maintenance != nil:
		l.Cause = t.event(fleet.EventHostAway, subjectHost(host), h.Maintenance.Cause, fleet.EventData{Message: fmt.Sprintf("%s is away, in maintenance%s: %s", host, h.Maintenance.until(), why), Host: host})
	default:
		l.Cause = t.event(fleet.EventHostLost, subjectHost(host), "", fleet.EventData{Message: fmt.Sprintf("%s is lost: %s", host, why), Host: host})
	}
	t.touchAll()
}

// actual takes an agent's report. Only what it changes of decisions is
// stored: facts, readiness, addresses, what is gone.
func (t *tx) actual(host string, sequence uint64, a fleet.Actual) {
	if t.outside(host, a.Facts.MachineID, a.AgentStart, "") {
		t.clear(wire.Host(host, wire.LeafActual))
		return
	}
	l := t.heard(host)
	if l.Actual != nil && l.Actual.AgentStart == a.AgentStart && sequence < l.ActualSeq {
		return
	}
	t.acks[host] = true
	l.LastHeard = t.now
	firstOfSession := l.Actual == nil || l.Actual.Session != a.Session
	before := l.Actual
	known := t.hosts.get(host)
	brought := before != nil && known != nil && t.brings(known, l)
	l.Actual, l.ActualSeq = &a, sequence
	l.index()
	t.follows(host, l, a.Observed)
	if l.State != fleet.HostUp && firstOfSession && l.Presence.Session == a.Session {
		t.returned(host, l)
	}
	t.revive(host, l)
	t.join(host, l, a.Facts)
	if before == nil && t.secrets.size()+t.registries.size() > 0 {
		t.dirtyHost[host] = true // its key may have changed while no hub was there
	}
	t.gather(host, l)
	t.balancersReported(host, l, a)
	t.balancersInTrouble(host, before == nil, &a)
	for i := range a.Instances {
		t.reported(host, l, &a.Instances[i])
	}
	if before == nil {
		t.prepared(host, nil, a.Prepared)
	} else {
		t.prepared(host, before.Prepared, a.Prepared)
	}
	t.portsAcknowledged(host)
	if l.Alien == "" && a.Observed.Generation == t.desiredGeneration(host) && a.Engine.Up {
		t.missing(host, l)
	}
	if before == nil || before.Observed != a.Observed {
		for _, in := range t.residents(host) {
			t.touch(in.Service)
		}
	}
	taken := brought && !t.brings(t.hosts.get(host), l) // others may come there now
	if before == nil || taken || capacityChanged(before, &a) {
		t.touchAll()
	}
}

func (l *Live) index() {
	l.instances = make(map[string]*fleet.InstanceActual, len(l.Actual.Instances))
	for i := range l.Actual.Instances {
		l.instances[l.Actual.Instances[i].ID] = &l.Actual.Instances[i]
	}
	l.pools = make(map[string]map[fleet.ServiceKey]*fleet.PoolActual, len(l.Actual.Balancers))
	for i := range l.Actual.Balancers {
		b := &l.Actual.Balancers[i]
		pools := make(map[fleet.ServiceKey]*fleet.PoolActual, len(b.Pools))
		for j := range b.Pools {
			pools[b.Pools[j].Service] = &b.Pools[j]
		}
		l.pools[b.Name] = pools
	}
}

func capacityChanged(a, b *fleet.Actual) bool {
	return a.Engine.Up != b.Engine.Up || a.Foreign.Memory != b.Foreign.Memory || a.Foreign.CPUs != b.Foreign.CPUs ||
		!bytes.Equal(mustJSON(a.Foreign.Ports), mustJSON(b.Foreign.Ports)) || len(a.Refused) != len(b.Refused)
}

func (t *tx) desiredGeneration(host string) uint64 {
	if h := t.hosts.get(host); h != nil {
		return h.Desired
	}
	return 0
}

// join makes a host known by its first report, and keeps its facts current.
func (t *tx) join(host string, l *Live, facts fleet.HostFacts) {
	h := t.hosts.get(host)
	if h == nil {
		h = &Host{ID: host, Generation: t.rev, Facts: facts, Availability: fleet.AvailabilityActive}
		if l.Actual.Observed.Lineage != t.s.Lineage {
			h.Settled = t.s.Restored // it has never been told anything by a hub of this lineage
		}
		if row := t.left.get(host); row != nil {
			h.Held = row.Held
			t.left.delete(host)
		}
		t.hosts.put(host, h)
		t.event(fleet.EventHostJoined, subjectHost(host), "", fleet.EventData{
			Message: fmt.Sprintf("%s joined: %s, %d CPUs, %d MiB", host, facts.Distribution, facts.CPUs, facts.Memory>>20), Host: host,
		})
		t.dirtyHost[host] = true
		l.State, l.Since = fleet.HostUp, t.now
		t.touchAll()
		return
	}
	if bytes.Equal(mustJSON(h.Facts), mustJSON(facts)) {
		return
	}
	t.dirtyHost[host] = true // its agent may know more now
	labels := !bytes.Equal(mustJSON(h.Facts.Labels), mustJSON(facts.Labels))
	h = t.hosts.edit(host)
	h.Facts = facts
	if labels {
		h.Generation = t.rev
	}
	t.touchAll()
}

// agentEvents takes an agent's events in order, each once.
func (t *tx) agentEvents(host string, batch fleet.EventBatch) {
	h := t.hosts.get(host)
	if h == nil || len(batch.Events) == 0 {
		return
	}
	t.acks[host] = true
	seen := h.Events
	if h.Numbering != batch.Numbering {
		seen = 0
	}
	if batch.First > seen+1 {
		seen = batch.First - 1 // the agent had to drop some; its marker event says so
	}
	last := batch.First + uint64(len(batch.Events)) - 1
	if last <= seen {
		return
	}
	for i := int(seen + 1 - batch.First); i < len(batch.Events); i++ {
		e := batch.Events[i]
		e.Source, e.Revision = subjectHost(host), t.rev
		e.Data.Host = host
		t.events = append(t.events, e)
	}
	h = t.hosts.edit(host)
	h.Numbering, h.Events = batch.Numbering, last
}

// refusedEvery is the pause between two events of a type about what wasn't let
// in: who floods the hub with rubbish doesn't flood its store.
const refusedEvery = time.Second

// refused records what wasn't let in.
func (t *tx) refused(in RefusedIn) {
	last := t.fleet.Refused[in.Type]
	if t.now.Sub(last.At) < refusedEvery {
		last.Skipped++
		t.fleet.Refused = with(t.fleet.Refused, in.Type, last)
		return
	}
	reason := in.Reason
	if last.Skipped > 0 {
		reason += fmt.Sprintf(" (and %d more like it since the last event)", last.Skipped)
	}
	t.fleet.Refused = with(t.fleet.Refused, in.Type, Refusal{At: t.now})
	t.event(in.Type, subjectHost(in.Host), "", fleet.EventData{Message: reason, Host: in.Host})
}
