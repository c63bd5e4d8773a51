package main

import (
	"io"
	"log/slog"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/agent"
	"github.com/musterhq/muster/shared/debug"
	"github.com/musterhq/muster/shared/fleet"
)

// options reads the agent's options from all settings.
func options(c *cli.Context, stderr io.Writer) (agent.Options, error) {
	o := agent.DefaultOptions()
	var err error
	if o.Logger, err = logger(c.String("log-level"), c.String("log-format"), stderr); err != nil {
		return o, err
	}
	if o.PortFirst, o.PortLast, err = portRange(c.String("port-range")); err != nil {
		return o, err
	}
	if o.Labels, err = labels("label", c.StringSlice("label")); err != nil {
		return o, err
	}
	o.Host, o.MachineID, o.BootID = c.String("host-id"), c.String("machine-id"), c.String("boot-id")
	o.Hub, o.HubHTTP = c.String("hub"), c.String("hub-http")
	o.InsecurePlaintextHub = c.Bool("insecure-plaintext-hub")
	o.AdoptLineage = c.String("adopt-lineage")
	o.Advertise, o.Engine, o.StateDir = c.String("advertise"), c.String("engine"), c.String("state-dir")
	o.SecretsDir, o.CertificatesDir = c.String("secrets-dir"), c.String("certificates-dir")
	o.FailPoint = c.String("failpoint")
	o.Debug = debug.Options{Addr: c.String("debug-addr"), Insecure: c.Bool("insecure-debug-without-authentication")}
	o.Limits.PruneAbove, o.Limits.PruneTo = c.Int("prune-above"), c.Int("prune-to")
	t := &o.Timing
	t.Brain.Heartbeat, t.Brain.Quarantine = c.Duration("heartbeat"), c.Duration("port-quarantine")
	t.Brain.BackoffMax = c.Duration("backoff-max")
	t.KeepAlive, t.Watchdog = c.Duration("keepalive"), c.Duration("watchdog")
	t.ReconnectMax, t.Resync = c.Duration("reconnect-max"), c.Duration("resync")
	t.ReconnectFirst = min(t.ReconnectFirst, t.ReconnectMax)
	if c.Bool("haproxy") {
		if o.HAProxy, err = haproxy(c); err != nil {
			return o, err
		}
	}
	err = o.Validate()
	return o, err
}

func haproxy(c *cli.Context) (*agent.HAProxyOptions, error) {
	h := agent.DefaultHAProxy()
	var err error
	if h.Labels, err = labels("haproxy-label", c.StringSlice("haproxy-label")); err != nil {
		return nil, err
	}
	h.Name, h.Binary, h.Dir = c.String("haproxy-name"), c.String("haproxy-binary"), c.String("haproxy-dir")
	h.Bind, h.Address = c.StringSlice("haproxy-bind"), c.String("haproxy-address")
	h.Retries, h.MaxConn = c.Int("haproxy-retries"), c.Int("haproxy-maxconn")
	h.HardStop = c.Duration("haproxy-hard-stop")
	return &h, nil
}

// labels reads "name=value" items.
func labels(option string, items []string) (map[string]string, error) {
	if len(items) == 0 {
		return nil, nil
	}
	all := make(map[string]string, len(items))
	for _, item := range items {
		name, value, found := strings.Cut(item, "=")
		if !found || name == "" {
			return nil, fleet.Invalid(option, "%q is not of the form name=value", item)
		}
		all[name] = value
	}
	return all, nil
}

// portRange reads "20000-29999".
func portRange(text string) (first, last int, err error) {
	from, to, _ := strings.Cut(text, "-")
	first, err1 := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	if err1 != nil || err2 != nil {
		return 0, 0, fleet.Invalid("port-range", "%q is not of the form 20000-29999", text)
	}
	return first, last, nil
}

func logger(level, format string, to io.Writer) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, fleet.Invalid("log-level", "%q is none of debug, info, warn and error", level)
	}
	options := &slog.HandlerOptions{Level: least}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(to, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(to, options)), nil
	}
	return nil, fleet.Invalid("log-format", "%q is neither text nor json", format)
}
