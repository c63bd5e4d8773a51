package brain

import (
	"encoding/json"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// inspected is what is told of an instance to who asks what it is made of.
// Of environments it has the names only.
type inspected struct {
	fleet.InstanceActual
	Goal        string      `json:"goal,omitempty"`
	Environment []string    `json:"environment,omitempty"`
	Spec        *fleet.Spec `json:"madeFrom,omitempty"` // without the environment
	Engine      *engineView `json:"engine,omitempty"`   // nil: there is no container
}

// engineView is a container as the engine has it.
type engineView struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	State      string    `json:"state"`
	Health     string    `json:"health,omitempty"`
	Image      string    `json:"image"`
	ExitCode   int       `json:"exitCode,omitempty"`
	OOMKilled  bool      `json:"oomKilled,omitempty"`
	Error      string    `json:"error,omitempty"`
	StartedAt  time.Time `json:"startedAt,omitzero"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	HostPorts  []int     `json:"hostPorts,omitempty"`
	Memory     int64     `json:"memory,omitempty"` // bytes
	CPUs       float64   `json:"cpus,omitempty"`
	Networks   []string  `json:"networks,omitempty"`
}

// Inspect says as JSON what the instances of a service are made of here; empty:
// there are none. It changes nothing.
func (s *State) Inspect(service fleet.ServiceKey, now time.Time) string {
	var all []inspected
	for _, id := range sortedKeys(s.instances) {
		if s.instances[id].rec.Service == service {
			all = append(all, s.inspect(s.instances[id], now))
		}
	}
	if len(all) == 0 {
		return ""
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		panic(err) // these types always encode
	}
	return fleet.Clip(string(text), fleet.MaxOutput)
}

func (s *State) inspect(inst *instance, now time.Time) inspected {
	out := inspected{InstanceActual: s.instanceActual(inst, now)}
	if a := s.assigned[inst.id]; a != nil {
		out.Goal = a.Goal
		if spec := s.spec(a); spec != nil {
			made := spec.WithoutOptions("(not shown)")
			made.Environment, made.Configs = nil, fleet.WithoutContent(spec.Configs)
			out.Spec, out.Environment = &made, sortedKeys(spec.Environment)
		}
	}
	if c := inst.container; c != nil {
		out.Engine = &engineView{
			ID: c.ID, Name: c.Name, State: c.State, Health: c.Health, Image: c.ImageID, ExitCode: c.ExitCode, OOMKilled: c.OOMKilled,
			Error: c.Error, StartedAt: c.StartedAt, FinishedAt: c.FinishedAt, HostPorts: c.HostPorts, Memory: c.Memory, CPUs: c.CPUs,
			Networks: c.Snapshot.Networks,
		}
	}
	return out
}

// Probing is one instance that is to be tried: by its probe, or without one by
// what is known of it.
type Probing struct {
	Instance string
	Target   *ProbeTarget // nil: it has no probe, or nothing to probe
	Ready    bool
	Reason   string
}

// Probings are the instances of a service that are to run here, or of all.
func (s *State) Probings(service fleet.ServiceKey, now time.Time) (all []Probing) {
	for _, id := range sortedKeys(s.instances) {
		inst := s.instances[id]
		if a := s.assigned[id]; a == nil || a.Goal != fleet.GoalRun || !service.IsZero() && inst.rec.Service != service {
			continue
		}
		p := Probing{Instance: inst.rec.Service.String() + " " + id}
		if target, ok := s.target(inst); ok {
			p.Target = &target
		} else {
			actual := s.instanceActual(inst, now)
			p.Ready, p.Reason = actual.Ready, actual.Reason
		}
		all = append(all, p)
	}
	return all
}

// Balancers are this host's, as last seen.
func (s *State) Balancers() (all []fleet.BalancerActual) {
	for _, name := range sortedKeys(s.balancers) {
		b := s.balancers[name]
		all = append(all, fleet.BalancerActual{Name: name, Driver: b.Driver, Up: b.Up, Problem: b.Problem})
	}
	return all
}
