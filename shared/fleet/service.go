package fleet

import "time"

// Modes of a service.
const (
	ModeReplicated = "replicated"
	ModeGlobal     = "global" // one instance on every eligible host
	// ModeJob is a one-shot service: it runs to its end, once a version where others
	// depend on it, and whenever a rollout that names it comes to it. Its count is 0.
	ModeJob = "job"
)

// Service is what was asked for under one name. Everything in Spec makes a
// version; the rest may change without a new one.
type Service struct {
	Key   ServiceKey `json:"key"`
	Mode  string     `json:"mode"`
	Count int        `json:"count"`
	// CountStated is false when the document left the count open: then an
	// apply keeps the count that stands, and a new service gets 1.
	CountStated bool         `json:"countStated,omitempty"`
	Constraints []Constraint `json:"constraints,omitempty"`
	// Spread are labels over whose values its instances are spread evenly, the most
	// important first.
	Spread []string `json:"spread,omitempty"`
	// MostPerHost is how many of its instances a host gets at most; 0: any number.
	MostPerHost int        `json:"mostPerHost,omitempty"`
	Balancing   *Balancing `json:"balancing,omitempty"` // nil: not behind a balancer
	// Grace is how long after its host is lost an instance is placed anew;
	// zero: the hub's default of 5 s.
	Grace Duration `json:"grace,omitempty"`
	// Reschedule: RescheduleNever has instances on a lost host wait until a person
	// says that it is dead; empty: they are placed anew after Grace.
	Reschedule string `json:"reschedule,omitempty"`
	// Rollout is how it moves to a new version; nil: by default.
	Rollout *RolloutSpec `json:"rollout,omitempty"`
	// Keep is how many versions are kept; 0: the hub's default of 10.
	Keep int `json:"keep,omitempty"`
	// DependsOn are the services that it comes after; sorted by Service.
	DependsOn []Dependency `json:"dependsOn,omitempty"`
	// Labels are the service's own, for people and programs that read the API; its
	// containers have Spec.Labels.
	Labels map[string]string `json:"labels,omitempty"`
	Spec   Spec              `json:"spec"`
}

// RescheduleNever is a service's wish that none of its instances is placed anew
// because its host is lost, unless a person says that the host is dead.
const RescheduleNever = "never"

// Constraint restricts the hosts that a service may run on.
type Constraint struct {
	Label string `json:"label"` // a label's name, or "hostname"
	Equal bool   `json:"equal"` // false: must differ
	Value string `json:"value"`
}

// Constraint labels that mean what a host is, whatever labels it has.
const (
	LabelHostname     = "hostname"      // its id
	LabelOS           = "platform.os"   // like "linux"
	LabelArchitecture = "platform.arch" // as Go names it, like "amd64"
)

// String writes the constraint as an operator reads it, like "label tier=web".
func (c Constraint) String() string {
	op := "!="
	if c.Equal {
		op = "="
	}
	if c.Label == LabelHostname || c.Label == LabelOS || c.Label == LabelArchitecture {
		return c.Label + op + c.Value
	}
	return "label " + c.Label + op + c.Value
}

// Balancing is how a service is offered on the balancers.
type Balancing struct {
	Routes       []Route  `json:"routes"`              // sorted by Target
	Balancers    []string `json:"balancers,omitempty"` // names ("haproxy") or host/name; empty: all
	Check        Check    `json:"check"`
	DrainTimeout Duration `json:"drainTimeout,omitempty"` // longest wait for open connections; zero: 30 s
}

// Check is the balancer's own check of an endpoint. Defaults: interval 1 s,
// timeout 1 s, rise 1, fall 2. Type "tcp" connects, "http" wants a 2xx or 3xx.
type Check struct {
	Type     string   `json:"type"`
	Path     string   `json:"path,omitempty"`
	Interval Duration `json:"interval,omitempty"`
	Timeout  Duration `json:"timeout,omitempty"`
	Rise     int      `json:"rise,omitempty"`
	Fall     int      `json:"fall,omitempty"`
}

// Version is one immutable combination of program and configuration.
type Version struct {
	Number  int       `json:"number"`
	Spec    Spec      `json:"spec"`
	Created time.Time `json:"created"`
	Cause   string    `json:"cause"`
	Actor   string    `json:"actor,omitempty"`
	// Balancing is how this version was offered when it last was the newest:
	// its instances serve the listeners of later ones on the ports that it
	// names.
	Balancing *Balancing `json:"balancing,omitempty"`
	// Pin is the image that the first agent found behind Spec.Image: a
	// repository digest where there is one, else an image id. Empty until known.
	Pin string `json:"pin,omitempty"`
}
