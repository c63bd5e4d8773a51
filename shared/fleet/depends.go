package fleet

import "time"

// Conditions of a dependency.
const (
	ConditionStarted   = "started"   // all of its instances have started
	ConditionHealthy   = "healthy"   // all of its instances are ready
	ConditionCompleted = "completed" // it is a one-shot service, and its version's run has ended with code 0
)

// Dependency is a service of the same project that another one comes after.
type Dependency struct {
	Service   string `json:"service"` // its name in the project
	Condition string `json:"condition"`
	// Restart: who depends on it restarts when all of its instances have been replaced,
	// by a rollout or a restart.
	Restart bool `json:"restart,omitempty"`
	// Optional: one that isn't there, or can't meet its condition, isn't waited for.
	Optional bool `json:"optional,omitempty"`
}

// What waits for a dependency.
const (
	WaitStart   = "start"   // the first instances of a service, or a one-shot service's run
	WaitRollout = "rollout" // its rollout, before anything moves
	WaitRestart = "restart" // its restart, until the dependency is whole again
)

// Wait is a dependency that a service waits for.
type Wait struct {
	Service   ServiceKey `json:"service"` // the dependency
	Condition string     `json:"condition"`
	What      string     `json:"what"` // what of the service waits: "start", "rollout" or "restart"
	// Host and Instance are those of the dependency that keep it waiting, where it is
	// one of its instances.
	Host     string    `json:"host,omitempty"`
	Instance string    `json:"instance,omitempty"`
	Why      string    `json:"why"` // in words
	Since    time.Time `json:"since,omitzero"`
}

// String is the wait as people read it: "waiting for db on web2: not healthy
// (connection refused)".
func (w *Wait) String() string {
	text := "waiting for " + w.Service.Name
	if w.Host != "" {
		text += " on " + w.Host
	}
	return text + ": " + w.Why
}

// Run is the last run of a one-shot service that others depend on.
type Run struct {
	Instance string    `json:"instance"`
	Host     string    `json:"host"`
	Version  int       `json:"version"`
	Begun    uint64    `json:"begun"`          // the revision at which it was placed
	Ended    time.Time `json:"ended,omitzero"` // zero: it hasn't
	Code     int       `json:"code,omitempty"` // with which it ended
	Reason   string    `json:"reason,omitempty"`
}

// Over reports whether the run has ended, well or not.
func (r *Run) Over() bool { return r != nil && !r.Ended.IsZero() }

// Completed reports whether the run has ended with code 0.
func (r *Run) Completed() bool { return r.Over() && r.Code == 0 }

// Cycle is the way from a service back to itself, by what depends on what; nil: there
// is none.
func Cycle(on map[string][]Dependency, from string) []string {
	before, queue := map[string]string{}, []string{from}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		for _, d := range on[name] {
			if d.Service == from {
				way := []string{from}
				for ; name != from; name = before[name] {
					way = append([]string{name}, way...)
				}
				return append([]string{from}, way...)
			}
			if _, seen := before[d.Service]; !seen {
				before[d.Service] = name
				queue = append(queue, d.Service)
			}
		}
	}
	return nil
}
