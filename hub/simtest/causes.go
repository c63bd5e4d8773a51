package simtest

import (
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// rootEvents are facts about the world: nothing of ours is behind them.
var rootEvents = []string{
	fleet.EventHostJoined, fleet.EventHostLost, fleet.EventHostReturned, fleet.EventHostStopped, fleet.EventHostRebooted, fleet.EventHostRefused,
	fleet.EventBalancerJoined, fleet.EventBalancerProblem, fleet.EventBalancerRecovered, fleet.EventFleetHeld, fleet.EventFleetReleased, fleet.EventMessageRefused,
}

// caused wants a cause behind every event but those about the world: for the
// hub's own an event committed before, a person's order, or a host.
func (k *checker) caused(e *fleet.Event) {
	k.events[e.ID] = true
	k.adopted[e.ID] = e.Type == fleet.EventInstanceAdopted
	known := e.Source != "hub" && e.Cause != "" ||
		k.events[e.Cause] || strings.HasPrefix(e.Cause, orderPrefix) || strings.HasPrefix(e.Cause, "hosts/") || k.restored > 0 && e.Cause == "restore"
	if !known && !slices.Contains(rootEvents, e.Type) {
		k.sim.violate("%s %q has the cause %q", e.Type, e.Data.Message, e.Cause)
	}
}
