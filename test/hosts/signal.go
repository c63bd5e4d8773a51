package hosts

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// UntilEnded returns a context that ends when this program is told to end: by
// Ctrl-C, by a signal, or by the end of its terminal, unless it was started to
// outlive that, as by nohup.
func UntilEnded() (context.Context, context.CancelFunc) {
	// Who reads the output may be gone before: then writing is an error, which
	// clearing up survives, and not the end of this program.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signal.NotifyContext(context.Background(), signals...)
}
