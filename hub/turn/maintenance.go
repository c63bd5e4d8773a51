package turn

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Bounds of an order to maintain a host.
const (
	maxMaintenance = 90 * 24 * time.Hour
	maxWhy         = 200 // characters
)

// Maintenance is a while in which somebody works on a host. Nothing comes to it; what
// it runs stays, unless it is drained as well; and when it falls silent, nothing
// follows from that.
type Maintenance struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"` // zero: until a person activates the host
	Reason string    `json:"reason,omitempty"`
	// Then is the availability that the host gets when the time is over.
	Then  string `json:"then"`
	Cause string `json:"cause"` // the event that began it
	Actor string `json:"actor,omitempty"`
}

// until says how long it lasts, and why: " until 2026-01-02 15:04:05Z (disk swap)".
func (m *Maintenance) until() string {
	text := ""
	if !m.Until.IsZero() {
		text = " until " + m.Until.UTC().Format("2006-01-02 15:04:05Z")
	}
	if m.Reason != "" {
		text += " (" + m.Reason + ")"
	}
	return text
}

// maintain begins a host's maintenance, or changes how long it lasts, and why.
func (t *tx) maintain(c fleet.Command) (fleet.Result, error) {
	h, err := t.hostFor(c)
	if err != nil {
		return fleet.Result{}, err
	}
	if err := mayMaintain(h, c); err != nil {
		return fleet.Result{}, err
	}
	next := Maintenance{Since: t.now, Reason: c.Reason, Then: h.Availability, Actor: c.Actor}
	if c.For > 0 {
		next.Until = t.now.Add(c.For.D())
	}
	availability := fleet.AvailabilityMaintenance
	if was := h.Maintenance; was != nil {
		next.Since, next.Then, next.Reason = was.Since, was.Then, cmp.Or(c.Reason, was.Reason)
	}
	if c.Drain || h.Availability == fleet.AvailabilityDrain {
		availability = fleet.AvailabilityDrain
	}
	message := fmt.Sprintf("%s is in maintenance%s: %s", c.Host, next.until(), whileMaintained(availability))
	if was := h.Maintenance; was != nil && h.Availability == availability && was.Reason == next.Reason && was.Until.Equal(next.Until) {
		return fleet.Result{Message: message + " (as before)"}, nil
	}
	h = t.hosts.edit(c.Host)
	h.Availability, h.Maintenance = availability, &next
	t.hostChanged(h, fleet.EventHostMaintenance, c, message)
	next.Cause = h.Cause
	return fleet.Result{Changed: true, Message: message}, nil
}

func mayMaintain(h *Host, c fleet.Command) error {
	switch {
	case h.Leaving != nil:
		return fleet.Conflict("host", "%s leaves the fleet", c.Host).WithHint("to keep it: muster host activate %s", c.Host)
	case c.For < 0 || c.For.D() > maxMaintenance:
		return fleet.Invalid("for", "%s is not between 0 and %s", c.For, fleet.Duration(maxMaintenance)).WithHint("leave it out for as long as it takes")
	case len(c.Reason) > maxWhy || strings.ContainsFunc(c.Reason, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fleet.Invalid("reason", "it has to be a line of at most %d characters", maxWhy)
	}
	return nil
}

func whileMaintained(availability string) string {
	if availability == fleet.AvailabilityDrain {
		return "its instances move away, and nothing follows from its silence"
	}
	return "nothing is placed there, what it runs stays, and nothing follows from its silence"
}

// endMaintenances ends those whose time is over.
func (t *tx) endMaintenances() {
	for _, id := range sorted(t.s.away, byText) {
		h := t.hosts.get(id)
		if h == nil || h.Maintenance == nil || h.Maintenance.Until.IsZero() || t.now.Before(h.Maintenance.Until) {
			continue
		}
		m := h.Maintenance
		h = t.hosts.edit(id)
		h.Availability, h.Generation = m.Then, t.rev
		h.Cause = t.event(fleet.EventHostActivated, subjectHost(id), m.Cause, fleet.EventData{Message: fmt.Sprintf("the maintenance of %s is over: it is %s", id, useOf(m.Then)), Host: id})
		t.dirtyHost[id] = true
		t.touchAll()
		t.endMaintenance(h)
	}
}

func useOf(availability string) string {
	if availability == fleet.AvailabilityDrain {
		return "drained, as before"
	}
	return "active, and takes instances"
}

// endMaintenance has what is seen of a host count again. One that is silent is lost
// from now on: it gets as long to come back as any other.
func (t *tx) endMaintenance(h *Host) {
	h.Maintenance = nil
	if l := t.live.get(h.ID); l != nil && l.State == fleet.HostLost {
		t.lose(h.ID, t.heard(h.ID), "its maintenance is over, and it isn't heard")
	}
}

func (t *tx) maintained(host string) bool {
	h := t.hosts.get(host)
	return h != nil && h.Maintenance != nil
}
