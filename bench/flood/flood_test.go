package flood_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/bench/flood"
	"github.com/musterhq/muster/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestAFloodIsServedAndNobodyLetIn plays a small flood to a real hub: every kind of
// attempt gets as far as it should.
func TestAFloodIsServedAndNobodyLetIn(t *testing.T) {
	o := flood.DefaultOptions()
	o.Hub, o.Idle, o.Rate, o.Patience = startHub(t), 10, 20, 2*time.Second
	in, end := io.Pipe()
	out, answer := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- flood.Serve(o, in, answer) }()
	time.Sleep(3 * time.Second)
	_ = end.Close()
	var r flood.Result
	if err := json.NewDecoder(out).Decode(&r); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if r.Idle == 0 || r.Handshakes == 0 || r.Garbage == 0 || r.Passwords == 0 || r.LetIn != 0 {
		t.Errorf("the result is %+v", r)
	}
}

// startHub runs a hub until the test ends, and returns where its broker is.
func startHub(t *testing.T) string {
	t.Helper()
	o := hub.DefaultOptions()
	o.StateDir, o.Socket, o.HTTPS, o.Logger = t.TempDir(), "", "", slog.New(slog.DiscardHandler)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.MQTTS = listener.Addr().String()
	_ = listener.Close()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- hub.Run(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", o.MQTTS)
		if err == nil {
			_ = conn.Close()
			return o.MQTTS
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
