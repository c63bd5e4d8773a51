package engine

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
)

// A container that can't be inspected is told as far as the list goes, and
// costs the others little.
func TestContainersThatCannotBeInspected(t *testing.T) {
	const mine = `"Labels": {"muster.lineage": "l", "muster.host": "h", "muster.instance": "1-1"}`
	var hung atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1.41/containers/json", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `[{"Id": "fine", "State": "running", %s},
			{"Id": "broken", "State": "exited", %s, "Ports": [{"PublicPort": 20001}]},
			{"Id": "hangs", "State": "running", "Ports": [{"PublicPort": 7000}]},
			{"Id": "gone", "State": "exited"}]`, mine, mine)
	})
	mux.HandleFunc("GET /v1.41/containers/{id}/json", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("id") {
		case "fine":
			fmt.Fprintf(w, `{"Id": "fine", "Name": "/web", "Config": {%s}, "State": {"Status": "running"}, "HostConfig": {}}`, mine)
		case "broken":
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, `{"message": "RWLayer of container broken is unexpectedly nil"}`)
		case "hangs":
			hung.Add(1)
			<-r.Context().Done()
		default:
			http.Error(w, `{"message": "No such container: gone"}`, http.StatusNotFound)
		}
	})
	e, _ := fakeEngine(t, mux, Options{InspectTimeout: 100 * time.Millisecond})
	for range 3 {
		all, err := e.Containers(t.Context(), "l", "h")
		if err != nil || len(all) != 3 {
			t.Fatalf("told %+v, %v", all, err)
		}
		if c := all[0]; c.Name != "web" || c.Problem != "" {
			t.Errorf("told %+v", c)
		}
		if c := all[1]; c.State != brain.ContainerExited || c.Labels[brain.LabelInstance] != "1-1" || c.HostPorts[0] != 20001 ||
			c.Problem != "RWLayer of container broken is unexpectedly nil" {
			t.Errorf("told %+v", c)
		}
		if c := all[2]; c.State != brain.ContainerRunning || c.HostPorts[0] != 7000 || c.Problem != "" {
			t.Errorf("told %+v", c)
		}
	}
	if hung.Load() != 1 {
		t.Errorf("what hangs was asked for %d times", hung.Load())
	}
}

func TestAnEngineThatEndsWhileItIsListed(t *testing.T) {
	mux := http.NewServeMux()
	e, listener := fakeEngine(t, mux, Options{})
	mux.HandleFunc("GET /v1.41/containers/json", func(w http.ResponseWriter, _ *http.Request) {
		_ = listener.Close()
		w.Header().Set("Connection", "close")
		fmt.Fprint(w, `[{"Id": "a", "State": "running"}]`)
	})
	all, err := e.Containers(t.Context(), "l", "h")
	if err == nil || !strings.Contains(err.Error(), "inspect containers") {
		t.Errorf("told %+v, %v", all, err)
	}
}
