// Package recentlog keeps the end of a program's log in memory, for whoever
// asks the program what it has been doing.
package recentlog

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
)

// maxLine bounds one line, in bytes; the rest of a longer one is left out.
const maxLine = 8 << 10

// Ring holds the last lines that were written to it, up to a number of bytes.
type Ring struct {
	limit int

	mu    sync.Mutex // guards the rest
	lines [][]byte   // oldest first
	size  int
}

// New makes an empty ring.
func New(limit int) *Ring { return &Ring{limit: limit} }

// Write takes one line, as slog's handlers write them.
func (r *Ring) Write(line []byte) (int, error) {
	kept := bytes.Clone(line[:min(len(line), maxLine)])
	if len(line) > maxLine {
		kept = append(kept, "…\n"...)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, kept)
	r.size += len(kept)
	for r.size > r.limit {
		r.size -= len(r.lines[0])
		r.lines[0] = nil
		r.lines = r.lines[1:]
	}
	return len(line), nil
}

// WriteTo writes what the ring holds now.
func (r *Ring) WriteTo(w io.Writer) (int64, error) {
	r.mu.Lock()
	all := bytes.Join(r.lines, nil)
	r.mu.Unlock()
	n, err := w.Write(all)
	return int64(n), err
}

// Tee returns a logger that writes to the ring, as text, what it writes to the
// log.
func (r *Ring) Tee(logger *slog.Logger) *slog.Logger {
	all := &slog.HandlerOptions{Level: slog.Level(-1 << 10)} // the other handler decides
	return slog.New(tee{logger.Handler(), slog.NewTextHandler(r, all)})
}

// tee hands records to two handlers; the first one decides which.
type tee struct{ first, second slog.Handler }

func (t tee) Enabled(ctx context.Context, level slog.Level) bool { return t.first.Enabled(ctx, level) }

func (t tee) Handle(ctx context.Context, r slog.Record) error {
	_ = t.second.Handle(ctx, r.Clone()) // it writes to memory
	return t.first.Handle(ctx, r)
}

func (t tee) WithAttrs(attrs []slog.Attr) slog.Handler {
	return tee{t.first.WithAttrs(attrs), t.second.WithAttrs(attrs)}
}

func (t tee) WithGroup(name string) slog.Handler {
	return tee{t.first.WithGroup(name), t.second.WithGroup(name)}
}
