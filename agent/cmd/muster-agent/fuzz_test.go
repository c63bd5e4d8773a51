package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/musterhq/muster/agent"
)

// FuzzSettings: a settings file is refused, or starts an agent whose options
// hold together.
func FuzzSettings(f *testing.F) {
	f.Add([]byte("host-id: from-file\nhub: tcp://127.0.0.1:1000\nheartbeat: 2s\nport-range: 21000-21999\nlabel: {tier: web, zone: a}\nhaproxy: true\nhaproxy-bind: [127.0.0.1, '::1']\n"))
	f.Add([]byte("host-id: [a, b]\n"))
	f.Add([]byte("label: [{a: {b: c}}]\nport-range: 9-\n"))
	f.Add([]byte("help: true\n"))
	f.Add([]byte("- x"))
	path := filepath.Join(f.TempDir(), "agent.yaml")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		var started *agent.Options
		err := run(t.Context(), []string{"muster-agent", "--config", path}, discard{}, discard{}, program{start: func(_ context.Context, o agent.Options) error {
			started = &o
			return o.Validate()
		}})
		if (err == nil) != (started != nil) {
			t.Errorf("started with %+v: %v", started, err)
		}
	})
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
