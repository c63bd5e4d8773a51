// Package web is the leaderboard's HTTP interface.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/musterhq/muster/examples/rank/board"
	"github.com/musterhq/muster/examples/rank/register"
)

const (
	maxBody      = 4 << 10         // bytes of a request's body
	storeTimeout = 2 * time.Second // for what one request asks of the store
	defaultTop   = 10              // lines of GET /board
	maxTop       = 100
)

// Board is where the leaderboard is kept.
type Board interface {
	register.Board
	Get(ctx context.Context, name string) (board.Person, board.Standing, error)
	Top(ctx context.Context, n int) (entries []board.Entry, people int64, err error)
}

// Options are what the interface needs.
type Options struct {
	Board    Board
	Ready    func(context.Context) error // nil while the store answers
	Version  string
	Instance string
	Now      func() time.Time
	Log      *slog.Logger
	// Around wraps the pages, within what every answer has; nil: nothing does.
	Around func(http.Handler) http.Handler
}

// who is part of every answer: which instance of which version gave it.
type who struct {
	Version  string `json:"version"`
	Instance string `json:"instance"`
}

type server struct {
	Options
	who      who
	register register.Register
}

// Handler returns the whole interface.
func Handler(o Options) http.Handler {
	s := &server{
		Options: o, who: who{Version: o.Version, Instance: o.Instance},
		register: register.Register{Board: o.Board, Instance: o.Instance, Now: o.Now},
	}
	mux := http.NewServeMux()
	for _, route := range []struct {
		method, path string
		handle       http.HandlerFunc
	}{
		{"GET", "/{$}", s.help},
		{"GET", "/healthz", s.health},
		{"GET", "/board", s.top},
		{"POST", "/people", s.enter},
		{"GET", "/people/{name}", s.person},
	} {
		mux.HandleFunc(route.method+" "+route.path, route.handle)
		mux.HandleFunc(route.path, s.wrongMethod(route.method))
	}
	mux.HandleFunc("/", s.unknown)
	if o.Around != nil {
		return s.observed(o.Around(mux))
	}
	return s.observed(mux)
}

// observed names the instance in the headers of every answer, bounds what is
// read, and writes one log line a request; a healthy check is not worth one.
func (s *server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := s.Now()
		w.Header().Set("X-Version", s.Version)
		w.Header().Set("X-Instance", s.Instance)
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		answer := &recorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, r)
		if r.URL.Path == "/healthz" && answer.status == http.StatusOK {
			return
		}
		s.Log.Info("request answered", "method", r.Method, "path", r.URL.Path,
			"status", answer.status, "took_ms", s.Now().Sub(began).Milliseconds())
	})
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}
