// Command app is the service that end-to-end tests deploy: it says which
// instance and version answered, and misbehaves on request. Everything it does
// is chosen by environment variables; see config. It is safe as process 1 of a
// container: it handles its signals itself and has no children.
package main

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
)

// version is set at link time with -X main.version=….
var version = "dev"

func main() {
	if len(os.Args) == 2 && os.Args[1] == "check" {
		os.Exit(check(os.Getenv))
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	cfg, err := readConfig(os.Getenv)
	if err != nil {
		log.Error("cannot start", "error", err)
		os.Exit(2)
	}
	if cfg.Crash && cfg.CrashAfter <= 0 {
		log.Error("exiting as asked", "code", cfg.ExitCode)
		os.Exit(cfg.ExitCode)
	}
	if err := serve(cfg, log); err != nil {
		log.Error("service ended", "error", err)
		os.Exit(1)
	}
}

// serve answers until a signal ends it, in the way that ON_TERM names.
func serve(cfg config, log *slog.Logger) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	if cfg.Crash {
		time.AfterFunc(cfg.CrashAfter, func() { os.Exit(cfg.ExitCode) })
	}

	if cfg.Say > 0 {
		go talk(cfg.Say)
	}
	listener, err := net.Listen("tcp", ":"+cfg.Port)
	if err != nil {
		return err
	}
	app := newService(cfg, time.Now())
	if cfg.GRPCPort != "" {
		if err := answerCalls(cfg); err != nil {
			return err
		}
	}
	// No idle timeout: a load balancer that keeps connections to this service
	// must be the one to close them, or its next request may meet a closed one.
	server := &http.Server{Handler: app.handler(), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(proxied{listener}) }()
	log.Info("serving", "address", listener.Addr().String(),
		"version", cfg.Version, "instance", cfg.Instance, "on_term", cfg.OnTerm)

	for {
		select {
		case err := <-ended:
			return err
		case sig := <-signals:
			log.Info("signal received", "signal", sig.String())
			switch cfg.OnTerm {
			case termExit:
				os.Exit(0)
			case termGraceful:
				return finish(server, app, ended)
			}
		}
	}
}

// talk writes lines whose numbers show whether one is missing: when it began, and which
// line it is since.
func talk(every time.Duration) {
	began := time.Now().UnixNano()
	for n := 1; ; n++ {
		fmt.Printf("said %d %d\n", began, n)
		time.Sleep(every)
	}
}

// finish stops accepting, waits for running requests, and takes leave of
// WebSocket clients with a close frame. The container's grace period bounds it.
func finish(server *http.Server, app *service, ended <-chan error) error {
	app.leave()
	err := server.Shutdown(context.Background())
	app.sockets.Wait()
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		return served
	}
	return err
}

// check asks the service of the same container how it is, as a healthcheck does that
// has no shell: 0 is well.
func check(getenv func(string) string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+orElse(getenv("PORT"), "8080")+orElse(getenv("HEALTH"), "/healthz"), http.NoBody)
	if err != nil {
		return 1
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 1
	}
	if response.Body.Close() != nil || response.StatusCode != http.StatusOK {
		return 1
	}
	return 0
}
