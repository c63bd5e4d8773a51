package brain

import (
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// plan returns the operations that are to begin now: at most one for an
// instance at a time, stops first, and last what is to be there before anything
// runs.
func (s *State) plan(now time.Time) []Op {
	if s.accepted == nil || s.accepted.desired.Frozen || !s.listed || !s.engine.Up {
		return nil
	}
	room := s.room()
	var ops []Op
	for _, goal := range []string{fleet.GoalStop, fleet.GoalRun} {
		for _, a := range s.byFailures() {
			inst := s.instance(a.ID)
			if a.Goal != goal {
				continue
			}
			inst.waits = ""
			if s.frozen(a.Service) || inst.op != nil || inst.unsure || inst.opaque() != "" {
				continue
			}
			op := s.next(inst, a, now)
			if op == nil {
				continue
			}
			var fits bool
			if inst.waits, fits = room.has(op, a.Service); !fits {
				continue
			}
			room.take(op, a.Service)
			op.Instance = a.ID
			if op.Cause == "" {
				op.Cause = a.Cause
			}
			inst.op = op
			ops = append(ops, *op)
		}
	}
	return append(ops, s.prepare(room, now)...)
}

// next is the one step that brings an instance nearer to its goal; nil: none
// now.
func (s *State) next(inst *instance, a *fleet.Assignment, now time.Time) *Op {
	if a.Goal == fleet.GoalStop {
		if inst.nextTry.After(now) || a.Cause == "" {
			return nil
		}
		return s.nextStop(inst, a)
	}
	spec := s.runnable(a)
	if spec == nil {
		return nil
	}
	return s.nextRun(inst, a, spec, now)
}

func (s *State) nextStop(inst *instance, a *fleet.Assignment) *Op {
	c := inst.container
	if c == nil {
		return nil
	}
	switch c.State {
	case ContainerPaused:
		return &Op{Kind: OpUnpause, Container: c.ID}
	case ContainerRunning, ContainerRestarting:
		op := &Op{Kind: OpStop, Container: c.ID, Grace: fleet.DefaultStopGrace}
		if spec := s.spec(a); spec != nil {
			op.Signal, op.Grace = spec.StopSignal, spec.StopWithin()
		}
		return op
	case ContainerRemoving:
		return nil
	}
	return &Op{Kind: OpRemove, Container: c.ID}
}

func (s *State) nextRun(inst *instance, a *fleet.Assignment, spec *fleet.Spec, now time.Time) *Op {
	c := inst.container
	if c != nil && c.State == ContainerExited && inst.decided != runOf(c) {
		s.decide(inst, spec, now)
	}
	if inst.nextTry.After(now) || inst.over() {
		return nil
	}
	secrets, lacks := s.secretsOf(a, spec)
	if lacks != "" && (c == nil || c.State == ContainerCreated || c.State == ContainerExited && !inst.ended) {
		inst.waits = lacks
		return nil
	}
	configs := configsOf(spec)
	if c == nil {
		return s.nextCreate(inst, a, spec, secrets)
	}
	if inst.rec.Recreate {
		return s.nextStop(inst, a)
	}
	switch c.State {
	case ContainerCreated:
		return &Op{Kind: OpStart, Container: c.ID, Secrets: secrets, Configs: configs}
	case ContainerExited:
		if inst.ended {
			return nil
		}
		return &Op{Kind: OpStart, Container: c.ID, Cause: inst.exitEvent, Secrets: secrets, Configs: configs}
	case ContainerPaused:
		return &Op{Kind: OpUnpause, Container: c.ID}
	case ContainerDead:
		return &Op{Kind: OpRemove, Container: c.ID}
	case ContainerRunning:
		if inst.rec.Snapshot == nil || sameSnapshot(inst.rec.Snapshot, &c.Snapshot) {
			inst.restores = 0
			return nil
		}
		if inst.restores >= 3 {
			inst.restores = 0
			s.fail(inst, "it was changed by hand and can't be put back", false, now)
			return nil
		}
		op := &Op{Kind: OpRestore, Container: c.ID, Snapshot: cloneSnapshot(inst.rec.Snapshot), Networks: spec.Networks}
		if spec.Runtime != nil {
			op.MemorySwap = spec.Runtime.MemorySwap
		}
		return op
	}
	return nil
}

// nextCreate makes sure of the image, then makes the container. It isn't made
// before its ports are on disk, and it is known which address they are for.
func (s *State) nextCreate(inst *instance, a *fleet.Assignment, spec *fleet.Spec, secrets []Secret) *Op {
	if !hasPorts(inst.rec, spec) || s.loose(inst) || s.advertise == "" {
		return nil
	}
	if !inst.pulled {
		image := imageFor(inst, a, spec)
		op := pull(spec.PullPolicy, image, inst.lacks == image, image != spec.Image)
		op.Registry, op.Login = s.login(image)
		return op
	}
	return &Op{Kind: OpCreate, Create: s.create(inst, a, spec), Secrets: secrets, Configs: configsOf(spec)}
}
