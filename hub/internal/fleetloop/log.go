package fleetloop

import (
	"cmp"
	"context"
	"log/slog"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// The log names what a line is about with the same keys everywhere, in hub and
// agents: instance, service, host, balancer and cause.

// logEvents writes the events that a turn committed.
func (l *Loop) logEvents(events []fleet.Event) {
	for i := range events {
		l.opts.Logger.LogAttrs(context.Background(), slog.LevelInfo, "event", eventAttrs(&events[i])...)
	}
}

func eventAttrs(e *fleet.Event) []slog.Attr {
	attrs := []slog.Attr{slog.String("type", e.Type)}
	if e.Data.Instance != "" {
		attrs = append(attrs, slog.String("instance", e.Data.Instance))
	}
	if e.Data.Service != nil {
		attrs = append(attrs, slog.String("service", e.Data.Service.String()))
	}
	if e.Data.Host != "" {
		attrs = append(attrs, slog.String("host", e.Data.Host))
	}
	attrs = append(attrs, slog.String("message", e.Data.Message), slog.String("subject", e.Subject), slog.String("id", e.ID))
	if e.Cause != "" {
		attrs = append(attrs, slog.String("cause", e.Cause))
	}
	if e.Actor != "" {
		attrs = append(attrs, slog.String("actor", e.Actor))
	}
	return append(attrs, slog.Uint64("revision", e.Revision))
}

// logStages writes what a turn did to single instances without an event. An
// instance has a handful of them in its life; what each balancer says of it is
// in its agent's log, and here for whoever wants to see everything.
func (l *Loop) logStages(stages []turn.Stage, revision uint64) {
	ctx, log := context.Background(), l.opts.Logger
	for _, s := range stages {
		attrs := []slog.Attr{
			slog.String("instance", s.Instance), slog.String("service", s.Service.String()), slog.String("host", s.Host),
			slog.String("cause", s.Cause), slog.Uint64("revision", revision),
		}
		switch s.Kind {
		case turn.StageTold:
			log.LogAttrs(ctx, slog.LevelInfo, "instance told", append(attrs, slog.String("goal", s.Goal))...)
		case turn.StageOffered:
			log.LogAttrs(ctx, slog.LevelInfo, "instance offered", append(attrs, slog.String("state", cmp.Or(s.State, "removed")), slog.Int("pools", s.Pools))...)
		case turn.StageReleased:
			log.LogAttrs(ctx, slog.LevelDebug, "instance released", append(attrs, slog.String("balancer", s.Balancer.String()), slog.String("how", s.How))...)
		}
	}
}
