package fleet

import (
	"encoding/json"
	"time"
)

// Event is something that happened, as a CloudEvent 1.0 in structured JSON.
// Cause and Actor are extension attributes.
type Event struct {
	SpecVersion string    `json:"specversion"` // "1.0"
	ID          string    `json:"id"`          // unique for its source
	Source      string    `json:"source"`      // "hub" or "hosts/<id>"
	Type        string    `json:"type"`        // see the Event… constants
	Time        time.Time `json:"time"`
	Subject     string    `json:"subject,omitempty"` // "services/shop/web", "instances/1c-1", "hosts/web1", "balancers/web1/haproxy"
	Cause       string    `json:"cause,omitempty"`   // the event, command or person behind it
	Actor       string    `json:"actor,omitempty"`
	Data        EventData `json:"data"`
	// Revision orders events; the hub gives it.
	Revision uint64 `json:"revision,omitempty"`
}

// EventData says what happened, in words and by name.
type EventData struct {
	Message  string      `json:"message"`
	Service  *ServiceKey `json:"service,omitempty"`
	Instance string      `json:"instance,omitempty"`
	Host     string      `json:"host,omitempty"`
	Version  int         `json:"version,omitempty"`
	// Detail is anything else, as an object.
	Detail json.RawMessage `json:"detail,omitempty"`
}

// Types of events.
const (
	EventServiceApplied   = "muster.service.applied"
	EventServiceScaled    = "muster.service.scaled"
	EventServiceRestart   = "muster.service.restart"
	EventServiceStopped   = "muster.service.stopped" // by a person, or only on Host
	EventServiceStarted   = "muster.service.started"
	EventServiceRemoved   = "muster.service.removed"
	EventServiceConverged = "muster.service.converged"
	EventServiceHeld      = "muster.service.held"
	EventServiceWaiting   = "muster.service.waiting"   // for services that it depends on
	EventServiceCompleted = "muster.service.completed" // a one-shot service's run has ended well
	EventRebalanceBegun   = "muster.rebalance.begun"
	EventRebalanceEnded   = "muster.rebalance.ended" // all has moved, or it was given up
	EventRolloutBegun     = "muster.rollout.begun"
	EventRolloutStep      = "muster.rollout.step"
	EventRolloutPaused    = "muster.rollout.paused"
	EventRolloutPromoting = "muster.rollout.promoting"
	EventRolloutSucceeded = "muster.rollout.succeeded"
	EventRolloutBack      = "muster.rollout.rolling-back"
	EventRolloutBackAgain = "muster.rollout.rolled-back"
	EventRolloutOrdered   = "muster.rollout.ordered" // a person promoted, paused, resumed or retried it
	EventRolloutReplaced  = "muster.rollout.superseded"
	EventServiceFrozen    = "muster.service.frozen"
	EventServiceUnfrozen  = "muster.service.unfrozen"

	EventInstancePlaced   = "muster.instance.placed"
	EventInstanceAdopted  = "muster.instance.adopted" // a host has it, the hub didn't know it
	EventInstanceReady    = "muster.instance.ready"
	EventInstanceUnready  = "muster.instance.unready"
	EventInstanceDraining = "muster.instance.draining"
	EventInstanceStopping = "muster.instance.stopping"
	EventImageDiffers     = "muster.instance.image-differs"
	EventInstanceGone     = "muster.instance.gone"
	EventInstanceReleased = "muster.instance.released" // forgotten, and left running on a host that leaves
	EventInstanceExited   = "muster.instance.exited"   // by an agent
	EventInstanceFailed   = "muster.instance.failed"   // by an agent: could not be pulled, made or started
	EventInstanceRestored = "muster.instance.restored" // by an agent: changed or removed by hand, put back
	EventInstanceStarted  = "muster.instance.started"  // by an agent

	EventHostJoined      = "muster.host.joined"
	EventHostLost        = "muster.host.lost"
	EventHostReturned    = "muster.host.returned"
	EventHostStopped     = "muster.host.stopped"
	EventHostRebooted    = "muster.host.rebooted"
	EventHostDrain       = "muster.host.drain"
	EventHostActivated   = "muster.host.activated"
	EventHostMaintenance = "muster.host.maintenance"
	EventHostAway        = "muster.host.away" // silent, in maintenance: nothing follows from it
	EventHostFrozen      = "muster.host.frozen"
	EventHostUnfrozen    = "muster.host.unfrozen"
	EventHostFailed      = "muster.host.failed" // a person declared it dead
	EventHostLeaving     = "muster.host.leaving"
	EventHostRemoved     = "muster.host.removed" // it is out of the fleet, and forgotten
	EventHostRefused     = "muster.host.refused"
	EventHostSlowed      = "muster.host.slowed"  // its agent sends more than the hub takes from one
	EventHostCloned      = "muster.host.cloned"  // two machines have its key
	EventHostForeign     = "muster.host.foreign" // its agent follows another hub

	EventHubOutranked = "muster.hub.outranked" // an agent knew a later epoch: this hub's was raised
	EventHubBehind    = "muster.hub.behind"    // an agent knows a later revision: the store is an older copy

	EventHostEventsDropped = "muster.host.events-dropped" // by an agent: no hub took them in time

	EventImagesPruned = "muster.images.pruned" // by an agent: nothing needed them

	EventEngineDown = "muster.engine.down" // by an agent
	EventEngineUp   = "muster.engine.up"   // by an agent

	EventBalancerJoined    = "muster.balancer.joined"
	EventBalancerProblem   = "muster.balancer.problem"
	EventBalancerRecovered = "muster.balancer.recovered"
	EventBalancerForgotten = "muster.balancer.forgotten"

	EventFleetHeld     = "muster.fleet.held" // too many hosts lost at once
	EventFleetReleased = "muster.fleet.released"

	EventMessageRefused = "muster.message.refused" // malformed, oversized or contradictory

	EventSecretSet       = "muster.secret.set"
	EventSecretRemoved   = "muster.secret.removed"
	EventRegistrySet     = "muster.registry.set"
	EventRegistryRemoved = "muster.registry.removed"
)

