package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// guard is what every request passes: it is counted and logged, a panic
// becomes a problem, pages of other sites cannot give orders through a
// visitor's browser, and bodies are bounded.
func (a *API) guard(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, newProblem(http.StatusForbidden, fleet.CodeInvalid, "orders from another site's page are not accepted"))
	}))
	next = crossOrigin.Handler(a.route404(next))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w}
		done := a.metrics.begin()
		defer func() {
			a.recovered(rec, r, recover())
			done(r.Method, r.Pattern, rec.status, time.Since(start))
			a.logRequest(r, rec, time.Since(start))
		}()
		rec.Header().Set("Cache-Control", "no-store")
		rec.Header().Set("X-Content-Type-Options", "nosniff")
		if !strings.HasPrefix(r.URL.Path, streamPath) {
			if most := a.limits.ApplyBytes; r.ContentLength > most { // before the caller sends it, if he asks
				writeProblem(rec, newProblem(http.StatusRequestEntityTooLarge, fleet.CodeInvalid, fmt.Sprintf("the body has %d bytes; at most %d are taken", r.ContentLength, most)))
				return
			}
			r.Body = http.MaxBytesReader(rec, r.Body, a.limits.ApplyBytes+1)
		}
		next.ServeHTTP(rec, r)
	})
}

// route404 gives the answers of the mux itself, for paths and methods that
// don't exist, the form of all others.
func (a *API) route404(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, pattern := a.mux.Handler(r)
		if pattern != "" {
			next.ServeHTTP(w, r)
			return
		}
		silent := &headersOnly{header: w.Header()}
		handler.ServeHTTP(silent, r)
		w.Header().Del("Content-Length")
		if silent.status == http.StatusMethodNotAllowed {
			writeProblem(w, newProblem(silent.status, fleet.CodeInvalid, r.Method+" is not possible here"))
			return
		}
		writeProblem(w, newProblem(http.StatusNotFound, fleet.CodeNotFound, "there is no such path"))
	})
}

func (a *API) recovered(rec *recorder, r *http.Request, reason any) {
	if reason == nil {
		return
	}
	if err, ok := reason.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(reason)
	}
	if r.Context().Err() != nil {
		return // the caller has gone: what was written to it failed
	}
	a.log.Error("request panicked", "method", r.Method, "path", r.URL.Path, "reason", fmt.Sprint(reason), "stack", string(debug.Stack()))
	if rec.status == 0 {
		writeProblem(rec, a.problem(&fleet.Error{Code: fleet.CodeInternal, Message: "the hub made a mistake", Hint: "its log says more"}))
	}
}

func (a *API) logRequest(r *http.Request, rec *recorder, took time.Duration) {
	level := slog.LevelDebug
	switch {
	case rec.status >= http.StatusInternalServerError:
		level = slog.LevelWarn
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		level = slog.LevelInfo
	}
	path := r.URL.Path
	if strings.HasPrefix(path, streamPath) {
		path = streamPath // its end is a secret
	}
	a.log.Log(context.WithoutCancel(r.Context()), level, "request", "method", r.Method, "path", path, "status", rec.status, "remote", r.RemoteAddr, "took", took)
}

// recorder notes the status that was sent.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(data []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(data)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// headersOnly takes an answer and sends nothing.
type headersOnly struct {
	header http.Header
	status int
}

func (h *headersOnly) Header() http.Header            { return h.header }
func (h *headersOnly) WriteHeader(status int)         { h.status = status }
func (h *headersOnly) Write(data []byte) (int, error) { return len(data), nil }
