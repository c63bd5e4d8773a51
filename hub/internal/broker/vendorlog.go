package broker

import (
	"context"
	"log/slog"
)

// vendorLog is what the MQTT library logs to: everything becomes debug, and
// whole packets, which hold payloads, are left out.
type vendorLog struct{ inner slog.Handler }

func (v vendorLog) Enabled(ctx context.Context, _ slog.Level) bool {
	return v.inner.Enabled(ctx, slog.LevelDebug)
}

func (v vendorLog) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(r.Time, slog.LevelDebug, "mqtt library", r.PC)
	out.AddAttrs(slog.String("said", r.Message))
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "error", "client", "remote", "old_remote", "new_remote":
			out.AddAttrs(a)
		}
		return true
	})
	return v.inner.Handle(ctx, out)
}

func (v vendorLog) WithAttrs([]slog.Attr) slog.Handler { return v }

func (v vendorLog) WithGroup(string) slog.Handler { return v }
