package simtest

import (
	"strings"
	"time"
)

// image is a program and its habits.
type image struct {
	readyAfter  time.Duration // at most, after its start
	missing     bool          // from the registry
	exits       bool          // soon after each start
	ends        bool          // well, soon after its start
	neverReady  bool
	ignoresTerm bool
	errs        bool // one answer in four
	fails       bool // every answer
}

// Habits of images, as scripts name them.
var habits = map[string]func(*image){
	"missing":      func(i *image) { i.missing = true },
	"exits":        func(i *image) { i.exits = true },
	"never-ready":  func(i *image) { i.neverReady = true },
	"ignores-term": func(i *image) { i.ignoresTerm = true },
	"slow":         func(i *image) { i.readyAfter = 5 * time.Second },
}

// image finds a program by its name; one that nobody described is ordinary, or does
// its work and ends, where it is called once.
func (s *Sim) image(name string) *image {
	if s.images[name] == nil {
		s.images[name] = &image{readyAfter: 600 * time.Millisecond, ends: strings.HasPrefix(name, "once:")}
	}
	return s.images[name]
}
