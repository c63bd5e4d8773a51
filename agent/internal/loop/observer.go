package loop

import (
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Observer is told what the loop does. The loop's goroutine calls it.
type Observer interface {
	// Turned: an input was taken in, with all that followed at once. So many
	// events wait for the hub to take them.
	Turned(took time.Duration, events int)
	// Worked: an operation on the engine ended, by its kind, or WorkList, or
	// WorkSave.
	Worked(kind string, took time.Duration, failed bool)
	// Reported: this is what the hub is told. It mustn't be kept.
	Reported(actual *fleet.Actual)
}

// Kinds of work besides the operations on the engine.
const (
	WorkList = "list" // all containers were listed
	WorkSave = "save" // the brain's cache was written
)

type unobserved struct{}

func (unobserved) Turned(time.Duration, int)          {}
func (unobserved) Worked(string, time.Duration, bool) {}
func (unobserved) Reported(*fleet.Actual)             {}
