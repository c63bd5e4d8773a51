package brain

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// seeExit notes that a run ended. What follows from it is decided when it is
// this instance's turn; see decide.
func (s *State) seeExit(inst *instance, run string, now time.Time) {
	witnessed := inst.run == run || inst.startedNow
	inst.startedNow = false
	inst.exited, inst.run, inst.ready = run, "", false
	// It ran when it was last seen, by this agent or the one before. What ends
	// meanwhile, with the engine or the machine, hasn't ended by itself.
	ran := witnessed || inst.rec.Boot != ""
	inst.interrupted = ran && (s.outage || inst.rec.Boot != "" && inst.rec.Boot != s.config.Facts.BootID)
	inst.exitEvent = ""
	inst.probeReason = ""
	s.report.urgent = true
	if inst.rec.ReadyRun != "" {
		inst.rec.ReadyRun = ""
		s.dirty(now)
	}
	a := s.assigned[inst.id]
	if !witnessed || a != nil && a.Goal == fleet.GoalStop {
		return // old news, or our own doing
	}
	text := exitText(inst.container)
	if s.endedByHand(inst.container, now) {
		text = "was stopped by somebody else: " + text
	}
	inst.exitEvent = s.instanceEvent(inst, fleet.EventInstanceExited, text, "", now)
}

// Signals that ask any program to end.
const (
	sigKill = 9
	sigTerm = 15
)

// endedByHand says whether somebody else's signal ended a container: one that
// asks for the end, or the one that its exit code names, of which it died. Any
// other, a HUP say, tells a program something. It went on, and what it did
// next is its own doing.
func (s *State) endedByHand(c *Container, now time.Time) bool {
	return slices.ContainsFunc(s.recent(c.ID, now), func(sent signal) bool {
		return slices.Contains([]int{sigKill, sigTerm, c.StopSignal, c.ExitCode - 128}, sent.number) && sent.number != 0
	})
}

// decide says what the restart policy makes of the end of a run: start the
// container again, when, or leave it.
func (s *State) decide(inst *instance, spec *fleet.Spec, now time.Time) {
	c, rec := inst.container, inst.rec
	run := runOf(c)
	inst.decided = run
	inst.ended, inst.nextTry = false, time.Time{}
	text := exitText(c)
	policy := cmp.Or(spec.Restart.Policy, fleet.RestartAlways)

	switch {
	case rec.EndedRun == run:
		inst.ended, inst.reason = true, text
		return
	case s.endedByHand(c, now):
		inst.reason = "was stopped by somebody else"
		return
	case inst.interrupted && policy != fleet.RestartNo:
		inst.reason = "ended with the machine or the engine"
		return
	case policy == fleet.RestartNo:
		s.end(inst, run, text, now)
		return
	case policy == fleet.RestartOnFailure && c.ExitCode == 0 && !c.OOMKilled:
		s.end(inst, run, text, now)
		return
	}

	if c.FinishedAt.Sub(c.StartedAt) >= s.config.Timing.Stable {
		rec.Attempts = 0
	}
	if policy == fleet.RestartOnFailure && spec.Restart.MaxAttempts > 0 && rec.Attempts >= spec.Restart.MaxAttempts {
		s.end(inst, run, fmt.Sprintf("%s; given up after %d restarts", text, rec.Attempts), now)
		return
	}
	if rec.Attempts == 0 {
		inst.crashSince = now
	}
	rec.Attempts++
	s.dirty(now)
	inst.reason = text
	if rec.Attempts > 1 {
		inst.reason += fmt.Sprintf(", %d times", rec.Attempts)
		if span := now.Sub(inst.crashSince); !inst.crashSince.IsZero() && span >= time.Second {
			inst.reason += " in " + words(span)
		}
	}
	s.putOff(inst, s.delay(rec.Attempts-1), now)
}

func (s *State) end(inst *instance, run, reason string, now time.Time) {
	inst.ended, inst.reason = true, reason
	inst.rec.EndedRun, inst.rec.EndedCode = run, inst.container.ExitCode
	s.report.urgent = true
	s.dirty(now)
}

// over: an instance has come to its end for good, and somebody has removed its
// container since. It isn't made anew, to do its work once more.
func (inst *instance) over() bool { return inst.container == nil && inst.rec.EndedRun != "" }
