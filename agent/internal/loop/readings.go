package loop

import (
	"context"
	"time"

	"github.com/musterhq/muster/agent/brain"
)

// readFacts reads now and then what the machine is, and with each session:
// who can reach the hub can also say from where.
func (l *Loop) readFacts(ctx context.Context) {
	every(ctx, l.options.Timing.Facts, l.connected, func() {
		facts, err := l.options.Facts(ctx)
		if err != nil {
			if ctx.Err() == nil {
				l.options.Logger.Warn("facts not read", "error", err)
			}
			return
		}
		l.input(facts)
	})
}

// readForeign reads now and then what others use.
func (l *Loop) readForeign(ctx context.Context) {
	every(ctx, l.options.Timing.Foreign, nil, func() {
		ours := make(chan Ours, 1)
		l.put(func(s *shell) { ours <- s.ours() })
		select {
		case o := <-ours:
			foreign, err := l.options.Foreign(ctx, o)
			if err != nil {
				if ctx.Err() == nil {
					l.options.Logger.Warn("foreign use not read", "error", err)
				}
				return
			}
			l.input(brain.ForeignRead{Foreign: foreign})
		case <-ctx.Done():
		}
	})
}

// readDisk reads now and then how full the engine's disk is. Why it can't is said
// once.
func (l *Loop) readDisk(ctx context.Context) {
	problem := ""
	every(ctx, l.options.Timing.Disk, nil, func() {
		disk, err := l.options.Disk(ctx)
		if err == nil {
			problem = ""
			l.input(disk)
			return
		}
		if ctx.Err() == nil && err.Error() != problem {
			problem = err.Error()
			l.options.Logger.Warn("engine's disk not read: no image is removed for want of room", "error", err)
		}
	})
}

func (s *shell) ours() Ours {
	containers, ports := s.state.Ours()
	return Ours{Containers: containers, Ports: ports}
}

func every(ctx context.Context, pause time.Duration, sooner <-chan struct{}, do func()) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		do()
		select {
		case <-ticker.C:
		case <-sooner:
		case <-ctx.Done():
			return
		}
	}
}
