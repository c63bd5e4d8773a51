package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/shared/fleet"
)

// FuzzConfig: a configuration file is refused with its name and what it may
// have, or says where the hub is.
func FuzzConfig(f *testing.F) {
	f.Add([]byte("hub: http://10.0.0.1:8080\n"))
	f.Add([]byte("hub: [a]\nhubs: b\n"))
	f.Add([]byte("# nothing\n"))
	f.Add([]byte("\n"))
	path := filepath.Join(f.TempDir(), "config.yaml")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := (&program{}).readConfig(path)
		if err != nil && (cfg != config{} || fleet.CodeOf(err) != fleet.CodeInvalid || !strings.HasPrefix(err.Error(), path) || !strings.Contains(err.Error(), "hub: URL")) {
			t.Errorf("refused with %v, and yet %+v", err, cfg)
		}
	})
}

// FuzzArrange: moving flags to their command loses no word and adds none.
func FuzzArrange(f *testing.F) {
	for _, line := range []string{"services --output=json shop", "host drain web1 --wait --hub http:x", "logs -- -n 5", "apply -f -", "service --generate-bash-completion", "--hub", "-o"} {
		f.Add(line)
	}
	app := (&program{}).app()
	f.Fuzz(func(t *testing.T, line string) {
		args := append([]string{"muster"}, strings.Split(line, " ")...)
		got := arrange(app, slices.Clone(args))
		if got[0] != "muster" || !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(args))) {
			t.Errorf("%q became %q", args, got)
		}
	})
}

// FuzzProfile: what is taken for credentials names a hub, and is written as it was
// read.
func FuzzProfile(f *testing.F) {
	f.Add([]byte("hub: https://hub.example:8443\nname: ann\ntoken: mst_x\nexpires: 2025-01-02T15:04:05Z\nca: |\n    -----BEGIN CERTIFICATE-----\n"))
	f.Add([]byte("hub: x\ntoken: [1]\n"))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		saved, err := parseProfile(data)
		if err != nil {
			return
		}
		written, err := yaml.Marshal(saved)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseProfile(written)
		if err != nil || saved.Hub == "" || !again.Expires.Equal(saved.Expires) || again.Token != saved.Token || again.CA != saved.CA || !again.is(saved.Hub) {
			t.Errorf("%+v is read back as %+v, %v", saved, again, err)
		}
	})
}
