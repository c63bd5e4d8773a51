package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"
	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/shared/fleet"
)

const defaultHub = "http://127.0.0.1:8080"

// config is the operator's configuration file.
type config struct {
	Hub string `yaml:"hub"`
}

// hubURL finds the hub: --hub, then MUSTER_HUB, then the configuration file.
func (p *program) hubURL(c *cli.Context) (string, error) {
	if url := c.String("hub"); url != "" {
		return url, nil
	}
	if url := p.getenv("MUSTER_HUB"); url != "" {
		return url, nil
	}
	cfg, err := p.readConfig(c.String("config"))
	if err != nil {
		return "", err
	}
	if cfg.Hub != "" {
		return cfg.Hub, nil
	}
	return defaultHub, nil
}

// readConfig reads the file that was named, or else the usual one, which may
// be missing.
func (p *program) readConfig(path string) (config, error) {
	stated := path != ""
	if !stated {
		path = p.usualConfig()
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !stated {
		return config{}, nil
	}
	if err != nil {
		return config{}, fmt.Errorf("read the configuration: %w", err)
	}
	var cfg config
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&cfg); err != nil && len(bytes.TrimSpace(data)) > 0 {
		return config{}, fleet.Invalid(path, "%v", err).WithHint("it has one field, hub: URL")
	}
	return cfg, nil
}

func (p *program) usualConfig() string {
	dir := p.getenv("XDG_CONFIG_HOME")
	if dir == "" {
		dir = filepath.Join(p.getenv("HOME"), ".config")
	}
	return filepath.Join(dir, "muster", "config.yaml")
}
