package turn

import (
	"fmt"
	"sort"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// portsEvery is the pause between two looks at the ports that are held: for
// minutes each, and a fleet may hold tens of thousands.
const portsEvery = 5 * time.Second

// tick lets time pass: silent hosts are lost, held ports come free, old
// results are forgotten, and services that wait for time are looked at again.
func (t *tx) tick(behind time.Duration) {
	if t.now.Sub(t.fleet.TickedAt) > t.s.opts.LostAfter/2 {
		t.fleet.ResumedAt = t.now
	}
	if t.fleet.TickedAt.IsZero() {
		t.hosts.each(func(host string, _ *Host) { t.heard(host) }) // from now on all have a record
	}
	t.fleet.TickedAt = t.now
	t.endMaintenances()
	seen := t.lookAtHosts(behind)
	for _, host := range sorted(seen.silent, byText) {
		t.lose(host, t.heard(host), seen.silent[host])
		if t.isLost(t.hosts.get(host), t.live.get(host)) {
			seen.lost++
		}
	}
	if t.now.Sub(t.fleet.PortsAt) >= portsEvery {
		t.fleet.PortsAt = t.now
		t.releasePorts()
	}
	t.judgeFleet(seen.lost, t.hosts.size())
	t.forgetResults()
	for _, key := range t.services.keys(fleet.ServiceKey.Less) {
		if t.restless(key) {
			t.touch(key)
		}
	}
}

// sight is what one pass over all hosts found: there may be thousands, and time
// passes twice a second.
type sight struct {
	silent map[string]string // why they are lost now
	lost   int               // before the silent ones are lost
}

func (t *tx) lookAtHosts(behind time.Duration) sight {
	seen := sight{silent: map[string]string{}}
	t.live.each(func(id string, l *Live) {
		why := t.silence(l, behind)
		if why == "" && l.State != fleet.HostLost {
			return
		}
		switch h := t.hosts.get(id); {
		case h == nil: // it never joined
		case why != "":
			seen.silent[id] = why
		case t.isLost(h, l):
			seen.lost++
		}
	})
	return seen
}

// isLost says whether a host counts as lost for judgeFleet.
func (t *tx) isLost(h *Host, l *Live) bool {
	return l.State == fleet.HostLost && !h.Failed && h.Maintenance == nil
}

// silence says why a host that isn't heard is lost now; empty: it isn't.
func (t *tx) silence(l *Live, behind time.Duration) (why string) {
	switch l.State {
	case fleet.HostUp:
		if t.now.Sub(l.LastHeard) > t.s.opts.LostAfter+behind && t.now.Sub(t.fleet.ResumedAt) > t.s.opts.LostAfter {
			return fmt.Sprintf("silent for %s", t.now.Sub(l.LastHeard).Round(time.Second))
		}
	case fleet.HostUnknown:
		if t.now.Sub(t.s.Started) > t.s.opts.UnknownFor {
			return "not heard since the hub started"
		}
	case fleet.HostStopped:
		if l.Presence.State == fleet.PresenceRebooting && t.now.Sub(l.Since) > t.s.opts.RebootAfter {
			return "it said that it reboots and didn't come back"
		}
	}
	return ""
}

// judgeFleet holds the placing anew while too many hosts are lost at once:
// then it is the network or the hub, not the hosts.
func (t *tx) judgeFleet(lost, all int) {
	held := float64(lost) > max(1, t.s.opts.LostShare*float64(all))
	if held == t.fleet.Held {
		return
	}
	t.fleet.Held = held
	if held {
		t.event(fleet.EventFleetHeld, "fleet", "", fleet.EventData{
			Message: fmt.Sprintf("%d of %d hosts are lost: that looks like the network, so nothing is placed anew; muster host fail NAME says that a host is really dead", lost, all),
		})
	} else {
		t.fleet.ReleasedAt = t.now
		t.event(fleet.EventFleetReleased, "fleet", "", fleet.EventData{Message: fmt.Sprintf("%d of %d hosts are lost: instances are placed anew again", lost, all)})
	}
	t.touchAll()
}

// restless services wait for time to pass: a grace, a barrier, a silence.
func (t *tx) restless(key fleet.ServiceKey) bool {
	s := t.services.get(key)
	if r := s.Rollout; r != nil && (!r.Over() || r.State == fleet.RolloutSucceeded && !r.KeepUntil.IsZero() && t.hasFormer(s)) {
		return true
	}
	if s.Rebalance != nil || s.Removing || len(s.Held) > 0 || t.notes.get(key) != nil {
		return true
	}
	for id := range t.s.byService[key] {
		in := t.instances.get(id)
		if in == nil {
			continue
		}
		if in.Goal != fleet.GoalRun || !in.Ready && !t.completed(s, in) {
			return true
		}
		if l := t.live.get(in.Host); l != nil && l.State != fleet.HostUp {
			return true
		}
	}
	return s.Converged != s.Generation
}

// forgetResults drops remembered results that are too old or too many.
func (t *tx) forgetResults() {
	var ids []string
	for id, answered := range t.s.Results {
		if t.now.Sub(answered.At) > t.s.opts.ResultsFor {
			t.results.delete(id)
			continue
		}
		ids = append(ids, id)
	}
	if len(ids) <= t.s.opts.MaxResults {
		return
	}
	sort.Slice(ids, func(i, j int) bool {
		a, b := t.s.Results[ids[i]].At, t.s.Results[ids[j]].At
		if !a.Equal(b) {
			return a.Before(b)
		}
		return ids[i] < ids[j]
	})
	for _, id := range ids[:len(ids)-t.s.opts.MaxResults] {
		t.results.delete(id)
	}
}