// EventTypes are all types of events.
var EventTypes = []string{
	EventServiceApplied, EventServiceScaled, EventServiceRestart, EventServiceStopped, EventServiceStarted, EventServiceRemoved, EventServiceConverged,
	EventServiceHeld, EventServiceWaiting, EventServiceCompleted,
	EventRebalanceBegun, EventRebalanceEnded,
	EventRolloutBegun, EventRolloutStep, EventRolloutPaused, EventRolloutPromoting, EventRolloutSucceeded,
	EventRolloutBack, EventRolloutBackAgain, EventRolloutOrdered, EventRolloutReplaced,
	EventServiceFrozen, EventServiceUnfrozen, EventInstancePlaced, EventInstanceAdopted,
	EventInstanceReady, EventInstanceUnready, EventInstanceDraining, EventInstanceStopping, EventImageDiffers,
	EventInstanceGone, EventInstanceReleased, EventInstanceExited, EventInstanceFailed, EventInstanceRestored, EventInstanceStarted,
	EventHostJoined, EventHostLost, EventHostReturned, EventHostStopped, EventHostRebooted, EventHostDrain,
	EventHostActivated, EventHostMaintenance, EventHostAway, EventHostFrozen, EventHostUnfrozen, EventHostFailed, EventHostLeaving, EventHostRemoved, EventHostRefused, EventHostSlowed, EventHostCloned, EventHostForeign,
	EventHubOutranked, EventHubBehind,
	EventHostEventsDropped, EventImagesPruned, EventEngineDown, EventEngineUp, EventBalancerJoined, EventBalancerProblem,
	EventBalancerRecovered, EventBalancerForgotten, EventFleetHeld, EventFleetReleased, EventMessageRefused,
	EventSecretSet, EventSecretRemoved, EventRegistrySet, EventRegistryRemoved,
}
