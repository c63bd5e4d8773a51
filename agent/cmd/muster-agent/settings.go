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
	if o.Resources, err = resources(c.StringSlice("resource")); err != nil {
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
	if o.HAProxy, err = balancer(c, "haproxy"); err != nil {
		return o, err
	}
	if o.Nginx, err = balancer(c, "nginx"); err != nil {
		return o, err
	}
	err = o.Validate()
	return o, err
}

// balancer reads the options of a balancer; nil: it isn't asked for.
func balancer(c *cli.Context, driver string) (*agent.BalancerOptions, error) {
	if !c.Bool(driver) {
		return nil, nil
	}
	name := func(rest string) string { return driver + "-" + rest }
	labels, err := labels(name("label"), c.StringSlice(name("label")))
	if err != nil {
		return nil, err
	}
	return &agent.BalancerOptions{
		Name: c.String(name("name")), Binary: c.String(name("binary")), Dir: c.String(name("dir")),
		Bind: c.StringSlice(name("bind")), Address: c.String(name("address")), Labels: labels,
		Retries: c.Int(name("retries")), MaxConn: c.Int(name("maxconn")), HardStop: c.Duration(name("hard-stop")),
	}, nil
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

// resources reads "kind=number" items.
func resources(items []string) (map[string]int, error) {
	named, err := labels("resource", items)
	if err != nil {
		return nil, fleet.Invalid("resource", "not of the form kind=number: %q", items)
	}
	var all map[string]int
	for kind, text := range named {
		count, err := strconv.Atoi(text)
		if err != nil {
			return nil, fleet.Invalid("resource", "%s=%s: %q is not a number", kind, text, text)
		}
		if all == nil {
			all = map[string]int{}
		}
		all[kind] = count
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
