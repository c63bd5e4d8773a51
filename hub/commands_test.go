package hub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/hub"
	"github.com/musterhq/muster/shared/fleet"
)

// doors get the addresses at which a hub says in its log that it listens.
type doors chan [2]string

func (d doors) Write(line []byte) (int, error) {
	var said struct{ HTTP, MQTT string }
	if err := json.Unmarshal(line, &said); err != nil {
		return 0, err
	}
	if said.MQTT != "" {
		d <- [2]string{said.HTTP, said.MQTT}
	}
	return len(line), nil
}

// TestStockClientsGiveCommands: mosquitto_rr gets the answer to a command; a repeat,
// also of the hub that is started next, changes nothing; what is retained is refused.
func TestStockClientsGiveCommands(t *testing.T) {
	o := hub.DefaultOptions()
	o.StateDir, o.MQTTS, o.HTTPS, o.MQTT, o.HTTP, o.InsecureListen = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", true
	var first fleet.CommandResult
	for n := range 2 {
		listens := make(doors, 1)
		o.Logger = slog.New(slog.NewJSONHandler(listens, nil))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- hub.Run(ctx, o) }()
		addresses := <-listens
		if n == 0 {
			apply(t, addresses[0])
			first = reply(t, addresses[1], "scale 3 --id r1", "r1")
			if !first.OK || first.Message != "shop/rank scaled from 1 to 3" || first.Revision == 0 {
				t.Errorf("%+v", first)
			}
			stock(t, "mosquitto_pub", addresses[1], "-q", "1", "-r", "-t", rank+"command", "-m", "scale 5 --id r2")
			if r := reply(t, addresses[1], "status --id r3", "r3"); !strings.Contains(r.Output, `"desired": 3`) {
				t.Errorf("what was retained was done: %+v", r)
			}
		}
		if again := reply(t, addresses[1], `{"id":"r1","do":"scale","args":{"count":3}}`, "r1"); !again.OK || again.Revision != first.Revision || again.Message != first.Message {
			t.Errorf("again: %+v, first %+v", again, first)
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}

func apply(t *testing.T, address string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"document": `{"name":"shop","services":{"rank":{"image":"rank:1"}}}`})
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/v1/projects/shop/apply", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, _ := io.ReadAll(response.Body); response.StatusCode != 200 {
		t.Fatalf("%s: %s", response.Status, text)
	}
}

// rank is what the topics of shop/rank begin with.
const rank = "muster/v1/services/shop/rank/"

// reply gives a command about shop/rank and returns the first message on the topic
// of its result.
func reply(t *testing.T, address, command, id string) (r fleet.CommandResult) {
	t.Helper()
	out := stock(t, "mosquitto_rr", address, "-W", "20", "-t", rank+"command", "-e", rank+"result/"+id, "-m", command)
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return r
}

// stock runs one of mosquitto's clients to its end.
func stock(t *testing.T, program, address string, args ...string) []byte {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, append([]string{"-h", host, "-p", port}, args...)...).Output()
	if err != nil {
		t.Fatalf("%s %v: %v", program, args, err)
	}
	return out
}
