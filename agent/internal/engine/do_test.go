package engine

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/agent/brain"
)

// fakeEngine is an engine that answers as mux does.
func fakeEngine(t *testing.T, mux *http.ServeMux, options Options) (*Engine, net.Listener) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "engine.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.41") })
	server := &http.Server{Handler: mux}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	options.Host = "unix://" + socket
	e, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e, listener
}

// An engine that shuts down closes its door and serves who is inside: nothing
// may be started on it any more.
func TestNothingStartsOnAnEngineThatShutsDown(t *testing.T) {
	started := make(chan string, 2)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1.41/containers/{id}/json", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"Id": %q, "Config": {"Labels": {%q: "1-1"}}, "State": {"Status": "exited"}, "HostConfig": {}}`, r.PathValue("id"), brain.LabelInstance)
	})
	mux.HandleFunc("POST /v1.41/containers/{id}/start", func(w http.ResponseWriter, r *http.Request) {
		started <- r.PathValue("id")
		w.WriteHeader(http.StatusNoContent)
	})
	e, listener := fakeEngine(t, mux, Options{})
	start := func(id string) brain.Result {
		return e.Do(context.Background(), brain.Op{Kind: brain.OpStart, Instance: "1-1", Container: id})
	}
	if r := start("first"); r.Problem != "" || <-started != "first" {
		t.Fatalf("the engine is well: %+v", r)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.Ping(context.Background()); err != nil {
		t.Fatalf("the connection that is open should be served: %v", err)
	}
	if r := start("second"); !strings.Contains(r.Problem, "the engine can't be reached") {
		t.Errorf("the engine shuts down: %+v", r)
	}
	select {
	case id := <-started:
		t.Errorf("%s was started", id)
	default:
	}
}

func TestALocalPullOnlyLooks(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1.41/images/web:1/json", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"Id": "sha256:aaa"}`) })
	mux.HandleFunc("POST /v1.41/images/create", func(http.ResponseWriter, *http.Request) { t.Error("an image was fetched") })
	e, _ := fakeEngine(t, mux, Options{})
	look := func(image string) brain.Result {
		return e.Do(t.Context(), brain.Op{Kind: brain.OpPull, Instance: "1-1", Image: image, Local: true})
	}
	if r := look("web:1"); r.Missing || r.Problem != "" || r.Image.ID != "sha256:aaa" {
		t.Errorf("it is here: %+v", r)
	}
	if r := look("web:2"); !r.Missing || r.Problem != "" {
		t.Errorf("it isn't here: %+v", r)
	}
}
