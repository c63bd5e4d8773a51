// Package serve runs a version of the leaderboard: its environment, start and
// graceful stop, which all versions have in common.
package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/examples/rank/board"
	"github.com/musterhq/muster/examples/rank/web"
)

// grace is how long running requests may take once the service is told to stop.
// It is less than the 10 s after which an engine kills a container.
const grace = 9 * time.Second

// Program is what makes a version of the service.
type Program struct {
	Version string
	// Around wraps the HTTP interface's pages; nil: nothing does.
	Around func(http.Handler) http.Handler
	// Beside makes an interface that is served beside HTTP; nil: there is none.
	Beside func(Service) Interface
}

// Service is what interfaces share.
type Service struct {
	Board    *board.Board
	Version  string
	Instance string
	Getenv   func(string) string
	Log      *slog.Logger
}

// Interface is one way into the service.
type Interface struct {
	Name   string
	Listen string // address
	// Serve answers until Shutdown, and returns nil after it.
	Serve func(net.Listener) error
	// Shutdown accepts no more and waits for what runs, at most until its context ends.
	Shutdown func(context.Context) error
}

// Main runs the program until it is told to stop. It doesn't return after a
// failure.
func Main(p Program) {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := p.run(ctx, os.Getenv, log); err != nil {
		log.Error("service ended", "error", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, then finishes the requests that are running. It
// starts whether or not the store is there: /healthz says when it is.
func (p Program) run(ctx context.Context, getenv func(string) string, log *slog.Logger) error {
	o := optionsFrom(getenv)
	log = log.With("version", p.Version, "instance", o.Instance)
	store := board.New(o.Store)
	defer store.Close()

	interfaces := []Interface{p.http(o, store, log)}
	if p.Beside != nil {
		interfaces = append(interfaces, p.Beside(Service{Board: store, Version: p.Version, Instance: o.Instance, Getenv: getenv, Log: log}))
	}
	listeners, err := listen(interfaces)
	if err != nil {
		return err
	}
	serving, ctx := errgroup.WithContext(ctx)
	for i, in := range interfaces {
		log.Info("serving", "interface", in.Name, "address", listeners[i].Addr().String(), "store", o.Store)
		serving.Go(func() error { return in.until(ctx, listeners[i]) })
	}
	<-ctx.Done()
	log.Info("stopping")
	if err := serving.Wait(); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// listen takes the address of each interface, or none. Who serves closes it.
func listen(interfaces []Interface) ([]net.Listener, error) {
	var listeners []net.Listener
	for _, in := range interfaces {
		listener, err := net.Listen("tcp", in.Listen)
		if err != nil {
			for _, other := range listeners {
				_ = other.Close()
			}
			return nil, fmt.Errorf("listen on %s: %w", in.Listen, err)
		}
		listeners = append(listeners, listener)
	}
	return listeners, nil
}

// until serves until ctx ends, and then finishes what runs.
func (in Interface) until(ctx context.Context, listener net.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- in.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", in.Name, err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := errors.Join(in.Shutdown(last), <-ended); err != nil {
		return fmt.Errorf("stop %s: %w", in.Name, err)
	}
	return nil
}

func (p Program) http(o options, store *board.Board, log *slog.Logger) Interface {
	server := &http.Server{
		Handler: web.Handler(web.Options{
			Board: store, Ready: store.Ping, Version: p.Version, Instance: o.Instance,
			Now: time.Now, Log: log, Around: p.Around,
		}),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      15 * time.Second,
		// Longer than a load balancer keeps idle connections to its servers:
		// the side that sends requests must be the one that closes.
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	return Interface{
		Name: "http", Listen: o.Listen, Shutdown: server.Shutdown,
		Serve: func(listener net.Listener) error {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
	}
}
