package hub

import (
	"context"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/musterhq/muster/hub/internal/fleetloop"
)

const (
	// restsAfter is how long nothing must have been decided, at least.
	restsAfter = time.Minute
	restLook   = 10 * time.Second
	// gcBusy and gcAtRest are how much garbage may come together, in percent of
	// what is in use. Much costs memory, little costs time: a fleet of thousands
	// that changes makes hundreds of MiB a second, one at rest a few.
	gcBusy   = 100
	gcAtRest = 25
)

// thrift gives memory back while nothing is decided: what a storm took, the
// runtime would keep for the next one.
type thrift struct {
	mu      sync.Mutex // guards the rest, and which percentage is set
	running bool
	saving  bool
	decided time.Time
}

// observe takes a turn in.
func (t *thrift) observe(turn fleetloop.Turn) {
	if !turn.Stored {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.decided = time.Now()
	if t.running && t.saving {
		t.saving = false
		debug.SetGCPercent(gcBusy)
	}
}

// run looks now and then, until ctx is done. Who has set GOGC knows better.
func (t *thrift) run(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	defer t.begin()()
	ticker := time.NewTicker(restLook)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		if t.rests() {
			debug.FreeOSMemory()
		}
	}
}

// begin returns what puts back how it was.
func (t *thrift) begin() (end func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running, t.decided = true, time.Now()
	before := debug.SetGCPercent(gcBusy)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.running = false
		debug.SetGCPercent(before)
	}
}

// rests says whether rest has begun.
func (t *thrift) rests() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.saving || time.Since(t.decided) < restsAfter {
		return false
	}
	t.saving = true
	debug.SetGCPercent(gcAtRest)
	return true
}
