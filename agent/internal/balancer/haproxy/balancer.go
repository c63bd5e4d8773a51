package haproxy

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

// Balancer is one HAProxy. Want may be called from anywhere; everything else
// happens in Run.
type Balancer struct {
	*balancer.Common
	master  socket
	runtime socket

	// The rest belongs to Run.
	version   string            // of the last worker that was seen
	workers   []sequence.Worker // as last seen
	lead      sequence.Worker   // the master, as last seen
	listening map[int]bool      // ports of the current worker, as last seen
	ended     string            // the structure that HAProxy was loading when it ended last
	ledger    ledger
}

// New returns a balancer that does nothing until Run.
func New(options balancer.Options) (*Balancer, error) {
	if err := validate(options); err != nil {
		return nil, err
	}
	b := &Balancer{Common: balancer.NewCommon(options, "haproxy", "haproxy.cfg")}
	b.master, b.runtime = socket(b.Path("master.sock")), socket(globalOf(options).RuntimeSocket)
	b.Describe, b.Certificates.Accepts = b.describe, b.accepts
	return b, nil
}

func (b *Balancer) describe(actual *fleet.BalancerActual) {
	actual.Driver, actual.Version = Driver, b.version
}

// Run keeps HAProxy at what is wanted until ctx ends. HAProxy goes on then.
// Whatever is wrong with it is reported, and tried again: it is no error.
func (b *Balancer) Run(ctx context.Context) error {
	b.Loop(ctx, b.step)
	return nil
}

// Stop ends HAProxy for good, with all connections. Run must have returned.
func (b *Balancer) Stop(ctx context.Context) error {
	pid, alive := b.running()
	if !alive {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop haproxy: %w", err)
	}
	for balancer.Pause(ctx, shortPause) {
		if _, alive := b.running(); !alive {
			return nil
		}
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill haproxy: %w", err)
	}
	return nil
}

// Retire ends HAProxy for good: it takes no new connection, and those that are open
// may end within a time. Run must have returned.
func (b *Balancer) Retire(ctx context.Context, within time.Duration) error {
	pid, alive := b.running()
	if !alive {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("ask haproxy to finish: %w", err)
	}
	waiting, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for balancer.Pause(waiting, shortPause) {
		if _, alive := b.running(); !alive {
			return nil
		}
	}
	return b.Stop(ctx)
}
