package hub_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/hub"
)

// TestTheHubEndsWhole: when it is told to stop, Run ends without an error, takes
// those that watch with it, lets go of the store, and leaves no goroutine.
func TestTheHubEndsWhole(t *testing.T) {
	o := hub.DefaultOptions()
	o.StateDir, o.MQTTS, o.HTTPS, o.MQTT, o.HTTP, o.InsecureListen = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", true
	o.Socket = ""
	for range 2 {
		started := make(announced, 1)
		o.Logger = slog.New(slog.NewJSONHandler(started, nil))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- hub.Run(ctx, o) }()
		select {
		case address := <-started:
			watch(t, address, stop)
		case err := <-ended:
			t.Fatal(err)
		}
		stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("it doesn't end")
		}
	}
}

// announced gets the address at which a hub says in its log that it serves.
type announced chan string

func (a announced) Write(line []byte) (int, error) {
	var said struct{ HTTP string }
	if err := json.Unmarshal(line, &said); err != nil {
		return 0, err
	}
	if said.HTTP != "" {
		a <- said.HTTP
	}
	return len(line), nil
}

// watch follows the hub's changes, tells it to stop, and reads to the end.
func watch(t *testing.T, address string, stop func()) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/v1/watch", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewReader(response.Body)
	if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, ":") {
		t.Fatalf("the watch begins with %q, %v", line, err)
	}
	stop()
	if _, err := io.Copy(io.Discard, lines); err != nil {
		t.Errorf("the watch ended with %v", err)
	}
}
