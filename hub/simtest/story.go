package simtest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"regexp"
	"strings"
	"time"
)

// story is what happened, line by line.
type story struct {
	start time.Time
	lines []line
	sum   hash.Hash
}

// line is one thing that happened. Details only matter to who looks at what
// they are about.
type line struct {
	text   string
	detail bool
}

func newStory(start time.Time) *story { return &story{start: start, sum: sha256.New()} }

func (s *story) tell(now time.Time, detail bool, who, format string, args ...any) {
	text := fmt.Sprintf("%s %-8s %s\n", elapsed(now.Sub(s.start)), who, fmt.Sprintf(format, args...))
	s.sum.Write([]byte(text))
	s.lines = append(s.lines, line{text, detail})
}

// Sum names the whole story: two stories with the same sum are the same.
func (s *story) Sum() string { return hex.EncodeToString(s.sum.Sum(nil)[:16]) }

// Story is all that happened.
func (s *story) Story() string {
	var out strings.Builder
	for _, l := range s.lines {
		out.WriteString(l.text)
	}
	return out.String()
}

// Bounds of what is told of a story that went wrong.
const (
	linesTold = 150
	lineTold  = 300
)

var words = regexp.MustCompile(`[A-Za-z0-9_/.-]+`)

// about is the part of the story that concerns what is named in a text: what
// was done to the fleet, and the details about those named.
func (s *story) about(text string, isName func(string) bool) string {
	named := map[string]bool{}
	for _, word := range words.FindAllString(text, -1) {
		if isName(word) {
			named[word] = true
		}
	}
	var told []string
	for _, l := range s.lines {
		if !l.detail || names(l.text, named) {
			told = append(told, clip(l.text))
		}
	}
	head := fmt.Sprintf("what was done, and what concerns it (%d of %d lines):\n", min(len(told), linesTold), len(s.lines))
	return head + strings.Join(told[max(0, len(told)-linesTold):], "")
}

func names(text string, named map[string]bool) bool {
	for _, word := range words.FindAllString(text, -1) {
		if named[word] {
			return true
		}
	}
	return false
}

func clip(text string) string {
	if len(text) > lineTold {
		return text[:lineTold] + "…\n"
	}
	return text
}

// elapsed writes a time since the start: "02:03.456".
func elapsed(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d.%03d", int(d.Minutes()), int(d.Seconds())%60, d.Milliseconds()%1000)
}
