package fleet

import "time"

// States of a service as people see it.
const (
	ServiceConverged   = "converged"   // actual is desired
	ServiceProgressing = "progressing" // on the way
	ServiceHeld        = "held"        // can't go on by itself: Reasons say why
	ServiceFrozen      = "frozen"
	ServiceRemoving    = "removing"
	ServiceStopped     = "stopped" // by a person, and nothing of it runs
	// ServiceCompleted is a one-shot service whose run has ended with code 0: all is as
	// it was asked for.
	ServiceCompleted = "completed"
)

// ServiceView is a service's desired and actual state side by side.
type ServiceView struct {
	Key        ServiceKey     `json:"key"`
	Generation uint64         `json:"generation"` // for If-Match
	Mode       string         `json:"mode"`
	State      string         `json:"state"`
	Reasons    []string       `json:"reasons,omitempty"` // why it isn't converged
	Frozen     bool           `json:"frozen,omitempty"`
	Stopped    bool           `json:"stopped,omitempty"`   // by a person: none is to run
	StoppedOn  []string       `json:"stoppedOn,omitempty"` // hosts on which none is to run
	Version    int            `json:"version"`
	Image      string         `json:"image"`
	Pin        string         `json:"pin,omitempty"`
	Desired    int            `json:"desired"` // instances asked for
	Running    int            `json:"running"`
	Ready      int            `json:"ready"`
	Addresses  []string       `json:"addresses,omitempty"` // of the instances, host:port
	Offers     []string       `json:"offers,omitempty"`    // on the balancers: "http 10.0.0.1:8080 -> 8080"
	Rollout    *Rollout       `json:"rollout,omitempty"`   // the last one
	WaitsFor   []Wait         `json:"waitsFor,omitempty"`  // the services that it waits for; see Service.DependsOn
	Run        *Run           `json:"run,omitempty"`       // the last one of a one-shot service that others depend on
	Service    *Service       `json:"service,omitempty"`   // the whole of what was asked for; environment values left out; in single reads
	Instances  []InstanceView `json:"instances,omitempty"` // in single reads
}

// VersionView is one kept version as people see it. Environment values are left
// out.
type VersionView struct {
	Number  int       `json:"number"`
	Created time.Time `json:"created"`
	Actor   string    `json:"actor,omitempty"`
	Cause   string    `json:"cause"`
	Image   string    `json:"image"`
	Pin     string    `json:"pin,omitempty"`
	Current bool      `json:"current,omitempty"` // the one that is asked for
	// Instances run it now, whatever their goal.
	Instances int `json:"instances"`
	// Fields differ from the version kept before it; environment values by name
	// only.
	Fields []FieldChange `json:"fields,omitempty"`
	Spec   *Spec         `json:"spec,omitempty"` // in single reads
}

// RolloutView is a service's last rollout, with what it is judged by.
type RolloutView struct {
	Service ServiceKey `json:"service"`
	Rollout
	// Weight is the new version's share of the traffic that is asked for, in percent.
	Weight   int          `json:"weight"`
	Versions []VersionUse `json:"versions"` // From and To, in this order
}

// VersionUse is one side of a rollout now.
type VersionUse struct {
	Version   int `json:"version"`
	Wanted    int `json:"wanted"` // instances
	Running   int `json:"running"`
	Ready     int `json:"ready"`
	Restarts  int `json:"restarts,omitempty"`
	Weight    int `json:"weight"`             // of one instance on the balancers; 0: none gets traffic
	Requests  int `json:"requests,omitempty"` // counted by the balancers at this step
	Failed    int `json:"failed,omitempty"`   // of them: 5xx, no connection, no answer
	AverageMS int `json:"averageMS,omitempty"`
}

// ServiceStatus is what the hub says of a service over MQTT, retained: desired
// and actual in short.
type ServiceStatus struct {
	State     string   `json:"state"`
	Reasons   []string `json:"reasons,omitempty"` // why it isn't converged
	Version   int      `json:"version"`
	Desired   int      `json:"desired"` // instances asked for
	Ready     int      `json:"ready"`
	Addresses []string `json:"addresses,omitempty"` // of those that are ready, host:port
	WaitsFor  []Wait   `json:"waitsFor,omitempty"`  // the services that it waits for
	Run       *Run     `json:"run,omitempty"`       // the last one of a one-shot service that others depend on
}

// InstanceView is an instance's desired and actual state side by side.
type InstanceView struct {
	ID       string         `json:"id"`
	Service  ServiceKey     `json:"service"`
	Version  int            `json:"version"`
	Slot     int            `json:"slot"`
	Host     string         `json:"host"`
	Goal     string         `json:"goal"`  // "run", "drain" or "stop"
	State    string         `json:"state"` // one word: the phase, "ready", "draining", "lost" …
	Ready    bool           `json:"ready"`
	Reason   string         `json:"reason,omitempty"`
	Cause    string         `json:"cause,omitempty"`
	WaitsFor []string       `json:"waitsFor,omitempty"` // drain: the balancers that still have to acknowledge
	Actual   InstanceActual `json:"actual"`
}

