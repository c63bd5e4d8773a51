package brain

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// actual is the whole report of the host.
func (s *State) actual(now time.Time) fleet.Actual {
	a := fleet.Actual{
		Host:       s.config.Host,
		Facts:      s.wholeFacts(),
		AgentStart: s.config.AgentStart,
		Session:    s.session,
		Observed:   s.accepted.observed(),
		Engine:     fleet.EngineStatus{Up: s.engine.Up, Problem: fleet.Clip(s.engine.Problem, fleet.MaxReason)},
		Foreign:    s.foreignUse(),
		Problem:    fleet.Clip(s.saving.problem, fleet.MaxReason),
	}
	a.Prepared = s.preparedImages(now)
	if len(s.refused) > 0 {
		a.Refused = maps.Clone(s.refused)
	}
	for _, id := range sortedKeys(s.instances) {
		inst := s.instances[id]
		// Of one that neither the memory nor the engine has told of, nothing is known.
		known := s.listed || inst.rec.Container != ""
		if s.assigned[id] != nil && known || inst.container != nil {
			a.Instances = append(a.Instances, s.instanceActual(inst, now))
		}
	}
	for _, name := range sortedKeys(s.balancers) {
		a.Balancers = append(a.Balancers, s.balancers[name])
	}
	return a
}

// wholeFacts adds what only running balancers tell: their versions.
func (s *State) wholeFacts() fleet.HostFacts {
	facts := s.facts
	facts.Balancers = slices.Clone(facts.Balancers)
	for i := range facts.Balancers {
		facts.Balancers[i].Version = cmp.Or(s.balancers[facts.Balancers[i].Name].Version, facts.Balancers[i].Version)
	}
	return facts
}

func (s *State) instanceActual(inst *instance, now time.Time) fleet.InstanceActual {
	rec, c := inst.rec, inst.container
	a := fleet.InstanceActual{
		ID:          inst.id,
		Service:     rec.Service,
		Version:     rec.Version,
		Slot:        rec.Slot,
		Incarnation: rec.Incarnation,
		Image:       rec.Image.ID,
		Digest:      rec.Image.Digest,
		Ready:       s.isReady(inst),
		Address:     s.advertise,
		Ports:       s.reached(inst),
		Restarts:    rec.Restarts,
		Spec:        rec.Spec,
		Unclaimed:   s.assigned[inst.id] == nil,
	}
	if c != nil {
		a.Container = c.ID
		if c.ImageID != "" && c.ImageID != a.Image {
			a.Image, a.Digest = c.ImageID, ""
		}
		if c.State == ContainerRunning || c.State == ContainerPaused {
			a.StartedAt = c.StartedAt
		}
		if c.State == ContainerExited || c.State == ContainerDead {
			a.ExitCode = c.ExitCode
		}
	}
	if inst.over() {
		a.ExitCode = rec.EndedCode
	}
	a.Phase, a.Reason = s.phase(inst, now)
	if a.Phase == fleet.PhaseBackoff {
		a.NextTry = inst.nextTry
	}
	if a.Reason = fleet.Clip(a.Reason, fleet.MaxReason); a.Ready {
		a.Reason = ""
	}
	return a
}

// reached are the ports of an instance that others reach at the advertised
// address. One that is fixed to another address, 127.0.0.1 say, isn't theirs;
// one that isn't on disk yet may still change.
func (s *State) reached(inst *instance) map[int]int {
	if s.loose(inst) {
		return nil
	}
	ports := map[int]int{}
	for target, port := range inst.rec.Ports {
		if s.addressOf(inst, target) == s.advertise {
			ports[target] = port
		}
	}
	if len(ports) == 0 {
		return nil
	}
	return ports
}

