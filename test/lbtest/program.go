package lbtest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Program is an instance that exits at once when it is told to.
type Program struct {
	ID     string
	Port   int
	server *http.Server
	health atomic.Bool
}

// NewProgram answers with its id, or as it is told.
func NewProgram(t testing.TB, id string, answer ...http.HandlerFunc) *Program {
	t.Helper()
	answer = append(answer, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, id) })
	listener, err := net.Listen("tcp", Loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Program{ID: id, Port: portOf(t, listener)}
	p.health.Store(true)
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if !p.health.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Second)
		fmt.Fprint(w, id)
	})
	mux.HandleFunc("/", answer[0])
	mux.HandleFunc("/socket", func(w http.ResponseWriter, _ *http.Request) {
		conn, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"))
		_, _ = io.Copy(conn, buffer) // what comes goes back
	})
	p.server = &http.Server{Handler: mux}
	go func() { _ = p.server.Serve(listener) }()
	t.Cleanup(p.Exit)
	return p
}

// Exit ends it, with all connections.
func (p *Program) Exit() { _ = p.server.Close() }

// Endpoint is the program's, as the hub tells of it.
func (p *Program) Endpoint(state string) fleet.Endpoint {
	return fleet.Endpoint{
		Instance: p.ID, Version: 1, Address: Loopback, Ports: map[int]int{80: p.Port},
		Weight: fleet.DefaultWeight, State: state,
	}
}

// tells answers with what a program is told of its client.
func tells(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s for %s by %s", r.Proto, r.Host, strings.Join(r.Header["X-Forwarded-For"], ","), r.Header.Get("X-Forwarded-Proto"))
}
