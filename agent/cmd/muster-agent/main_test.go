package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/agent"
)

// start runs the program and returns the options that its agent gets.
func start(t *testing.T, args ...string) (agent.Options, string, error) {
	t.Helper()
	var got agent.Options
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), append([]string{"muster-agent"}, args...), &stdout, &stderr, program{start: func(_ context.Context, o agent.Options) error {
		got = o
		return nil
	}})
	return got, stdout.String(), err
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	got, _, err := start(t, "--host-id", "h1")
	if err != nil {
		t.Fatal(err)
	}
	want := agent.DefaultOptions()
	if got.Hub != want.Hub || got.HubHTTP != want.HubHTTP || got.StateDir != want.StateDir || got.PortFirst != 20000 || got.PortLast != 29999 || got.HAProxy != nil {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff(want.Timing, got.Timing); diff != "" {
		t.Error(diff)
	}
}

func TestTheLastOneCounts(t *testing.T) {
	path := write(t, `
host-id: from-file
hub: tcp://127.0.0.1:1000
hub-http: http://127.0.0.1:1001
heartbeat: 2s
port-range: 21000-21999
label: {tier: web, zone: a}
haproxy: true
haproxy-retries: 0
prune-above: 70
prune-to: 60
haproxy-bind: [127.0.0.1, 127.0.0.2]
`)
	t.Setenv("MUSTER_AGENT_CONFIG", path)
	t.Setenv("MUSTER_AGENT_HUB", "tcp://127.0.0.1:2000")
	t.Setenv("MUSTER_AGENT_HUB_HTTP", "http://127.0.0.1:2001")
	got, _, err := start(t, "--hub-http", "http://127.0.0.1:3001")
	if err != nil {
		t.Fatal(err)
	}
	if got.Host != "from-file" || got.Hub != "tcp://127.0.0.1:2000" || got.HubHTTP != "http://127.0.0.1:3001" {
		t.Errorf("got %s %s %s", got.Host, got.Hub, got.HubHTTP)
	}
	if got.Timing.Brain.Heartbeat != 2*time.Second || got.PortFirst != 21000 || got.PortLast != 21999 || got.Limits.PruneAbove != 70 || got.Limits.PruneTo != 60 {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff(map[string]string{"tier": "web", "zone": "a"}, got.Labels); diff != "" {
		t.Error(diff)
	}
	if h := got.HAProxy; h == nil || h.Retries != 0 || len(h.Bind) != 2 || h.Name != "haproxy" {
		t.Errorf("got %+v", got.HAProxy)
	}
	got, _, err = start(t, "--label", "tier=db")
	if err != nil || len(got.Labels) != 1 || got.Labels["tier"] != "db" {
		t.Errorf("got %v, %v", got.Labels, err)
	}
}

func TestJSONIsTakenToo(t *testing.T) {
	got, _, err := start(t, "--config", write(t, `{"host-id": "h1", "label": ["a=b"], "haproxy": false}`))
	if err != nil || got.Host != "h1" || got.Labels["a"] != "b" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	tests := []struct {
		name string
		args []string
		file string
		want string
	}{
		{"unknown option", []string{"--hubs", "x"}, "", "not defined: -hubs (see muster-agent --help)"},
		{"argument", []string{"start"}, "", `"start" is not an option`},
		{"level", []string{"--log-level", "loud"}, "", "log-level"},
		{"format", []string{"--log-format", "xml"}, "", "neither text nor json"},
		{"percentage", []string{"--prune-to", "x"}, "", "prune-to"},
		{"range", []string{"--port-range", "20000"}, "", "20000-29999"},
		{"label", []string{"--label", "web"}, "", "name=value"},
		{"resource", []string{"--resource", "gpu"}, "", "kind=number"},
		{"resource's number", []string{"--resource", "gpu=two"}, "", "not a number"},
		{"resource's kind", []string{"--resource", "a b=2"}, "", "not the kind of a resource"},
		{"no resource", []string{"--resource", "gpu=0"}, "", "not a number from 1"},
		{"hub", []string{"--hub", "tcp://192.0.2.1:1883"}, "", "--insecure-plaintext-hub"},
		{"missing file", []string{"--config", "/nowhere/agent.yaml"}, "", "read settings"},
		{"no yaml", nil, "a: [", "not YAML"},
		{"unknown key", nil, "hubb: x", "hubb: there is no such option"},
		{"file in file", nil, "config: x", "no such option"},
		{"wrong kind", nil, "heartbeat: soon", "heartbeat"},
		{"nested", nil, "label: {a: [b, c]}", "not a single value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"--host-id", "h1"}, tt.args...)
			if tt.file != "" {
				args = append(args, "--config", write(t, tt.file))
			}
			_, _, err := start(t, args...)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	for arg, want := range map[string]string{"--help": "--state-dir", "--version": "muster-agent version"} {
		_, out, err := start(t, arg)
		if err != nil || !strings.Contains(out, want) || strings.Contains(out, "failpoint") {
			t.Errorf("%s: %v\n%s", arg, err, out)
		}
	}
}
