package turn

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Leaving is a host's way out of the fleet: its instances leave it by the drain
// barrier, then its balancers drop their pools, then its agent is told, and when
// that has said that it has left, the host is forgotten.
type Leaving struct {
	Policy string `json:"policy"` // fleet.LeaveStop or LeaveKeep
	// Force: a person said that it is dead. Nobody waits for its agent.
	Force bool `json:"force,omitempty"`
	// DataLost: what has its data there leaves it, too.
	DataLost bool `json:"dataLost,omitempty"`
	// Unserved: services may lose their last balancer by it.
	Unserved bool      `json:"unserved,omitempty"`
	Since    time.Time `json:"since"`
	Cause    string    `json:"cause"` // the event that began it
	Actor    string    `json:"actor,omitempty"`
	// Kept are instances that the hub has forgotten and that go on there.
	Kept map[string]bool `json:"kept,omitempty"`
	// Closing: its balancers drop their pools.
	Closing bool `json:"closing,omitempty"`
	// Told is the revision at which its agent was told; 0: not yet. From then on
	// there is no way back.
	Told uint64 `json:"told,omitempty"`
}

// removeHost begins to take a host out of the fleet, or changes how that is done.
func (t *tx) removeHost(c fleet.Command) (fleet.Result, error) {
	h, err := t.hostFor(c)
	if err != nil {
		return fleet.Result{}, err
	}
	policy := cmp.Or(c.Policy, fleet.LeaveStop)
	if policy != fleet.LeaveStop && policy != fleet.LeaveKeep {
		return fleet.Result{}, fleet.Invalid("policy", "%q is neither %s nor %s", c.Policy, fleet.LeaveStop, fleet.LeaveKeep)
	}
	if c.Force {
		if err := t.mayForce(c); err != nil {
			return fleet.Result{}, err
		}
	}
	next := Leaving{Policy: policy, Force: c.Force, DataLost: c.DataLost, Unserved: c.Unserved, Since: t.now, Actor: c.Actor}
	message := fmt.Sprintf("%s leaves the fleet: %s", c.Host, what(&next))
	if was := h.Leaving; was != nil {
		next.DataLost, next.Unserved = next.DataLost || was.DataLost, next.Unserved || was.Unserved
		switch {
		case was.Policy == policy && was.Force == next.Force && was.DataLost == next.DataLost && was.Unserved == next.Unserved:
			return fleet.Result{Message: message + " (as before)"}, nil
		case was.Told != 0 && was.Policy != policy:
			return fleet.Result{}, fleet.Conflict("policy", "the agent on %s was told to leave, and to %s what runs there", c.Host, was.Policy)
		}
		next.Since, next.Closing, next.Told = was.Since, was.Closing, was.Told
		if policy == fleet.LeaveKeep {
			next.Kept = was.Kept
		}
	}
	if next.DataLost {
		t.giveUpData(c.Host)
	}
	h = t.hosts.edit(c.Host)
	h.Availability, h.Leaving, h.Maintenance = fleet.AvailabilityDrain, &next, nil
	if c.Force {
		h.Failed, h.Frozen, next.Closing = true, false, true
	}
	t.hostChanged(h, fleet.EventHostLeaving, c, message)
	next.Cause = h.Cause
	t.dirtyPoolsOn(c.Host)
	t.namesOfAll()
	if policy == fleet.LeaveStop {
		t.takeBack(c.Host)
	}
	return fleet.Result{Changed: true, Message: message}, nil
}

// mayForce refuses to forget a host that may do what it is told, and data that
// nobody gave up.
func (t *tx) mayForce(c fleet.Command) error {
	l := t.live.get(c.Host)
	switch {
	case l != nil && l.State == fleet.HostUp:
		return fleet.Conflict("force", "%s is up: its agent is heard", c.Host).
			WithHint("a host that works leaves by itself: muster host rm %s", c.Host)
	case (l == nil || l.State == fleet.HostUnknown) && t.now.Sub(t.s.Started) <= t.s.opts.UnknownFor:
		return fleet.Conflict("force", "%s hasn't been heard since the hub started, and may yet be", c.Host).
			WithHint("try again after %s", t.s.Started.Add(t.s.opts.UnknownFor).Format(time.TimeOnly))
	}
	if data := t.dataOn(c.Host); len(data) > 0 && !c.DataLost {
		return fleet.Conflict("force", "%s has the data of %s", c.Host, strings.Join(data, ", ")).
			WithHint("if it is gone for good: muster host rm %s --force --data-lost; they start elsewhere with empty volumes", c.Host)
	}
	return nil
}

// what says what becomes of a host that leaves.
func what(l *Leaving) string {
	var text string
	switch {
	case l.Force:
		text = "it is dead, what it ran is placed elsewhere, and nobody waits for its agent"
	case l.Policy == fleet.LeaveKeep:
		text = "its instances are replaced elsewhere, and its containers go on as nobody's"
	default:
		text = "its instances move away, and its containers are stopped"
	}
	if l.DataLost {
		text += "; what has its data there starts elsewhere with empty volumes"
	}
	return text
}

// comeBack ends a host's leaving: somebody wants it to stay.
func (t *tx) comeBack(h *Host) {
	if h.Leaving != nil && h.Availability == fleet.AvailabilityActive {
		h.Leaving = nil
		t.namesOfAll()
		t.takeBack(h.ID)
	}
}

// takeBack looks again at what a host has reported: what it was to keep is the hub's
// again.
func (t *tx) takeBack(host string) {
	l := t.live.get(host)
	if l == nil || l.Actual == nil {
		return
	}
	for i := range l.Actual.Instances {
		if a := &l.Actual.Instances[i]; t.instances.get(a.ID) == nil {
			t.adopt(host, l, a)
		}
	}
}

// goneFor refuses an order about a host whose agent was told to leave.
func (h *Host) goneFor(what string) error {
	if h.Leaving == nil || h.Leaving.Told == 0 {
		return nil
	}
	return fleet.Conflict("host", "%s can't be %s: its agent was told to leave the fleet", h.ID, what).
		WithHint("when it has left, it may join again; if it is dead: muster host rm %s --force", h.ID)
}

// notDead: a host that was to be forgotten as dead is heard. It leaves like any other.
func (t *tx) notDead(h *Host) {
	if h.Leaving != nil && h.Leaving.Force {
		next := *h.Leaving
		next.Force, next.Closing = false, false
		h.Leaving = &next
		t.namesOfAll()
	}
}

// joinHost lets a host that has left join again.
func (t *tx) joinHost(c fleet.Command) (fleet.Result, error) {
	if err := fleet.ValidateHost(c.Host); err != nil {
		return fleet.Result{}, err
	}
	message := fmt.Sprintf("%s may join", c.Host)
	if row := t.left.get(c.Host); row == nil || row.Admitted {
		return fleet.Result{Message: message}, nil
	}
	t.left.edit(c.Host).Admitted = true
	return fleet.Result{Changed: true, Message: message}, nil
}
