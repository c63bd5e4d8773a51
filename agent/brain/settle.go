package brain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// settle takes in how an operation ended. After most of them the instance
// waits for a fresh listing: what is, counts, not what was tried.
func (s *State) settle(r Result, now time.Time) {
	if r.Kind == OpImages || r.Kind == OpRemoveImage {
		s.settleCleaning(&r, now)
		return
	}
	if id, asked := strings.CutPrefix(r.Version, fetchPrefix); asked {
		s.settleFetch(id, &r, now)
		return
	}
	if r.Version != "" {
		s.settlePreparation(&r, now)
		return
	}
	inst, ok := s.instances[r.Instance]
	if !ok || inst.op == nil || inst.op.Kind != r.Kind {
		return
	}
	op := inst.op
	inst.op = nil
	if r.Kind != OpPull {
		inst.settled, inst.unsure = s.turn, true
	}
	switch {
	case r.Problem == "":
		s.succeeded(inst, op, &r, now)
	case r.Gone:
		inst.nextTry = time.Time{} // the next listing says so too
	default:
		s.failed(inst, op, &r, now)
	}
}

func (s *State) succeeded(inst *instance, op *Op, r *Result, now time.Time) {
	switch op.Kind {
	case OpPull:
		s.pulled(op, r, now)
	case OpCreate:
		s.created(inst, op, r, now)
	case OpStart:
		s.started(inst, op, r, now)
	case OpRemove:
		if !inst.rec.Recreate {
			inst.recover()
		}
		inst.container = nil
		inst.rec.Container, inst.rec.Snapshot, inst.rec.Recreate = "", nil, false
		s.dirty(now)
	case OpStop:
		inst.recover()
	case OpUnpause:
		inst.recover()
		s.restored(inst, op, "was paused by somebody else; it runs again", now)
	case OpRestore:
		inst.restores++
		if inst.restores == 1 {
			s.restored(inst, op, "was changed by somebody else; its name, resources and networks are put back", now)
		}
	}
}

// pulled goes on once it is known whether the image is there, with all that
// want it. Earlier failures are forgotten only once the instance starts.
func (s *State) pulled(op *Op, r *Result, now time.Time) {
	s.keep(op.Image, r, now)
	for _, p := range s.preparations {
		if p.op == nil && s.imageOf(p) == op.Image {
			p.looked(op.Image, r, now.Add(s.config.Timing.Look))
		}
	}
	for _, inst := range s.wanting(op.Image) {
		if r.Missing {
			inst.lacks = op.Image
			inst.pinFailed = inst.pinFailed || isImageID(op.Image) // by its name, at once
			continue
		}
		inst.pulled, inst.lacks = true, ""
		if inst.rec.Image != r.Image {
			inst.rec.Image = r.Image
			s.dirty(now)
		}
	}
}

// wanting are the instances whose next container is made from an image.
func (s *State) wanting(image string) (found []*instance) {
	for id, inst := range s.instances {
		a := s.assigned[id]
		if a == nil || inst.op != nil || inst.container != nil {
			continue
		}
		if spec := s.runnable(a); spec != nil && imageFor(inst, a, spec) == image {
			found = append(found, inst)
		}
	}
	return found
}

func (s *State) created(inst *instance, op *Op, r *Result, now time.Time) {
	c := r.Container
	rec := inst.rec
	rec.Incarnation++
	rec.Container, rec.Snapshot = c.ID, cloneSnapshot(&c.Snapshot)
	rec.EndedRun = ""
	s.dirty(now)
	inst.container = &c
	inst.unsure = false // made just now: nothing to wait for
	inst.pulled = false // asked anew for the next one
	if inst.missing {
		inst.missing = false
		s.restored(inst, op, fmt.Sprintf("its container was removed by somebody else; made anew as number %d", rec.Incarnation), now)
	}
}

func (s *State) started(inst *instance, op *Op, r *Result, now time.Time) {
	again := inst.container != nil && inst.container.State == ContainerExited
	if again && !inst.interrupted {
		inst.rec.Restarts++
		s.dirty(now)
	}
	inst.startedNow = true
	inst.exited, inst.decided = "", ""
	inst.recover()
	message := "started"
	if again {
		message = "started again"
	}
	s.instanceEvent(inst, fleet.EventInstanceStarted, message, op.Cause, now)
	if r.Container.ID != "" {
		inst.unsure = false // seen just now: nothing to wait for
		s.see(inst, &r.Container, now)
	}
}

func (s *State) restored(inst *instance, op *Op, message string, now time.Time) {
	if a := s.assigned[inst.id]; a != nil && a.Goal == fleet.GoalStop {
		return
	}
	s.instanceEvent(inst, fleet.EventInstanceRestored, message, op.Cause, now)
}

// verbs name operations in problems.
var verbs = map[string]string{
	OpPull: "fetching the image", OpCreate: "making the container", OpStart: "starting it",
	OpStop: "stopping it", OpRemove: "removing the container", OpUnpause: "unpausing it", OpRestore: "putting it back",
}

func (s *State) failed(inst *instance, op *Op, r *Result, now time.Time) {
	if s.stopping(inst) && slices.Contains([]string{OpPull, OpCreate, OpStart, OpRestore}, op.Kind) {
		return // the order to stop came meanwhile, and doesn't wait for it
	}
	problem := verbs[op.Kind] + " failed: " + r.Problem
	permanent := r.Permanent
	switch op.Kind {
	case OpPull:
		inst.lacks = "" // somebody may have brought it meanwhile
	case OpCreate:
		inst.pulled = false // the image may be gone
	}
	if r.PortTaken && s.avoidPort(inst, now) {
		permanent = false
	}
	s.fail(inst, problem, permanent, now)
	if inst.lastProblem != problem {
		inst.lastProblem = problem
		s.instanceEvent(inst, fleet.EventInstanceFailed, problem, op.Cause, now)
	}
}

// avoidPort has other ports chosen for an instance whose ports nobody knows.
func (s *State) avoidPort(inst *instance, now time.Time) bool {
	a := s.assigned[inst.id]
	if a == nil || inst.rec.EverReady {
		return false
	}
	spec := s.spec(a)
	if spec == nil || !s.rechoosePorts(inst, spec, now) {
		return false
	}
	inst.rec.Recreate = inst.container != nil
	return true
}
