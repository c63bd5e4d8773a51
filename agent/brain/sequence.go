package brain

import "time"

// sequenceBlock is how many sequences are set aside with one write to disk.
const sequenceBlock = 1000

// startSequence goes on above everything that was published before.
func (s *State) startSequence() { s.report.sequence = s.cache.Sequence }

// nextSequence numbers a report. Numbers grow across restarts of the agent as
// long as its disk lives.
func (s *State) nextSequence(now time.Time) uint64 {
	s.report.sequence++
	if s.report.sequence+sequenceBlock/2 > s.cache.Sequence {
		s.cache.Sequence = s.report.sequence + sequenceBlock
		s.dirty(now)
	}
	return s.report.sequence
}
