package agent_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/agent"
	"github.com/musterhq/muster/test/logbuf"
)

// TestTheMetricsAreThoseThatAreDocumented: in operations.md, no more and no less.
func TestTheMetricsAreThoseThatAreDocumented(t *testing.T) {
	o := alone(t)
	o.Debug.Addr = closedPort(t)
	var log logbuf.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- agent.Run(ctx, o) }()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(log.String(), "metrics and profiles are served"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("they aren't served")
		}
	}
	text := fetch(t, "http://"+o.Debug.Addr+"/metrics")
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) { // its parts start side by side
		profile := fetch(t, "http://"+o.Debug.Addr+"/debug/pprof/goroutine?debug=2")
		if strings.Contains(profile, "loop.(*shell).run") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the goroutines are %.300s", profile)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "### An agent's metrics")
	table, _, _ = strings.Cut(table, "\n### ")
	if diff := cmp.Diff(metrics("(?m)^\\| `(muster_agent_\\w+)", table), metrics(`(?m)^# TYPE (muster_\w+) `, text)); diff != "" {
		t.Errorf("documented and served: %s", diff)
	}
}

func metrics(pattern, text string) map[string]bool {
	out := map[string]bool{}
	for _, found := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		out[found[1]] = true
	}
	return out
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s answers %d, %v", url, response.StatusCode, err)
	}
	return string(body)
}
