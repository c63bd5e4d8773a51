package simtest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"time"
)

// kept is how many lines of a story are kept for people. The sum covers all.
const kept = 400

// story is what happened, line by line.
type story struct {
	start time.Time
	lines []string
	sum   hash.Hash
}

func newStory(start time.Time) *story { return &story{start: start, sum: sha256.New()} }

func (s *story) tell(now time.Time, who, format string, args ...any) {
	line := fmt.Sprintf("%s %-8s %s", elapsed(now.Sub(s.start)), who, fmt.Sprintf(format, args...))
	s.sum.Write([]byte(line + "\n"))
	s.lines = append(s.lines, line)
	if len(s.lines) > 2*kept {
		s.lines = append(s.lines[:0], s.lines[len(s.lines)-kept:]...)
	}
}

// Sum names the whole story: two stories with the same sum are the same.
func (s *story) Sum() string { return hex.EncodeToString(s.sum.Sum(nil)[:16]) }

func (s *story) text() string { return strings.Join(s.lines[max(0, len(s.lines)-kept):], "\n") }

// elapsed writes a time since the start: "02:03.456".
func elapsed(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d.%03d", int(d.Minutes()), int(d.Seconds())%60, d.Milliseconds()%1000)
}
