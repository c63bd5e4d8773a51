package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"
	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

// defaultSocket is where a hub on this machine is; MUSTER_HUB_SOCKET names another,
// to the hub as well.
const defaultSocket = "/run/muster/hub.sock"

// config is the operator's configuration file.
type config struct {
	Hub string `yaml:"hub"`
}

// options are those of a client: which hub, and how it and the caller are known.
func (p *program) options(c *cli.Context) (client.Options, error) {
	saved, err := p.readProfile()
	if err != nil {
		return client.Options{}, err
	}
	url, err := p.hubURL(c, saved)
	if err != nil {
		return client.Options{}, err
	}
	o := client.Options{URL: url}
	if !strings.HasPrefix(url, "unix:") {
		if saved.is(url) {
			o.Token, o.CA = saved.Token, []byte(saved.CA)
		}
		if token := p.getenv("MUSTER_TOKEN"); token != "" {
			o.Token = token
		}
	}
	if file := p.getenv("MUSTER_CA_FILE"); file != "" {
		if o.CA, err = os.ReadFile(file); err != nil {
			return o, fmt.Errorf("read MUSTER_CA_FILE: %w", err)
		}
	}
	return o, nil
}

// hubURL finds the hub: --hub, MUSTER_HUB, the configuration file, where somebody
// has logged in, this machine's own.
func (p *program) hubURL(c *cli.Context, saved profile) (string, error) {
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
	if saved.Hub != "" {
		return saved.Hub, nil
	}
	socket := p.getenv("MUSTER_HUB_SOCKET")
	if socket == "" {
		socket = defaultSocket
	}
	if info, err := os.Stat(socket); err == nil && info.Mode().Type() == fs.ModeSocket {
		return "unix://" + socket, nil
	}
	return "", (&fleet.Error{Code: fleet.CodeUnauthenticated, Message: "no hub is named, and none runs on this machine"}).
		WithHint("muster login https://HUB:8443; or name one by --hub or MUSTER_HUB (programs: with MUSTER_TOKEN); or run muster as root on the hub's machine")
}

// readConfig reads the file that was named, or else the usual one, which may
// be missing.
func (p *program) readConfig(path string) (config, error) {
	stated := path != ""
	if !stated {
		path = p.usual("config.yaml")
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

// usual is where a file of this program's is.
func (p *program) usual(name string) string {
	dir := p.getenv("XDG_CONFIG_HOME")
	if dir == "" {
		dir = filepath.Join(p.getenv("HOME"), ".config")
	}
	return filepath.Join(dir, "muster", name)
}
