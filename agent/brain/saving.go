package brain

import "time"

// saving keeps track of what isn't on disk yet. What was accepted and which
// ports were chosen must be there before anything follows from it; the rest
// may wait a little.
type saving struct {
	must       bool
	dirtySince time.Time // zero: nothing waits
	problem    string    // why the last attempt failed
	retryAt    time.Time
}

func (v *saving) due(t Timing) time.Time {
	switch {
	case v.dirtySince.IsZero():
		return time.Time{}
	case v.problem != "":
		return v.retryAt
	}
	return v.dirtySince.Add(t.SaveDelay)
}

// dirty notes that the cache differs from what is on disk.
func (s *State) dirty(now time.Time) {
	if s.saving.dirtySince.IsZero() {
		s.saving.dirtySince = now
	}
}

// mustSave holds back everything until the cache is on disk.
func (s *State) mustSave(now time.Time) {
	s.dirty(now)
	s.saving.must = true
}

func (s *State) saveDue(now time.Time) bool {
	due := s.saving.due(s.config.Timing)
	return !due.IsZero() && !now.Before(due)
}

// takeSaved goes on after an attempt to save. After a failure what was newly
// accepted is forgotten, as if it had not come: the hub sees it and sends it
// again. Containers that exist are looked after all the same.
func (s *State) takeSaved(problem string, now time.Time) {
	s.saving.must = false
	s.saving.problem = problem
	if problem != "" {
		s.undoAcceptance(now)
		s.dirty(now)
		s.saving.retryAt = now.Add(s.config.Timing.SaveRetry)
		return
	}
	s.saving.dirtySince = time.Time{}
	for _, inst := range s.instances {
		inst.portsLoose = false
	}
	s.outbox.saved = s.cache.LastEvent
	s.rollback = nil
	s.report.observed = s.accepted.observed()
}
