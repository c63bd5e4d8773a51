package brain

import "github.com/musterhq/muster/shared/fleet"

// Stage is something that the brain did about one instance without an event of
// its own: for whoever follows the instance in the log.
type Stage struct {
	Kind     string
	Instance string
	Service  fleet.ServiceKey
	Goal     string // of StageAccepted
	Reason   string // of StageUnready: why, in words
	Cause    string
}

// Kinds of stages.
const (
	StageAccepted  = "accepted"  // the accepted desired state has it with another goal than before
	StageReady     = "ready"     // it serves, by all that this agent knows
	StageUnready   = "unready"   // it did, and doesn't any more
	StageForgotten = "forgotten" // it is gone, and nobody asks for it
)

// stage notes one for the step's outputs.
func (s *State) stage(kind string, inst *instance) *Stage {
	stage := Stage{Kind: kind, Instance: inst.id, Service: inst.rec.Service}
	if a := s.assigned[inst.id]; a != nil {
		stage.Goal, stage.Cause = a.Goal, a.Cause
	}
	s.stages = append(s.stages, stage)
	return &s.stages[len(s.stages)-1]
}

// ServiceOf returns the service of an instance; zero: it isn't known.
func (s *State) ServiceOf(instance string) (service fleet.ServiceKey) {
	if inst, ok := s.instances[instance]; ok {
		service = inst.rec.Service
	}
	return service
}
