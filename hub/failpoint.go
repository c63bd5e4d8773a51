package hub

import (
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/musterhq/muster/shared/fleet"
)

// failPoint kills the process the way a power cut would, at a point of a turn
// that a test names.
type failPoint struct {
	name string
	left atomic.Int64
}

// newFailPoint reads "name" or "name:times"; empty: never.
func newFailPoint(text string) (*failPoint, error) {
	name, count, counted := strings.Cut(text, ":")
	times := 1
	if counted {
		var err error
		if times, err = strconv.Atoi(count); err != nil || times < 1 {
			return nil, fleet.Invalid("failpoint", "%q is not of the form point:times", text)
		}
	}
	f := &failPoint{name: name}
	f.left.Store(int64(times))
	return f, nil
}

func (f *failPoint) reached(point string) {
	if point == f.name && f.left.Add(-1) == 0 {
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way: go no further
	}
}
