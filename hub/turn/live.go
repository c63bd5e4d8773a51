package turn

import (
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Live is what the hub has heard of a host since it started.
type Live struct {
	State     string // up, unknown, lost, stopped
	Since     time.Time
	Cause     string // the event that says that it is lost
	LastHeard time.Time
	Presence  fleet.Presence
	Actual    *fleet.Actual // nil until the first report
	ActualSeq uint64
	Metrics   *fleet.Metrics // nil: none yet; never changed in place
	Measured  time.Time      // when they came
	// BehindSince is when the host was first seen to lack its desired state.
	BehindSince time.Time
	// Foreign lineage that the agent's accepted state belongs to; empty: ours.
	Alien string

	echo echo // the last acknowledgement

	instances map[string]*fleet.InstanceActual
	pools     map[string]map[fleet.ServiceKey]*fleet.PoolActual // by balancer's name
}

// echo is an acknowledgement, encoded.
type echo struct {
	ack     fleet.Ack
	epoch   uint64
	payload []byte
}

// Silence is what is known of a balancer whose agent isn't heard.
type Silence struct {
	Hub     Unreached // the hub's own looks at its listeners
	Agent   Unreached // another agent's
	AskedAt time.Time
	AskID   string
	Witness string // the other agent that was asked; empty: there was none
	Looked  bool   // and it did look
}

// Unreached is a row of looks that failed, from the first to the last. Answered is when
// the look was asked for that the row follows, as a listener answered it.
type Unreached struct{ Since, Last, Answered time.Time }

// Fleetwide is what concerns the fleet as a whole.
type Fleetwide struct {
	Held bool // too many hosts are lost at once
	// TickedAt is the last tick, and ResumedAt the first after the hub itself
	// stood still: silence counts from then.
	TickedAt time.Time
	PortsAt  time.Time // of the last look at the ports that are held
	// Behind: it was told that the store is older than what agents know.
	Behind    bool
	ResumedAt time.Time
	// ReleasedAt is when they ceased to be too many.
	ReleasedAt time.Time
	// Refused paces events about what wasn't let in, by type: rubbish doesn't
	// hide an agent that was turned away.
	Refused map[string]Refusal
}

// Refusal is the last event about something that wasn't let in, and how often
// the same happened since without one.
type Refusal struct {
	At      time.Time
	Skipped int
}
