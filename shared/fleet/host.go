package fleet

import "time"

// HostFacts is what an agent knows of its machine. It changes rarely.
type HostFacts struct {
	Hostname       string            `json:"hostname"`
	OS             string            `json:"os"`           // "linux"
	Distribution   string            `json:"distribution"` // "debian 12"
	Kernel         string            `json:"kernel"`
	Architecture   string            `json:"architecture"` // GOARCH
	CPUs           int               `json:"cpus"`
	Memory         int64             `json:"memory"` // bytes
	EngineVersion  string            `json:"engineVersion,omitempty"`
	Addresses      []string          `json:"addresses,omitempty"`
	Advertise      string            `json:"advertise"` // the address that others reach this host's instances at
	MachineID      string            `json:"machineID"`
	BootID         string            `json:"bootID"`
	Labels         map[string]string `json:"labels,omitempty"`
	AgentVersion   string            `json:"agentVersion"`
	Features       []string          `json:"features,omitempty"` // sorted
	PortRangeFirst int               `json:"portRangeFirst,omitempty"`
	PortRangeLast  int               `json:"portRangeLast,omitempty"`
	Balancers      []BalancerFacts   `json:"balancers,omitempty"`
	// SecretsKey is the public half of the X25519 key that secrets are encrypted to,
	// in base64; empty: the agent has none.
	SecretsKey string `json:"secretsKey,omitempty"`
	// Devices are the paths below /dev that versions may ask for, sorted; see Lacks.
	// Empty: not known.
	Devices []string `json:"devices,omitempty"`
	// Resources are how many the machine has of what nobody but placement counts, by
	// kind, as its agent was told: "gpu", "licence".
	Resources map[string]int `json:"resources,omitempty"`
}

// BalancerFacts is a balancer that the host's agent drives.
type BalancerFacts struct {
	Name    string            `json:"name"`
	Driver  string            `json:"driver"` // "haproxy" or "nginx"
	Version string            `json:"version,omitempty"`
	Address string            `json:"address"` // where its listeners are reached
	Labels  map[string]string `json:"labels,omitempty"`
	// Features are of those like BalancerParked; sorted.
	Features []string `json:"features,omitempty"`
}

// Foreign is what other containers and processes use on a host.
type Foreign struct {
	Memory int64   `json:"memory,omitempty"` // bytes, rounded to 16 MiB so that it seldom changes
	CPUs   float64 `json:"cpus,omitempty"`   // reserved by other containers, in cores
	Ports  []int   `json:"ports,omitempty"`  // TCP ports that others listen on, sorted
}

// States of presence, as agents publish them.
const (
	PresenceOnline    = "online"
	PresenceLost      = "lost"      // the Will
	PresenceStopping  = "stopping"  // the agent stops; containers go on
	PresenceRebooting = "rebooting" // the machine goes down
	PresenceUpgrading = "upgrading" // the agent is replaced
	PresenceLeft      = "left"      // the host has left the fleet, and remembers it; see Desired.Leave
)

// Presence is an agent's sign of life. It is the heartbeat too.
type Presence struct {
	State      string   `json:"state"`
	BootID     string   `json:"bootID"`
	AgentStart string   `json:"agentStart"` // random, new at each start of the agent
	Session    string   `json:"session"`    // random, new at each connection
	Observed   Observed `json:"observed"`
	// Sequence is that of the last report, from agents of an older release alone: a
	// sign of life that says what the last one said is cheap, whatever was reported.
	Sequence uint64 `json:"sequence,omitempty"`
	// Pools are the generations of the pools accepted, by service.
	Pools map[ServiceKey]uint64 `json:"pools,omitempty"`
}

// Observed is the desired state that an agent last accepted.
type Observed struct {
	Lineage    string `json:"lineage,omitempty"`
	Epoch      uint64 `json:"epoch,omitempty"`
	Generation uint64 `json:"generation,omitempty"`
	Sum        string `json:"sum,omitempty"`
}

// Availability of a host, as a person set it.
const (
	AvailabilityActive = "active"
	AvailabilityDrain  = "drain" // its instances are moved away, none come
	// AvailabilityMaintenance: its instances stay, none come, and its silence means
	// nothing; see HostView.Maintenance, which a drained host can have, too.
	AvailabilityMaintenance = "maintenance"
)

// Liveness of a host, as the hub sees it.
const (
	HostUp      = "up"
	HostUnknown = "unknown" // not heard since the hub started
	HostLost    = "lost"
	HostStopped = "stopped" // its agent said that it stops; containers go on
)

// HostStatus is the liveness of a host with the time it began.
type HostStatus struct {
	State string    `json:"state"`
	Since time.Time `json:"since"`
}
