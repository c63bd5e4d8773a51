package brain

import "time"

// delay is the wait before a try that n tries in a row went before in vain,
// the first of which is free: 0, then the first wait, doubling up to the
// longest.
func (s *State) delay(n int) time.Duration {
	if n <= 0 {
		return 0
	}
	wait := s.config.Timing.BackoffFirst
	for range n - 1 {
		if wait *= 2; wait >= s.config.Timing.BackoffMax {
			return s.config.Timing.BackoffMax
		}
	}
	return wait
}

// fail puts the next operation on an instance off.
func (s *State) fail(inst *instance, problem string, permanent bool, now time.Time) {
	inst.failures++
	wait := s.delay(inst.failures)
	if permanent {
		wait = max(wait, s.config.Timing.PermanentRetry)
	}
	inst.reason = problem
	s.putOff(inst, wait, now)
}

// putOff lets nothing begin on an instance for a while.
func (s *State) putOff(inst *instance, wait time.Duration, now time.Time) {
	inst.nextTry, inst.wait = time.Time{}, wait
	if wait > 0 {
		inst.nextTry = now.Add(wait)
	}
}

// recover forgets failures of operations.
func (inst *instance) recover() {
	if inst.failures > 0 {
		inst.reason = ""
	}
	inst.failures, inst.nextTry, inst.lastProblem = 0, time.Time{}, ""
}
