package brain

import "time"

// Step takes one input in and returns what is to be done. It changes s.
func Step(s *State, input Input, now time.Time) Outputs {
	s.turn++
	nothingNew := s.take(input, now)
	out := Outputs{Turn: s.turn}
	s.tellMetrics(&out)
	if nothingNew && !s.unmatched && now.Before(s.wakeAt) {
		out.Wake = s.wakeAt
		return out
	}
	if s.left() {
		out.Answers, s.answers = s.answers, nil
		s.leave(&out, now)
		s.finish(&out, now)
		return out
	}
	s.match(now)
	s.forget(now)
	s.choosePorts(now)
	out.Ops = append(s.plan(now), s.fetch()...)
	out.Ops = append(out.Ops, s.clean(now)...)
	out.Answers, s.answers = s.answers, nil
	s.reportAll(&out, now)
	s.finish(&out, now)
	return out
}

// finish ends a step.
func (s *State) finish(out *Outputs, now time.Time) {
	out.Save = s.beginSave(now)
	out.Stages, s.stages = s.stages, nil
	s.wakeAt = s.wake(now)
	out.Wake = s.wakeAt
}

// take lets s know of an input, and reports whether it said nothing new: most
// inputs are probes that find what was found before.
func (s *State) take(input Input, now time.Time) (nothingNew bool) {
	switch in := input.(type) {
	case DesiredReceived:
		s.takeDesired(in.Payload, now)
	case PoolReceived:
		s.takePool(in.Service, in.Payload, now)
	case AckReceived:
		s.takeAck(in.Payload, now)
	case Listed:
		s.takeListing(in, now)
	case EngineFailed:
		s.takeEngineFailure(in.Problem, now)
	case Noticed:
		s.takeNotice(in, now)
	case OpDone:
		s.settle(in.Result, now)
	case Probed:
		return !s.takeProbe(in.Result, now)
	case BalancerReported:
		s.takeBalancer(in.Actual)
	case BalancerCounted:
		s.takeCounts(in.Balancer, in.Pools)
		return true // it says nothing of what is
	case FactsRead:
		s.takeFacts(in)
		s.locate(in.Facts.Advertise, in.Bind, now)
	case ForeignRead:
		s.takeForeign(in.Foreign)
	case DiskRead:
		s.takeDisk(in, now)
	case PruneAsked:
		s.takePrune(in, now)
	case PullAsked:
		s.takePull(in)
	case Connected:
		s.connect(in.Session)
	case Disconnected:
		s.session = ""
	case Saved:
		s.takeSaved(in.Problem, now)
	case Withdrawn:
		s.leaving.withdrawn = s.leaving.asked
	case Dismissed:
		s.confirmed(now)
	case Tick:
	}
	return false
}

// wake returns the earliest time at which something falls due by itself.
func (s *State) wake(now time.Time) time.Time {
	var first time.Time
	due := func(t time.Time) {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	if s.left() {
		due(s.saving.due(s.config.Timing))
		due(s.leaveDue())
		return first
	}
	for _, inst := range s.instances {
		if inst.op == nil && inst.nextTry.After(now) {
			due(inst.nextTry)
		}
	}
	for _, p := range s.preparations {
		if p.op == nil && p.nextTry.After(now) {
			due(p.nextTry)
		}
	}
	due(s.saving.due(s.config.Timing))
	due(s.report.due(s, now))
	due(s.outbox.due(s))
	return first
}
