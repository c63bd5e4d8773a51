package brain

import (
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Cache is the part of a brain that outlives the agent and the machine's
// uptime. It is JSON on disk; fields are only added.
type Cache struct {
	Lineage string `json:"lineage,omitempty"`
	// Desired and Pools are envelopes exactly as accepted: their sums cover
	// every byte. Pools are by service.
	Desired []byte            `json:"desired,omitempty"`
	Pools   map[string][]byte `json:"pools,omitempty"`
	// PoolsComplete: every pool of the index was here once, so that the set
	// may be given to balancers.
	PoolsComplete bool `json:"poolsComplete,omitempty"`
	// LeaveConfirmed: the hub has forgotten this host, as Desired told it to leave.
	LeaveConfirmed bool `json:"leaveConfirmed,omitempty"`
	// Advertise is the last address that others were told to reach this host at.
	Advertise string             `json:"advertise,omitempty"`
	Instances map[string]*Record `json:"instances,omitempty"`
	// Fetched are the images that this agent brought from a registry, by their id.
	Fetched map[string]*Fetched `json:"fetched,omitempty"`
	// Quarantine has released ports and when they may be given away again.
	Quarantine map[int]time.Time `json:"quarantine,omitempty"`
	// Sequence is above every sequence that was published.
	Sequence uint64 `json:"sequence,omitempty"`
	// Events are unacknowledged. The last has the number LastEvent.
	Numbering string        `json:"numbering,omitempty"`
	LastEvent uint64        `json:"lastEvent,omitempty"`
	Events    []fleet.Event `json:"events,omitempty"`
	// Dropped counts events that were dropped for want of room; the first of
	// Events says so while it is above 0.
	Dropped int `json:"dropped,omitempty"`
}

// Record is what is kept of one instance.
type Record struct {
	// Described: an assignment named it; else its labels are all that is known.
	Described   bool             `json:"described,omitempty"`
	Service     fleet.ServiceKey `json:"service,omitzero"`
	Version     int              `json:"version,omitempty"`
	Slot        int              `json:"slot,omitempty"`
	Incarnation int              `json:"incarnation,omitempty"`
	// Spec is the sum of what its containers are made from; see fleet.Spec.Sum.
	Spec string `json:"spec,omitempty"`
	// Ports maps the container's ports to the host's, for the instance's life.
	Ports map[int]int  `json:"ports,omitempty"`
	Probe *fleet.Probe `json:"probe,omitempty"`
	// EverReady: others may have been told the ports, so they never change.
	EverReady bool `json:"everReady,omitempty"`
	// Container is the current one; Snapshot is how it was made.
	Container string    `json:"container,omitempty"`
	Snapshot  *Snapshot `json:"snapshot,omitempty"`
	Image     Image     `json:"image,omitzero"`
	// Recreate: the container is to be made anew, with other ports than its own.
	Recreate bool `json:"recreate,omitempty"`
	// ReadyRun is the run (container and start) that was reported ready last,
	// EndedRun the run whose end is final by the restart policy, EndedCode with which
	// code it ended.
	ReadyRun  string `json:"readyRun,omitempty"`
	EndedRun  string `json:"endedRun,omitempty"`
	EndedCode int    `json:"endedCode,omitempty"`
	// Started is when ReadyRun's container started; Boot is the machine's boot
	// in which a container was last seen running.
	Started  time.Time `json:"started,omitzero"`
	Boot     string    `json:"boot,omitempty"`
	Restarts int       `json:"restarts,omitempty"`
	Attempts int       `json:"attempts,omitempty"` // restarts since the last stable run
}
