package fleet

import "time"

// Goals of an instance in a desired state.
const (
	GoalRun  = "run"
	GoalStop = "stop"
)

// Assignment is one instance as its host is asked to have it.
type Assignment struct {
	ID      string     `json:"id"`
	Service ServiceKey `json:"service"`
	Version int        `json:"version"`
	Slot    int        `json:"slot"`
	Goal    string     `json:"goal"`
	// Cause is the id of the event or command behind the goal.
	Cause string `json:"cause,omitempty"`
	// Pin is the image to use where it is known already; see Version.Pin.
	Pin string `json:"pin,omitempty"`
}

// Phases of an instance as its agent reports them.
const (
	PhasePending  = "pending"  // known, nothing done yet
	PhasePulling  = "pulling"  // its image is being fetched
	PhaseStarting = "starting" // its container is being made or started
	PhaseRunning  = "running"  // its container runs; Ready says whether it serves
	PhaseBackoff  = "backoff"  // something failed; tried again at NextTry
	PhaseExited   = "exited"   // it ended, and its restart policy leaves it so
	PhaseStopping = "stopping"
	PhaseStopped  = "stopped" // its container is gone; stays reported until the assignment is
)

// InstanceActual is one instance as its agent sees it.
type InstanceActual struct {
	ID          string     `json:"id"`
	Service     ServiceKey `json:"service"`
	Version     int        `json:"version"`
	Slot        int        `json:"slot"`
	Incarnation int        `json:"incarnation,omitempty"` // the containers it has had
	Container   string     `json:"container,omitempty"`   // the engine's id
	Image       string     `json:"image,omitempty"`       // the engine's image id
	Digest      string     `json:"digest,omitempty"`      // the image's repository digest, where it has one
	Phase       string     `json:"phase"`
	Ready       bool       `json:"ready,omitempty"`
	Address     string     `json:"address,omitempty"`
	// Ports maps a container's port to the host's, where that is reached at
	// Address: one that is fixed to another address of the host isn't there.
	Ports     map[int]int `json:"ports,omitempty"`
	StartedAt time.Time   `json:"startedAt,omitzero"` // by the host's clock
	Restarts  int         `json:"restarts,omitempty"` // starts after an exit that nobody asked for, but by the end of the machine or the engine
	ExitCode  int         `json:"exitCode,omitempty"`
	Reason    string      `json:"reason,omitempty"` // in words: why it is not ready
	NextTry   time.Time   `json:"nextTry,omitzero"` // by the host's clock
	// Spec is the sum of what its container was made from; see Spec.Sum. Empty:
	// its agent doesn't know.
	Spec string `json:"spec,omitempty"`
	// Unclaimed: the container carries this lineage's and host's labels, but
	// the accepted desired state doesn't know it. It is left alone.
	Unclaimed bool `json:"unclaimed,omitempty"`
}
