package haproxy

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
)

// step looks once and does what is due. It returns the pause until the next.
func (b *Balancer) step(ctx context.Context) time.Duration {
	problem := b.LookAtFile(func(pools []fleet.Pool) error {
		b.Memory.Structure = b.structure(pools)
		return nil
	})
	wanted := b.Wanted()
	b.ledger.follow(wanted)
	if b.Loaded && b.LookAtCertificates(ctx) {
		b.Memory.Structure = b.structure(b.Memory.Filed)
	}
	seen, err := b.observe(ctx)
	if err != nil {
		return b.Unreadable(ctx, err, b.wayOut(err))
	}
	b.PublishCounts(b.ledger.news(b.Options.Name, wanted, time.Now()))
	turn := sequence.Next(b.Wanted(), seen, b.Memory, time.Now())
	b.Readable(turn)
	switch {
	case !seen.Up:
		b.PublishDown(problem, turn.Report)
	case len(turn.Actions) > 0:
		b.PublishLost(turn.Report)
	}
	return b.Act(ctx, turn, seen.Up, problem, b.perform)
}

// wayOut is a hint for whoever reads that HAProxy can't be read: a socket that
// was removed can't be made again for a HAProxy that runs.
func (b *Balancer) wayOut(err error) string {
	master, alive := b.running()
	if !alive || !errors.Is(err, syscall.ENOENT) {
		return ""
	}
	return fmt.Sprintf(" (its socket was removed; it serves on as it is; kill %d ends it with its connections, and it is started anew)", master)
}