// StateKept is the state of an instance that a rollout has taken off the balancers
// and keeps for a quick way back.
const StateKept = "kept"

// StateCompleted is the state of a one-shot service's instance that has ended with
// code 0, and stays as it is for people to look at.
const StateCompleted = "completed"

// GoalDrain is the goal of an instance that is leaving the balancers.
const GoalDrain = "drain"

// HostView is a host as people see it.
type HostView struct {
	ID                string       `json:"id"`
	Generation        uint64       `json:"generation"` // for If-Match
	Status            HostStatus   `json:"status"`
	Availability      string       `json:"availability"`
	Frozen            bool         `json:"frozen,omitempty"`
	Failed            bool         `json:"failed,omitempty"` // declared dead by a person
	Facts             HostFacts    `json:"facts"`
	Engine            EngineStatus `json:"engine"`
	Foreign           Foreign      `json:"foreign"`
	Reserved          Resources    `json:"reserved"` // by our instances
	Instances         int          `json:"instances"`
	Ready             int          `json:"ready"`
	Observed          Observed     `json:"observed"`
	DesiredGeneration uint64       `json:"desiredGeneration"`
	// Maintenance: its silence means nothing now, and nothing comes to it.
	Maintenance *MaintenanceView `json:"maintenance,omitempty"`
	// Leaving: it is being taken out of the fleet.
	Leaving *LeavingView `json:"leaving,omitempty"`
	// Reasons say what stays on a drained host, and why; of one that leaves, what it
	// waits for.
	Reasons   []string         `json:"reasons,omitempty"`
	Unclaimed []InstanceActual `json:"unclaimed,omitempty"`
	// Stopped are the services that a person has stopped here; in single reads.
	Stopped []ServiceKey `json:"stopped,omitempty"`
}

// MaintenanceView says for how long a host is in maintenance, and why.
type MaintenanceView struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"` // zero: until it is activated
	Reason string    `json:"reason,omitempty"`
	Actor  string    `json:"actor,omitempty"`
	Cause  string    `json:"cause"`
}

// LeavingView is how far a host is on its way out of the fleet.
type LeavingView struct {
	Policy string    `json:"policy"`
	Force  bool      `json:"force,omitempty"`
	Since  time.Time `json:"since"`
	Cause  string    `json:"cause"`
	// Told: its agent was told, so that there is no way back.
	Told bool `json:"told,omitempty"`
}

// BalancerView is a balancer as people see it.
type BalancerView struct {
	Key      BalancerKey   `json:"key"`
	Facts    BalancerFacts `json:"facts"`
	Up       bool          `json:"up"`
	Silent   bool          `json:"silent,omitempty"` // its agent is not heard
	Problem  string        `json:"problem,omitempty"`
	Promise  string        `json:"promise,omitempty"` // what its changes do to requests, where that depends on its version
	Services int           `json:"services"`
}

// PoolView is one service's pool on one balancer, wanted beside actual.
type PoolView struct {
	Balancer   BalancerKey    `json:"balancer"`
	Generation uint64         `json:"generation"`
	Applied    uint64         `json:"applied"`
	Problem    string         `json:"problem,omitempty"`
	Listen     []string       `json:"listen"` // "http 10.0.0.1:8080 -> 8080"
	Endpoints  []EndpointView `json:"endpoints"`
}

// EndpointView is an endpoint, wanted beside actual.
type EndpointView struct {
	Endpoint
	Host   string          `json:"host"`
	Actual *EndpointActual `json:"actual,omitempty"` // nil: the balancer doesn't have it yet
}

// ExportView is a service as balancers and collectors can have it that no agent drives.
// Nothing waits for those: what leaves it may be stopped before they have seen that.
type ExportView struct {
	Service ServiceKey `json:"service"`
	// Offered: x-lb or ports ask for it. Else nobody said what its ports speak, and its
	// routes are only those ports.
	Offered bool `json:"offered,omitempty"`
	// Routes are what was asked for; the ports to listen on are those of the fleet's
	// own balancers.
	Routes    []Route        `json:"routes,omitempty" nullable:"false"`
	Check     Check          `json:"check"`
	Endpoints []EndpointView `json:"endpoints" nullable:"false"` // sorted by Instance; Actual is left out
}

// Change tells a watcher that a revision was committed and what it touched.
type Change struct {
	Revision uint64       `json:"revision"`
	Time     time.Time    `json:"time"`
	Services []ServiceKey `json:"services,omitempty"`
	Hosts    []string     `json:"hosts,omitempty"`
	Events   []Event      `json:"events,omitempty"`
}
