package hub

import (
	"context"
	"log/slog"
	"time"

	"github.com/musterhq/muster/hub/internal/api"
	"github.com/musterhq/muster/hub/internal/commands"
	"github.com/musterhq/muster/hub/internal/fleetloop"
	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// newCommands makes what takes people's commands. Questions go to agents as the
// API's do.
func newCommands(p *parts, ask asker, bus commands.Bus, log *slog.Logger) (*commands.Dispatcher, error) {
	return commands.New(commands.Options{
		Fleet: ordered{p.loop}, Agents: asked{ask, p}, Bus: bus, Now: p.loop.Now, Logger: log,
		Audit: func(entry fleet.AuditEntry) error {
			if entry.Result == fleet.AuditRefused { // one may have thousands refused
				p.people.Refused(entry)
				return nil
			}
			return p.loop.Audit(entry)
		},
	})
}

// ordered is the fleet as commands need it.
type ordered struct{ loop *fleetloop.Loop }

func (o ordered) Do(ctx context.Context, c fleet.Command) (fleet.Result, error) {
	return o.loop.Do(ctx, c)
}

func (o ordered) Read(ctx context.Context, fn func(commands.View)) error {
	return o.loop.Read(ctx, func(s *turn.State, now time.Time) { fn(s.View(now)) })
}

// asked are the agents as commands need them; logs come by the API's streams.
type asked struct {
	asker
	parts *parts
}

func (a asked) Tail(ctx context.Context, host, instance string, lines, most int) (string, error) {
	return a.parts.api.Tail(ctx, host, instance, lines, most)
}

var _ api.Commander = (*commands.Dispatcher)(nil)
