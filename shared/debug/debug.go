// Package debug serves what tells how a program works inside: metrics and
// profiles. It is off unless it is asked for, and on loopback unless it is
// asked for twice: profiles show what a program is doing, and taking one slows
// it down.
package debug

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/reach"
)

// Options of the server. The flags are called the same in every program.
type Options struct {
	Addr string // host:port; empty: no server
	// Insecure allows addresses that aren't loopback, although nobody who
	// connects has to prove who they are.
	Insecure bool
}

// Validate does no IO.
func (o Options) Validate() error {
	if o.Addr == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(o.Addr)
	if err != nil {
		return fleet.Invalid("debug-addr", "%q is not host:port", o.Addr).WithHint("use 127.0.0.1:6060")
	}
	if o.Insecure || reach.Loopback(host) {
		return nil
	}
	return fleet.Invalid("debug-addr", "%s isn't loopback, and profiles are shown to whoever connects", o.Addr).
		WithHint("use 127.0.0.1, or on a network that you trust wholly add --insecure-debug-without-authentication")
}

// Listen opens the address; nil: none is asked for.
func (o Options) Listen() (net.Listener, error) {
	if o.Addr == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics and profiles (--debug-addr): %w", err)
	}
	return listener, nil
}

// shutdownTime is how long a profile may go on when the program ends.
const shutdownTime = time.Second

// Serve answers on the listener until ctx ends, and closes it.
func Serve(ctx context.Context, listener net.Listener, metrics http.Handler, insecure bool) error {
	server := &http.Server{Handler: handler(metrics, insecure), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	release := context.AfterFunc(ctx, func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		if err := server.Shutdown(bounded); err != nil {
			err = server.Close() // a profile takes as long as was asked for
			ended <- err
			return
		}
		ended <- nil
	})
	err := server.Serve(listener)
	if release() {
		return errors.Join(fmt.Errorf("serve metrics and profiles: %w", err), server.Close())
	}
	return <-ended
}

func handler(metrics http.Handler, insecure bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	if insecure {
		return mux
	}
	// A page in a browser on this machine may give a name of its own this
	// machine's address, and read what is here. It can't choose the Host.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host, _, err := net.SplitHostPort(r.Host); err != nil || !reach.Loopback(host) {
			http.Error(w, "only for this machine: ask by 127.0.0.1, not by another name", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}
