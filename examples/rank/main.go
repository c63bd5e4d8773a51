// Command rank is a body-fat leaderboard: a small HTTP service whose instances
// share one Redis. It is Muster's example of an ordinary application: nothing in
// it knows of Muster but the name of the variable that its instance is told by.
//
// Environment: LISTEN (default :8080), STORE (default board:6379),
// MUSTER_INSTANCE (default the host name).
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// version is set at link time with -X main.version=….
var version = "dev"

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, optionsFrom(os.Getenv), log); err != nil {
		log.Error("service ended", "error", err)
		os.Exit(1)
	}
}
