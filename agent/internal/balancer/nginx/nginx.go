package nginx

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
)

// Balancer is one nginx. Want may be called from anywhere; everything else
// happens in Run.
type Balancer struct {
	*balancer.Common
	checker *checker
	ledger  *ledger

	paceNew, paceOld pace

	// The rest belongs to Run.
	program installation
	running string // the version that runs; empty: none was seen yet
	current generation
	old     []generation
	lead    sequence.Worker // the master, as last seen
}

// New returns a balancer that does nothing until Run.
func New(options balancer.Options) (*Balancer, error) {
	if err := validate(options); err != nil {
		return nil, err
	}
	b := &Balancer{Common: balancer.NewCommon(options, "nginx", "nginx.conf"), ledger: &ledger{}, paceNew: paceNew, paceOld: paceOld}
	b.checker = newChecker(b.Nudge)
	b.Describe, b.Certificates.Accepts = b.describe, b.accepts
	return b, nil
}

func (b *Balancer) describe(actual *fleet.BalancerActual) {
	actual.Driver, actual.Version, actual.Promise = Driver, b.running, b.promise()
	if b.running == "" && b.program.known() {
		actual.Version = b.program.version.String()
	}
}

// Run keeps nginx at what is wanted until ctx ends. nginx goes on then.
// Whatever is wrong with it is reported, and tried again: it is no error.
func (b *Balancer) Run(ctx context.Context) error {
	defer b.checker.stop()
	defer b.ledger.close()
	b.Loop(ctx, b.step)
	return nil
}

// Stop ends nginx for good, with all connections. Run must have returned.
func (b *Balancer) Stop(ctx context.Context) error {
	defer clearLog(b.logDir())
	if err := b.end(ctx, syscall.SIGTERM); err != nil {
		return err
	}
	for balancer.Pause(ctx, shortPause) {
		if b.over() {
			return nil
		}
	}
	return b.end(ctx, syscall.SIGKILL)
}

// Retire ends nginx for good: it takes no new connection, and those that are open
// may end within a time. Run must have returned.
func (b *Balancer) Retire(ctx context.Context, within time.Duration) error {
	if err := b.end(ctx, syscall.SIGQUIT); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for balancer.Pause(waiting, shortPause) {
		if b.over() {
			clearLog(b.logDir())
			return nil
		}
	}
	return b.Stop(ctx)
}

// end sends a signal to the master, and to workers that have none any more.
func (b *Balancer) end(ctx context.Context, signal syscall.Signal) error {
	var all error
	pids := b.orphans()
	if pid, alive := b.master(ctx); alive {
		pids = append(pids, pid)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			all = errors.Join(all, fmt.Errorf("end nginx: %w", err))
		}
	}
	return all
}

func (b *Balancer) over() bool {
	_, alive := b.named()
	return !alive && len(b.orphans()) == 0
}
