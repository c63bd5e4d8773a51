package turn

import (
	"fmt"

	"github.com/musterhq/muster/shared/fleet"
)

// adopt takes in an instance of ours that a host has and that the hub doesn't
// know. From then on it is like any other: it stays if its service wants it,
// and leaves by the drain barrier if not. One of a service that isn't known
// is left as it is and shown with its host: nobody's order stands behind its
// end.
func (t *tx) adopt(host string, l *Live, a *fleet.InstanceActual) {
	o := l.Actual.Observed
	current := o.Lineage == t.s.Lineage && o.Epoch == t.s.Epoch && o.Generation == t.desiredGeneration(host)
	if !a.Unclaimed || !current || t.services.get(a.Service) == nil {
		return
	}
	in := &Instance{
		ID: a.ID, Service: a.Service, Version: a.Version, Slot: a.Slot, Host: host,
		Goal: fleet.GoalRun, Born: t.rev, BornAt: t.now, GoalAt: t.now,
	}
	in.Cause = t.event(fleet.EventInstanceAdopted, subjectInstance(in.ID), subjectHost(host), about(in, fmt.Sprintf(
		"%s version %d runs on %s and wasn't known: taken in", in.Service, in.Version, host)))
	t.bear(in)
	t.touch(in.Service)
}
