package fleet

import (
	"strconv"
	"strings"
)

// Desired is the body of a host's desired state. Leaving an instance out
// never stops it: stopping takes an assignment whose goal is "stop".
type Desired struct {
	Host string `json:"host"`
	// Frozen hosts observe and report, and change nothing.
	Frozen bool `json:"frozen,omitempty"`
	// FrozenServices are left as they are on this host; sorted.
	FrozenServices []ServiceKey `json:"frozenServices,omitempty"`
	Instances      []Assignment `json:"instances,omitempty"` // sorted by ID
	// Versions has the spec of every version named in Instances, by
	// VersionKey.
	Versions map[string]Spec `json:"versions,omitempty"`
	// Prepare are versions, by VersionKey, whose image the host is to have before
	// anything of them runs; sorted. Their specs are in Versions, their pins in Pins.
	Prepare []string `json:"prepare,omitempty"`
	// Pins are the images of versions in Prepare, where they are known already; see
	// Version.Pin.
	Pins map[string]string `json:"pins,omitempty"`
	// Keep are images that kept versions of services need, though nothing of them
	// is to run here: references, digests or ids; sorted.
	Keep []string `json:"keep,omitempty"`
	// Names are the services that containers of a project reach by name, and
	// the balancers' addresses that stand for them: project, service, addresses.
	Names map[string]map[string][]string `json:"names,omitempty"`
	// Pools is the index of the pools that this host's balancers have.
	Pools []PoolRef `json:"pools,omitempty"` // sorted by Service
	// HeldPorts are host ports that no instance may be given yet, though
	// free: a balancer may still send to them; sorted.
	HeldPorts []int `json:"heldPorts,omitempty"`
	// Secrets has the values that versions of instances here need, by SecretRef, and
	// Registries the Credentials of registries that their images come from: each
	// encrypted to this host's SecretsKey, in base64.
	Secrets    map[string]string `json:"secrets,omitempty"`
	Registries map[string]string `json:"registries,omitempty"`
	// Leave says that the host is out of the fleet: its agent remembers that, takes
	// no more orders, and ends; see LeaveStop. Empty: it is in it.
	Leave string `json:"leave,omitempty"`
}

// What becomes of a host that leaves the fleet.
const (
	// LeaveStop: its instances were stopped, and its balancer ends.
	LeaveStop = "stop"
	// LeaveKeep: its containers and its balancer go on, and are nobody's.
	LeaveKeep = "keep"
)

// VersionKey is the key of a version in Desired.Versions: "project/name@3".
func VersionKey(service ServiceKey, version int) string {
	return service.String() + "@" + strconv.Itoa(version)
}

// ParseVersionKey reads what VersionKey made.
func ParseVersionKey(text string) (ServiceKey, int, error) {
	name, number, _ := strings.Cut(text, "@")
	service, err := ParseServiceKey(name)
	version, notNumber := strconv.Atoi(number)
	if err != nil || notNumber != nil || version < 0 || VersionKey(service, version) != text {
		return ServiceKey{}, 0, Invalid("version", "%.140q is not of the form project/service@number", text)
	}
	return service, version, nil
}

// PoolRef names one pool in a host's index.
type PoolRef struct {
	Service    ServiceKey `json:"service"`
	Generation uint64     `json:"generation"`
	Sum        string     `json:"sum"`
}

// Actual is the body of what an agent reports of its host.
type Actual struct {
	Host       string            `json:"host"`
	Facts      HostFacts         `json:"facts"`
	AgentStart string            `json:"agentStart"`
	Session    string            `json:"session"`
	Observed   Observed          `json:"observed"`
	Engine     EngineStatus      `json:"engine"`
	Instances  []InstanceActual  `json:"instances,omitempty"` // sorted by ID
	Balancers  []BalancerActual  `json:"balancers,omitempty"` // sorted by Name
	Foreign    Foreign           `json:"foreign"`
	Refused    map[string]string `json:"refused,omitempty"` // VersionKey -> why this agent can't run it
	// Prepared has an entry for each version of Desired.Prepare, by VersionKey.
	Prepared map[string]Prepared `json:"prepared,omitempty"`
	// Problem is what the agent itself can't do, like saving its state.
	Problem string `json:"problem,omitempty"`
}

// Prepared says whether a host has a version's image.
type Prepared struct {
	// Image and Digest are the engine's image id, and its repository digest where it
	// has one; empty: not there yet.
	Image  string `json:"image,omitempty"`
	Digest string `json:"digest,omitempty"`
	// Problem is why the last try to fetch it failed, in words; it goes on trying.
	Problem string `json:"problem,omitempty"`
}

// EngineStatus says whether the container engine answers.
type EngineStatus struct {
	Up      bool   `json:"up"`
	Problem string `json:"problem,omitempty"`
}

// HubState is what the hub says of itself when it starts.
type HubState struct {
	Lineage  string `json:"lineage"`
	Epoch    uint64 `json:"epoch"`
	Revision uint64 `json:"revision"`
	Started  string `json:"started"` // "2026-01-02T12:00:00Z"
}
