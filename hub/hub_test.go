package hub_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/hub"
	"github.com/musterhq/muster/shared/debug"
)

// running is a hub that runs until the test ends.
type running struct {
	t    *testing.T
	http string
}

func run(t *testing.T, o hub.Options) *running {
	t.Helper()
	o.MQTTS, o.HTTPS, o.Socket, o.InsecureListen = "", "", "", true
	o.StateDir, o.MQTT, o.HTTP, o.Logger = filepath.Join(t.TempDir(), "hub"), free(t), free(t), slog.New(slog.NewTextHandler(t.Output(), nil))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- hub.Run(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	r := &running{t: t, http: "http://" + o.HTTP}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if response, err := http.Get(r.http + "/healthz"); err == nil {
			response.Body.Close()
			return r
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the hub ended: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("the hub doesn't answer")
		}
	}
}

func free(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func (r *running) get(url string) string {
	r.t.Helper()
	response, err := http.Get(url)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		r.t.Fatalf("%s answers %d, %v: %s", url, response.StatusCode, err, body)
	}
	return string(body)
}

// TestTheMetricsAreThoseThatAreDocumented: the table in operations.md names
// every metric of Muster's own that a hub has from its start, and no other.
func TestTheMetricsAreThoseThatAreDocumented(t *testing.T) {
	r := run(t, hub.DefaultOptions())
	r.get(r.http + "/v1/services") // a request that is counted
	served := names(`(?m)^# TYPE (muster_\w+) `, r.get(r.http+"/metrics"))
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "### The hub's metrics")
	table, _, _ = strings.Cut(table, "\n### ")
	documented := names("(?m)^\\| `(muster_\\w+)", table)
	if len(served) < 30 {
		t.Fatalf("only %v are served", served)
	}
	for _, name := range served {
		if !slices.Contains(documented, name) {
			t.Errorf("%s isn't documented", name)
		}
	}
	for _, name := range documented {
		if !slices.Contains(served, name) {
			t.Errorf("there is no %s, though it is documented", name)
		}
	}
}

func names(pattern, text string) (out []string) {
	for _, found := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		out = append(out, found[1])
	}
	return out
}

func TestWhatASupporterReads(t *testing.T) {
	o := hub.DefaultOptions()
	o.Debug = debug.Options{Addr: "127.0.0.1:0"}
	r := run(t, o)
	if log := r.get(r.http + "/v1/hub/log"); !strings.Contains(log, `msg="hub started"`) {
		t.Errorf("the log reads %q", log)
	}
	settings := r.get(r.http + "/v1/hub/settings")
	address := regexp.MustCompile(`"debug-addr","value":"(127.0.0.1:\d+)"`).FindStringSubmatch(settings)
	if address == nil {
		t.Fatalf("the settings are %s", settings)
	}
	inside := "http://" + address[1]
	if text := r.get(inside + "/debug/pprof/goroutine?debug=2"); !strings.Contains(text, "fleetloop.(*Loop).Run") {
		t.Errorf("the goroutines are %.300s", text)
	}
	if !strings.Contains(r.get(inside+"/metrics"), "muster_turn_seconds_count") {
		t.Error("no metrics beside the profiles")
	}
}

// TestProfilesAreOffByDefault: not at the API's address either.
func TestProfilesAreOffByDefault(t *testing.T) {
	r := run(t, hub.DefaultOptions())
	response, err := http.Get(r.http + "/debug/pprof/")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("it answers %d", response.StatusCode)
	}
	o := hub.DefaultOptions()
	o.Debug.Addr = "0.0.0.0:6060"
	if err := o.Validate(); err == nil || !strings.Contains(err.Error(), "isn't loopback") {
		t.Errorf("an address for everybody is taken: %v", err)
	}
}

// TestEverySettingIsShownOrSecret: a flag that is new has to be thought about.
func TestEverySettingIsShownOrSecret(t *testing.T) {
	source, err := os.ReadFile("cmd/muster-hub/main.go")
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, hub.DefaultOptions())
	settings := []byte(r.get(r.http + "/v1/hub/settings"))
	for _, flag := range names(`Flag\{Name: "([\w-]+)"`, string(source)) {
		switch flag {
		case "without-barrier", "failpoint":
			continue // of tests
		}
		if !bytes.Contains(settings, []byte(`"name":"`+flag+`"`)) {
			t.Errorf("%s isn't among the settings that /v1/hub/settings shows", flag)
		}
	}
}
