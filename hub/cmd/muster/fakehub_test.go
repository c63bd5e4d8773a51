package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// requestsFile is where a fake hub writes down what it was asked.
const requestsFile = "requests"

// fakeHub answers "GET /v1/hosts" with the file hub/GET/v1/hosts. Where there
// are hosts.1, hosts.2 …, it gives one after the other, and the last one for
// ever. A file may begin with a line "HTTP 409", its status.
type fakeHub struct {
	dir string

	mu    sync.Mutex // guards asked and the file of requests
	asked map[string]int
}

func startFakeHub(dir string) *httptest.Server {
	return httptest.NewServer(&fakeHub{dir: dir, asked: map[string]int{}})
}

// startFakeTLS is a fake hub with a certificate that no system knows.
func startFakeTLS(dir string) *httptest.Server {
	server := httptest.NewUnstartedServer(&fakeHub{dir: dir, asked: map[string]int{}})
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of those who turn back
	server.StartTLS()
	return server
}

// startFakeSocket is one at a socket.
func startFakeSocket(dir, path string) (*httptest.Server, error) {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	server := httptest.NewUnstartedServer(&fakeHub{dir: dir, asked: map[string]int{}})
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	return server, nil
}

func (h *fakeHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	name := filepath.Join(h.dir, "hub", r.Method, filepath.FromSlash(r.URL.Path))
	data, found := h.take(name)
	h.note(r, body)
	status := http.StatusOK
	if !found {
		status = http.StatusNotFound
		data = `{"title": "Not Found", "status": 404, "detail": "there is no ` + r.URL.Path + `", "code": "not_found"}`
	}
	if first, rest, _ := strings.Cut(data, "\n"); strings.HasPrefix(first, "HTTP ") {
		status, _ = strconv.Atoi(strings.TrimPrefix(first, "HTTP "))
		data = rest
	}
	if strings.HasPrefix(data, "id:") {
		w.Header().Set("Content-Type", "text/event-stream")
	}
	w.WriteHeader(status)
	fmt.Fprint(w, data)
}

func (h *fakeHub) take(name string) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked[name]++
	for n := h.asked[name]; n > 0; n-- {
		if data, err := os.ReadFile(name + "." + strconv.Itoa(n)); err == nil {
			return string(data), true
		}
	}
	data, err := os.ReadFile(name)
	return string(data), err == nil
}

func (h *fakeHub) note(r *http.Request, body []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	file, err := os.OpenFile(filepath.Join(h.dir, requestsFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}
	defer file.Close()
	line := r.Method + " " + r.URL.RequestURI()
	if r.Header.Get("Idempotency-Key") != "" {
		line += " keyed"
	}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		line += " after " + last
	}
	if token := r.Header.Get("Authorization"); token != "" {
		line += " as " + strings.TrimPrefix(token, "Bearer ")
	}
	if r.TLS != nil {
		line += " by TLS"
	}
	if len(body) > 0 {
		line += " " + string(body)
	}
	fmt.Fprintln(file, line)
}
