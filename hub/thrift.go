package hub

import (
	"context"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/musterhq/muster/hub/internal/fleetloop"
)

const (
	// restsAfter is how long nothing must have been decided.
	restsAfter = 20 * time.Second
	// gcBusy and gcAtRest are how much garbage may come together, in percent of
	// what is in use. Much costs memory, little costs time: a fleet of thousands
	// that changes makes hundreds of MiB a second, one at rest a few.
	gcBusy   = 100
	gcAtRest = 25
)

// thrift gives memory back while nothing is decided: what a storm took, the
// runtime would keep for the next one.
type thrift struct {
	decided atomic.Bool // since it was last looked
	saving  atomic.Bool
}

// observe takes a turn in.
func (t *thrift) observe(turn fleetloop.Turn) {
	if !turn.Stored {
		return
	}
	t.decided.Store(true)
	if t.saving.CompareAndSwap(true, false) {
		debug.SetGCPercent(gcBusy)
	}
}

// run looks now and then, until ctx is done. Who has set GOGC knows better.
func (t *thrift) run(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	ticker := time.NewTicker(restsAfter)
	defer ticker.Stop()
	defer debug.SetGCPercent(debug.SetGCPercent(gcBusy))
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		if !t.decided.Swap(false) && !t.saving.Swap(true) {
			debug.SetGCPercent(gcAtRest)
			debug.FreeOSMemory()
		}
	}
}
