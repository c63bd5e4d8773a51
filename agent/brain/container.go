package brain

import (
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Labels that Muster puts on its containers. A container without lineage and
// host among them, both ours, is never touched.
const (
	LabelLineage     = "muster.lineage"
	LabelHost        = "muster.host"
	LabelInstance    = "muster.instance"
	LabelProject     = "muster.project"
	LabelService     = "muster.service"
	LabelVersion     = "muster.version"
	LabelSlot        = "muster.slot"
	LabelIncarnation = "muster.incarnation"
	LabelSpec        = "muster.spec"  // the sum of what it was made from
	LabelPorts       = "muster.ports" // "8080:20001,9090:20002": container to host port
)

// States of a container, as the engine names them.
const (
	ContainerCreated    = "created"
	ContainerRunning    = "running"
	ContainerPaused     = "paused"
	ContainerRestarting = "restarting"
	ContainerExited     = "exited"
	ContainerDead       = "dead"
	ContainerRemoving   = "removing"
)

// Health of a container, by the engine's own healthcheck.
const (
	HealthNone      = ""
	HealthStarting  = "starting"
	HealthHealthy   = "healthy"
	HealthUnhealthy = "unhealthy"
)

// Container is one of the engine's containers as it is now. Of containers
// without our labels only ID, Labels, State, Memory, CPUs and HostPorts are set.
type Container struct {
	ID         string
	Name       string // without the leading slash
	Labels     map[string]string
	State      string
	Health     string
	ImageID    string
	ExitCode   int
	OOMKilled  bool
	Error      string // the engine's, from the last start
	StartedAt  time.Time
	FinishedAt time.Time
	StopSignal int   // the number of the signal that asks it to end; 0: SIGTERM
	HostPorts  []int // published, TCP and UDP
	// Memory and CPUs are what the engine is told to hold for it: the limit,
	// or else the reservation.
	Memory int64
	CPUs   float64
	// Snapshot is what people can change on a live container.
	Snapshot Snapshot
	// Problem is why the engine can't tell more of one of ours than ID, Labels,
	// State and HostPorts; empty: it told everything.
	Problem string
}

// Snapshot is the part of a container that can be changed by hand while it
// lives. The engine's adapter reads it right after creation; the brain keeps
// it and compares.
type Snapshot struct {
	Name          string   `json:"name"`
	MemoryLimit   int64    `json:"memoryLimit,omitempty"`
	MemoryReserve int64    `json:"memoryReserve,omitempty"`
	NanoCPUs      int64    `json:"nanoCPUs,omitempty"`
	PidsLimit     int64    `json:"pidsLimit,omitempty"`
	RestartPolicy string   `json:"restartPolicy,omitempty"` // always "no" or ""
	Networks      []string `json:"networks,omitempty"`      // sorted
}

// Create is everything that the engine's adapter needs to make a container.
// The adapter adds nothing of its own but Docker's restart policy "no" and
// the logging driver.
type Create struct {
	Name   string
	Image  string // an image id where it is known
	Spec   fleet.Spec
	Labels map[string]string // Spec.Labels and ours
	// Environment is Spec.Environment and ours (MUSTER_INSTANCE, MUSTER_SERVICE,
	// MUSTER_VERSION, MUSTER_HOST, MUSTER_SLOT).
	Environment map[string]string
	// Bind is the address that ports from the range are published on.
	Bind string
	// Ports maps Spec.Publish targets to the host's ports.
	Ports map[int]int
	// Hosts are extra lines of /etc/hosts: name to addresses.
	Hosts map[string][]string
	// Files are mounted read-only.
	Files []File
}

// Image is an image that the engine has.
type Image struct {
	ID     string // "sha256:…"
	Digest string // a repository digest "name@sha256:…", where it has one
}
