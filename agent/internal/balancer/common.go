package balancer

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
)

const (
	// finishTime bounds what is done after the order to end.
	finishTime = 5 * time.Second
	// maxRush is how many turns may follow each other without a pause.
	maxRush = 20
)

// Common is what the balancers of all drivers have. Want and Nudge may be called
// from anywhere; everything else belongs to Loop and its turns.
type Common struct {
	Options      Options
	Log          *slog.Logger
	File         File
	Loaded       bool // the file was read, and it is ours
	Memory       sequence.Memory
	Certificates Certificates // the host's that pools ask for
	// Describe adds to a report what only the driver knows.
	Describe func(*fleet.BalancerActual)

	wake chan struct{}

	mu   sync.Mutex // guards want
	want []fleet.Pool

	// The rest belongs to Loop.
	fault    error // why the program couldn't be started last; nil: it could
	starts   int
	started  time.Time
	busyFrom time.Time
	rush     int // turns in a row without a pause
	// unfinished: the last turn acted, and the next one is to see what came of it.
	unfinished bool
	reported   *fleet.BalancerActual
}

// NewCommon is for a program whose configuration has that name in the balancer's
// directory.
func NewCommon(options Options, program, file string) *Common {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Common{Options: options, Log: options.Logger, wake: make(chan struct{}, 1)}
	c.File = File{Path: c.Path(file), Program: program}
	c.Certificates = Certificates{Source: options.Certificates, Dir: c.Path("certificates"), Log: options.Logger}
	return c
}

// Path is that of a file in the balancer's directory.
func (c *Common) Path(name string) string { return filepath.Join(c.Options.Dir, name) }

// Want says which pools the balancer is to have: all of them. Nil is unknown
// and changes nothing. A pool that is left out stays as it is; one that is to
// go says Removed.
func (c *Common) Want(pools []fleet.Pool) {
	sorted := slices.Clone(pools)
	slices.SortFunc(sorted, sequence.ByService)
	c.mu.Lock()
	c.want = sorted
	c.mu.Unlock()
	c.Nudge()
}

// Wanted are the pools that it is to have, sorted; they aren't to be changed.
func (c *Common) Wanted() []fleet.Pool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.want
}

// Nudge has the next turn begin at once.
func (c *Common) Nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Loop takes turns until ctx ends. A step looks once, does what is due, and returns
// the pause until the next.
func (c *Common) Loop(ctx context.Context, step func(context.Context) time.Duration) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			c.finish(ctx, step)
			return
		case <-c.wake:
		case <-timer.C:
		}
		timer.Reset(step(ctx))
	}
}

// finish ends what a turn has begun, so that the file is left as the workers
// are: whoever comes next finds them alike.
func (c *Common) finish(ctx context.Context, step func(context.Context) time.Duration) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	for turns := 0; c.unfinished && turns < maxRush; turns++ {
		step(ctx)
	}
}
