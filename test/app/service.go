package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	maxBody = 1 << 20          // bytes of a request's body
	maxSlow = 10 * time.Minute // longest /slow
)

// service answers the requests of one instance.
type service struct {
	cfg       config
	readyAt   time.Time
	unhealthy atomic.Bool
	leaving   chan struct{} // closed when the service takes leave
	leaveOnce sync.Once
	sockets   sync.WaitGroup // open WebSockets
	answers   atomic.Int64   // begun, of those that may fail
}

func newService(cfg config, now time.Time) *service {
	s := &service{cfg: cfg, readyAt: now.Add(cfg.ReadyAfter), leaving: make(chan struct{})}
	s.unhealthy.Store(cfg.Unhealthy)
	return s
}

// leave tells open WebSockets that the service is going away.
func (s *service) leave() { s.leaveOnce.Do(func() { close(s.leaving) }) }

func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.faulty(s.who))
	mux.HandleFunc("POST /{$}", s.faulty(s.echo))
	mux.HandleFunc("/slow", s.faulty(s.slow))
	mux.HandleFunc("GET "+s.cfg.Health, s.health)
	mux.HandleFunc("/unhealthy", func(w http.ResponseWriter, r *http.Request) {
		s.unhealthy.Store(true)
		s.who(w, r)
	})
	mux.HandleFunc("/healthy", func(w http.ResponseWriter, r *http.Request) {
		s.unhealthy.Store(false)
		s.who(w, r)
	})
	mux.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) { os.Exit(1) })
	mux.HandleFunc("GET /ws", s.socket)
	mux.HandleFunc("GET /shown", s.show)
	mux.HandleFunc("GET /client", client)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Version", s.cfg.Version)
		w.Header().Set("X-Instance", s.cfg.Instance)
		mux.ServeHTTP(w, r)
	})
}

// faulty answers as a version does that is broken on purpose.
func (s *service) faulty(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.cfg.Slow > 0 {
			select {
			case <-time.After(s.cfg.Slow):
			case <-r.Context().Done():
				return
			}
		}
		if n := s.answers.Add(1); s.cfg.FailEvery > 0 && n%int64(s.cfg.FailEvery) == 0 {
			http.Error(w, "broken on purpose", http.StatusInternalServerError)
			return
		}
		next(w, r)
	}
}

// who answers {"instance": …, "version": …}.
func (s *service) who(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{
		"instance": s.cfg.Instance, "version": s.cfg.Version,
	})
}

// show answers with the file that it was told to show, and its mode.
func (s *service) show(w http.ResponseWriter, _ *http.Request) {
	info, err := os.Stat(s.cfg.Show)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	content, err := os.ReadFile(s.cfg.Show)
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	w.Header().Set("X-Mode", info.Mode().String())
	_, _ = w.Write(content)
}

// echo answers with the request's own body.
func (s *service) echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = w.Write(body)
}

// slow takes its time (?ms=…), then answers as / does.
func (s *service) slow(w http.ResponseWriter, r *http.Request) {
	ms, err := strconv.Atoi(r.URL.Query().Get("ms"))
	if err != nil || ms < 0 || time.Duration(ms)*time.Millisecond > maxSlow {
		http.Error(w, "ms: a number of milliseconds, at most 600000", http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
	case <-r.Context().Done():
		return
	}
	if r.Method == http.MethodPost {
		_, _ = w.Write(body)
		return
	}
	s.who(w, r)
}

// health answers 503 while the service is unready or was switched unhealthy.
func (s *service) health(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.unhealthy.Load():
		http.Error(w, "unhealthy", http.StatusServiceUnavailable)
	case time.Now().Before(s.readyAt):
		http.Error(w, "not ready yet", http.StatusServiceUnavailable)
	default:
		s.who(w, r)
	}
}

// socket echoes WebSocket messages until the client or the service leaves.
func (s *service) socket(w http.ResponseWriter, r *http.Request) {
	s.sockets.Add(1)
	defer s.sockets.Done()
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(w, r, http.Header{
		"X-Version": {s.cfg.Version}, "X-Instance": {s.cfg.Instance},
	})
	if err != nil {
		return // the upgrader has answered
	}
	defer conn.Close()
	conn.SetReadLimit(maxBody)

	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-s.leaving:
			bye := websocket.FormatCloseMessage(websocket.CloseGoingAway, "instance stops")
			_ = conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(time.Second))
			// The client answers with its own close frame, which ends the loop below.
			_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
		case <-done:
		}
	}()
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if conn.WriteMessage(kind, message) != nil {
			return
		}
	}
}
