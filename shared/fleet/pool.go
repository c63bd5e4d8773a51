package fleet

import "time"

// Pool is one service's addresses for the balancers of one host.
type Pool struct {
	Service   ServiceKey `json:"service"`
	Balancers []string   `json:"balancers"` // names on this host, sorted
	// Generation is the revision at which the pool last changed; it is the
	// generation of its envelope.
	Generation   uint64     `json:"generation"`
	Routes       []Route    `json:"routes"`
	Check        Check      `json:"check"`
	DrainTimeout Duration   `json:"drainTimeout"`
	Endpoints    []Endpoint `json:"endpoints,omitempty"` // sorted by Instance
	// Measure: the agent publishes what its balancers count; see Metrics.
	Measure bool `json:"measure,omitempty"`
	// Removed: the service is gone; the balancer drops its section and goes
	// on reporting the generation until the pool leaves the index.
	Removed bool `json:"removed,omitempty"`
}

// States of an endpoint, wanted; all but parked are reported, too.
const (
	EndpointPreparing = "preparing" // known, gets no traffic, existing connections go on
	EndpointReady     = "ready"     // gets traffic by its weight
	EndpointDraining  = "draining"  // gets no new traffic, existing connections may end
	// EndpointParked gets no new traffic either, and is checked, so that it can have
	// some at once. It goes on until those that are to be ready serve.
	EndpointParked = "parked"
)

// Endpoint is one instance's address in a pool.
type Endpoint struct {
	Instance string      `json:"instance"`
	Version  int         `json:"version"`
	Address  string      `json:"address"`
	Ports    map[int]int `json:"ports"`  // the container's port to the host's
	Weight   int         `json:"weight"` // 1 to 256
	State    string      `json:"state"`
}

// BalancerActual is a balancer as its agent sees it.
type BalancerActual struct {
	Name    string       `json:"name"`
	Driver  string       `json:"driver"`
	Version string       `json:"version,omitempty"`
	Promise string       `json:"promise,omitempty"` // what a change of the balancer does to requests, where it depends on the version
	Up      bool         `json:"up"`
	Problem string       `json:"problem,omitempty"`
	Pools   []PoolActual `json:"pools,omitempty"` // sorted by Service
}

// PoolActual is what a balancer made of one pool.
type PoolActual struct {
	Service ServiceKey `json:"service"`
	// Generation is acknowledged: every endpoint of that generation is in the
	// balancer, and what must not get traffic gets none. Endpoints that are
	// to be ready may still wait for their check.
	Generation uint64 `json:"generation"`
	// Removals is the newest generation of which only that much is in force:
	// whoever is to get no traffic gets none. It is ahead of Generation while
	// the balancer refuses the rest of the pool.
	Removals  uint64           `json:"removals,omitempty"`
	Problem   string           `json:"problem,omitempty"`   // why a newer generation is not applied, or an endpoint is left out
	Endpoints []EndpointActual `json:"endpoints,omitempty"` // sorted by Instance
}

// Outcomes of a balancer's check.
const (
	CheckUnknown = "unknown"
	CheckPassing = "passing"
	CheckFailing = "failing"
)

// EndpointActual is one endpoint as the balancer has it.
type EndpointActual struct {
	Instance    string `json:"instance"`
	State       string `json:"state"` // what is in force now: preparing, ready or draining, which one that is parked is
	Check       string `json:"check"`
	Connections int    `json:"connections,omitempty"` // open or queued now, in every worker that may still send
	// Drained: no connection is left, nor can any worker make one.
	Drained bool `json:"drained,omitempty"`
}

// Weights and limits of endpoints.
const (
	DefaultWeight = 128
	MaxWeight     = 256
)

// DefaultDrainTimeout is the longest wait for open connections to end.
const DefaultDrainTimeout = 30 * time.Second
