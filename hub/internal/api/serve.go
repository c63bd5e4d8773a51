package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
)

// Serve answers on the listener until ctx ends: then streams end, other
// requests may finish in their time, and the listener is closed. Several
// listeners may be served at once, under one ctx, each with the door that those
// who come have to pass.
func (a *API) Serve(ctx context.Context, listener net.Listener, door Door) error {
	server := &http.Server{
		Handler: behind(door, a.handler),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, conn)
		},
		ReadHeaderTimeout: a.limits.RequestTime,
		ReadTimeout:       a.limits.RequestTime,
		WriteTimeout:      a.limits.RequestTime + a.limits.OrderTime,
		IdleTimeout:       2 * a.limits.RequestTime,
		MaxHeaderBytes:    a.limits.HeaderBytes,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	release := context.AfterFunc(ctx, func() { stopped <- a.shutdown(server) })
	err := server.Serve(listener)
	if release() {
		return errors.Join(fmt.Errorf("serve the API: %w", err), server.Close())
	}
	return <-stopped
}

func (a *API) shutdown(server *http.Server) error {
	a.endStreams()
	ctx, cancel := context.WithTimeout(context.Background(), a.limits.ShutdownTime)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("end the API's requests: %w", err), server.Close())
	}
	return nil
}
