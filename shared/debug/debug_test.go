package debug

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/shared/fleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOffAndOnLoopbackUnlessAskedForTwice(t *testing.T) {
	for _, addr := range []string{"", "127.0.0.1:0", "localhost:6060", "[::1]:6060"} {
		if err := (Options{Addr: addr}).Validate(); err != nil {
			t.Errorf("%q is refused: %v", addr, err)
		}
	}
	for _, addr := range []string{":6060", "0.0.0.0:6060", "[::]:6060", "192.0.2.1:6060", "web1:6060"} {
		err := Options{Addr: addr}.Validate()
		if fleet.CodeOf(err) != fleet.CodeInvalid || !strings.Contains(err.Error(), "--insecure-debug-without-authentication") {
			t.Errorf("%q is taken: %v", addr, err)
		}
		if err := (Options{Addr: addr, Insecure: true}).Validate(); err != nil {
			t.Errorf("asked for twice, %q is refused: %v", addr, err)
		}
	}
	if err := (Options{Addr: "6060", Insecure: true}).Validate(); err == nil {
		t.Error("an address without a port is taken")
	}
	if listener, err := (Options{}).Listen(); listener != nil || err != nil {
		t.Errorf("nobody asked, and it listens: %v, %v", listener, err)
	}
}

func TestItServesUntilTheEnd(t *testing.T) {
	listener, err := Options{Addr: "127.0.0.1:0"}.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "muster_x 1\n") })
	go func() { ended <- Serve(ctx, listener, metrics, false) }()
	base := "http://" + listener.Addr().String()
	for path, want := range map[string]string{"/metrics": "muster_x 1", "/debug/pprof/goroutine?debug=2": "goroutine ", "/debug/pprof/": "heap"} {
		response, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s answers %d: %.100s", path, response.StatusCode, body)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestAnotherNameForThisMachineIsRefused: whoever owns evil.example may point
// it at 127.0.0.1, and have a browser here read what its page can't otherwise.
func TestAnotherNameForThisMachineIsRefused(t *testing.T) {
	for host, insecure := range map[string]bool{"127.0.0.1:6060": false, "evil.example:6060": false, "hub.example:6060": true} {
		answer := httptest.NewRecorder()
		request := httptest.NewRequest(http.MethodGet, "/debug/pprof/", http.NoBody)
		request.Host = host
		handler(http.NotFoundHandler(), insecure).ServeHTTP(answer, request)
		if refused := answer.Code == http.StatusForbidden; refused != (host == "evil.example:6060") {
			t.Errorf("%s is answered %d", host, answer.Code)
		}
	}
}