// phase says in one word what an instance is at, and why it isn't ready.
func (s *State) phase(inst *instance, now time.Time) (phase, reason string) {
	a := s.assigned[inst.id]
	if a == nil && inst.op != nil && (inst.op.Kind == OpStop || inst.op.Kind == OpRemove) { // as was asked before
		return fleet.PhaseStopping, inst.reason
	}
	if a == nil {
		phase, reason = containerPhase(inst.container), "nobody asks for it; it is left as it is"
		return phase, reason
	}
	if a.Goal == fleet.GoalStop {
		return s.stopPhase(inst, a)
	}
	phase, reason = s.runPhase(inst, now)
	switch why := s.refused[fleet.VersionKey(a.Service, a.Version)]; {
	case why != "":
		reason = why
	case s.spec(a) == nil:
		reason = "the desired state lacks its version"
	case a.Goal != fleet.GoalRun:
		reason = "this agent doesn't know the goal " + a.Goal
	case s.frozen(a.Service) && phase != fleet.PhaseRunning:
		reason = "frozen: it is left as it is"
	case !s.engine.Up && s.listed && phase != fleet.PhaseRunning:
		reason = "the container engine doesn't answer"
	case inst.opaque() != "":
		reason = inst.opaque()
	}
	return phase, reason
}

func (s *State) stopPhase(inst *instance, a *fleet.Assignment) (string, string) {
	switch {
	case inst.container == nil && s.listed && !inst.unsure && !s.unmatched && (inst.op == nil || inst.op.Kind == OpPull):
		return fleet.PhaseStopped, ""
	case s.frozen(a.Service):
		return fleet.PhaseStopping, "frozen: it is left as it is"
	case a.Cause == "":
		return fleet.PhaseStopping, "it is left as it is: the order to stop it names no cause"
	case inst.opaque() != "":
		return fleet.PhaseStopping, inst.opaque()
	}
	return fleet.PhaseStopping, inst.reason
}

func (s *State) runPhase(inst *instance, now time.Time) (string, string) {
	c := inst.container
	if inst.op != nil {
		switch inst.op.Kind {
		case OpPull:
			return fleet.PhasePulling, inst.reason
		case OpCreate, OpStart, OpRemove, OpStop:
			return fleet.PhaseStarting, inst.reason
		}
	}
	if inst.nextTry.After(now) && (c == nil || c.State != ContainerRunning) {
		return fleet.PhaseBackoff, inst.reason + "; next try in " + words(inst.wait)
	}
	switch {
	case inst.over():
		return fleet.PhaseExited, fmt.Sprintf("exited with code %d; its container was removed since", inst.rec.EndedCode)
	case c == nil && inst.pulled:
		return fleet.PhaseStarting, inst.reason
	case c == nil:
		return fleet.PhasePending, s.pendingReason(inst)
	case c.State == ContainerRunning && inst.dead():
		return fleet.PhaseStarting, "its container has just ended"
	case c.State == ContainerRunning:
		return fleet.PhaseRunning, runningReason(inst)
	case c.State == ContainerExited && inst.ended && inst.decided == runOf(c):
		return fleet.PhaseExited, inst.reason
	case c.State == ContainerPaused:
		return fleet.PhaseRunning, "it is paused"
	}
	return fleet.PhaseStarting, inst.waitsReason()
}

func (s *State) pendingReason(inst *instance) string {
	if s.loose(inst) && s.saving.problem != "" {
		return "it isn't made, because the agent can't save its state: " + s.saving.problem
	}
	return inst.waitsReason()
}

// waitsReason is why an instance doesn't run, and what its next operation waits for.
func (inst *instance) waitsReason() string {
	if inst.reason != "" && inst.waits != "" {
		return inst.reason + "; " + inst.waits
	}
	return cmp.Or(inst.waits, inst.reason)
}

// runningReason says why a running instance isn't ready.
func runningReason(inst *instance) string {
	probe := inst.rec.Probe
	switch {
	case inst.container.Health == HealthUnhealthy:
		return "its healthcheck fails"
	case probe != nil && inst.rec.Ports[probe.Port] == 0:
		return "its probe's port isn't published"
	case inst.probeReason != "":
		return inst.probeReason
	case inst.reason != "":
		return inst.reason
	case probe == nil && inst.container.Health == HealthStarting:
		return "its healthcheck has yet to pass"
	}
	return "its probe has yet to pass"
}

func containerPhase(c *Container) string {
	if c == nil {
		return fleet.PhasePending
	}
	switch c.State {
	case ContainerRunning, ContainerPaused, ContainerRestarting:
		return fleet.PhaseRunning
	case ContainerCreated:
		return fleet.PhaseStarting
	}
	return fleet.PhaseExited
}
