package brain

import "time"

// saving keeps track of what isn't on disk yet. What was accepted and which
// ports were chosen must be there before anything follows from it; the rest
// may wait a little. One write is under way at a time.
type saving struct {
	urgent     bool      // something waits for the next write
	dirtySince time.Time // zero: nothing changed since the last write began
	writing    bool
	begun      uint64 // number of the last write that began
	done       uint64 // number of the last one that succeeded
	events     uint64 // number of the last event in the one under way
	problem    string // why the last attempt failed
	retryAt    time.Time
}

func (v *saving) due(t Timing) time.Time {
	switch {
	case v.writing || v.dirtySince.IsZero():
		return time.Time{}
	case v.urgent:
		return v.dirtySince
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

// saveNow has the cache written as soon as the disk is free.
func (s *State) saveNow(now time.Time) {
	s.dirty(now)
	s.saving.urgent = true
}

// beginSave reports whether the cache, as it is now, is to be written.
func (s *State) beginSave(now time.Time) bool {
	v := &s.saving
	due := v.due(s.config.Timing)
	if due.IsZero() || now.Before(due) {
		return false
	}
	v.urgent, v.dirtySince, v.writing = false, time.Time{}, true
	v.begun++
	v.events = s.cache.LastEvent
	s.written, s.incoming = s.incoming, incoming{}
	return true
}

// takeSaved goes on after a write. What it has of newly accepted messages
// counts from now on. After a failure that is forgotten, as if it had not
// come: the hub sees it and sends it again. Containers that exist are looked
// after all the same.
func (s *State) takeSaved(problem string, now time.Time) {
	v := &s.saving
	if !v.writing {
		return
	}
	v.writing, v.problem = false, problem
	if problem != "" {
		v.urgent, v.retryAt = false, now.Add(s.config.Timing.SaveRetry)
		s.dirty(now)
		s.dropIncoming()
		return
	}
	v.done = v.begun
	s.outbox.saved = v.events
	s.useWritten(now)
}

// useWritten makes what was written count.
func (s *State) useWritten(now time.Time) {
	in, before := s.written, s.lineage
	s.written = incoming{}
	if in.desired != nil {
		s.lineage = in.desired.envelope.Lineage
		s.use(in.desired)
		s.forgetPools(now)
	}
	for service, pool := range in.pools {
		s.lineage = pool.observed.Lineage
		s.pools[service] = pool
	}
	if s.lineage != before { // a pool may come first, and now it is known which containers are its own
		s.unmatched = true
	}
}

// dropIncoming leaves in the cache what counts.
func (s *State) dropIncoming() {
	s.incoming, s.written = incoming{}, incoming{}
	c := &s.cache
	c.Lineage, c.Desired, c.Pools = s.lineage, nil, map[string][]byte{}
	if s.accepted != nil {
		c.Desired = s.accepted.raw
	}
	for service, pool := range s.pools {
		c.Pools[service.String()] = pool.raw
	}
}

// loose says whether an instance's ports aren't on disk yet.
func (s *State) loose(inst *instance) bool { return inst.portsIn > s.saving.done }
