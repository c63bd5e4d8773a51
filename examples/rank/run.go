package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/musterhq/muster/examples/rank/board"
	"github.com/musterhq/muster/examples/rank/web"
)

// grace is how long running requests may take once the service is told to stop.
// It is less than the 10 s after which an engine kills a container.
const grace = 9 * time.Second

type options struct {
	Listen   string
	Store    string
	Instance string
}

func optionsFrom(getenv func(string) string) options {
	host, _ := os.Hostname() // an empty name is no reason not to serve
	return options{
		Listen:   cmp.Or(getenv("LISTEN"), ":8080"),
		Store:    cmp.Or(getenv("STORE"), "board:6379"),
		Instance: cmp.Or(getenv("MUSTER_INSTANCE"), host, "unknown"),
	}
}

// run serves until ctx ends, then finishes the requests that are running. It
// starts whether or not the store is there: /healthz says when it is.
func run(ctx context.Context, o options, log *slog.Logger) error {
	log = log.With("version", version, "instance", o.Instance)
	store := board.New(o.Store)
	defer store.Close()

	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", o.Listen, err)
	}
	server := &http.Server{
		Handler: web.Handler(web.Options{
			Board: store, Ready: store.Ping, Version: version, Instance: o.Instance,
			Now: time.Now, Log: log,
		}),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      15 * time.Second,
		// Longer than a load balancer keeps idle connections to its servers:
		// the side that sends requests must be the one that closes.
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	log.Info("serving", "address", listener.Addr().String(), "store", o.Store)

	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	log.Info("stopping")
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err = server.Shutdown(stopCtx)
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	log.Info("stopped")
	return nil
}
