package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/agent"
)

// environment is the variable that stands for an option.
func environment(name string) []string {
	return []string{"MUSTER_AGENT_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))}
}

func text(name, value, usage string) *cli.StringFlag {
	return &cli.StringFlag{Name: name, Value: value, Usage: usage, EnvVars: environment(name)}
}

func list(name, usage string) *cli.StringSliceFlag {
	return &cli.StringSliceFlag{Name: name, Usage: usage, EnvVars: environment(name)}
}

func toggle(name, usage string) *cli.BoolFlag {
	return &cli.BoolFlag{Name: name, Usage: usage, EnvVars: environment(name)}
}

func flags() []cli.Flag {
	d := agent.DefaultOptions()
	t := d.Timing
	all := []cli.Flag{
		text("config", "", "a YAML or JSON `file` with these options by name"),
		text("host-id", "", "this host's `id`: a-z, 0-9 and '-' (default: the one it has joined with, else the machine's name)"),
		text("machine-id", "", "stands for /etc/machine-id, where hosts share a machine"),
		text("boot-id", "", "stands for the kernel's boot id, where hosts share a machine"),
		text("hub", "", "the hub's broker, `mqtts://HOST:PORT` or tcp://HOST:PORT (default: the hub that this host has joined)"),
		text("hub-http", "", "the hub's HTTP `address`, for streams of logs (default: that of the hub)"),
		toggle("insecure-plaintext-hub", "allow a hub elsewhere, though the connection is not encrypted"),
		text("adopt-lineage", "", "follow another hub than before: its `lineage`"),
		text("advertise", "", "the IP `address` that others reach this host's instances at (default: the one towards the hub)"),
		text("engine", "", "the container engine's `address` (default: DOCKER_HOST, or its usual socket)"),
		text("state-dir", d.StateDir, "the `directory` of what the agent remembers"),
		text("secrets-dir", d.SecretsDir, "the `directory` of secrets' files: on a tmpfs, or where one can be mounted"),
		text("certificates-dir", d.CertificatesDir, "the `directory` of the certificates that balancers on this host show: NAME.pem, or NAME/fullchain.pem and NAME/privkey.pem"),
		list("label", "a label of this host, `name=value`; may be repeated"),
		list("resource", "what this host has that only placement counts, `kind=number`, like gpu=2; may be repeated"),
		text("port-range", "20000-29999", "the host `ports` that instances get"),
		&cli.DurationFlag{Name: "heartbeat", Value: t.Brain.Heartbeat, Usage: "time between signs of life", EnvVars: environment("heartbeat")},
		&cli.DurationFlag{Name: "keepalive", Value: t.KeepAlive, Usage: "the link's keepalive, whole seconds", EnvVars: environment("keepalive")},
		&cli.DurationFlag{Name: "watchdog", Value: t.Watchdog, Usage: "the link is renewed when the hub is silent for so long", EnvVars: environment("watchdog")},
		&cli.DurationFlag{Name: "reconnect-max", Value: t.ReconnectMax, Usage: "longest pause before connecting again", EnvVars: environment("reconnect-max")},
		&cli.DurationFlag{Name: "resync", Value: t.Resync, Usage: "time between listings of all containers", EnvVars: environment("resync")},
		&cli.DurationFlag{Name: "port-quarantine", Value: t.Brain.Quarantine, Usage: "how long a released port isn't given away", EnvVars: environment("port-quarantine")},
		&cli.DurationFlag{Name: "backoff-max", Value: t.Brain.BackoffMax, Usage: "longest pause before something that failed is tried again", EnvVars: environment("backoff-max")},
		&cli.IntFlag{Name: "prune-above", Value: d.Limits.PruneAbove, Usage: "images that nothing needs are removed when the engine's disk is fuller than that, in `percent`; 0: never by itself", EnvVars: environment("prune-above")},
		&cli.IntFlag{Name: "prune-to", Value: d.Limits.PruneTo, Usage: "and until it is as full as that, in `percent`", EnvVars: environment("prune-to")},
		text("debug-addr", "", "the `address` of metrics and profiles, like 127.0.0.1:6060 (default: none)"),
		toggle("insecure-debug-without-authentication", "serve profiles elsewhere than on loopback, to anyone who can connect"),
		text("log-level", "info", "debug, info, warn or error"),
		text("log-format", "text", "text or json"),
		&cli.StringFlag{Name: "failpoint", Hidden: true, EnvVars: environment("failpoint"), Usage: "end where it says, for tests: before-save:kill, after-save:kill or after-op:kill"},
	}
	all = append(all, balancerFlags("haproxy", "HAProxy", "HAProxy 2.6 or later",
		"most open connections (default: what the limit of open files allows)", agent.DefaultHAProxy())...)
	return append(all, balancerFlags("nginx", "nginx", "nginx 1.18 or later; from 1.27.4 on its reloads drop nothing",
		"most open connections of each worker, on both sides (default: 16384)", agent.DefaultNginx())...)
}

// balancerFlags are those of a balancer that the agent drives.
func balancerFlags(driver, program, binary, connections string, d agent.BalancerOptions) []cli.Flag {
	name := func(rest string) string { return driver + "-" + rest }
	return []cli.Flag{
		toggle(driver, "drive a "+program+" on this host"),
		text(name("name"), d.Name, "the balancer's `name` on this host"),
		text(name("binary"), d.Binary, binary),
		text(name("dir"), "", "its own `directory`, of at most 72 bytes (default: "+driver+" in the state directory)"),
		list(name("bind"), "an `address` to listen on; may be repeated (default: every IPv4 address)"),
		text(name("address"), "", "the IP `address` that others reach it at (default: the advertised one)"),
		list(name("label"), "a label of the balancer, `name=value`; may be repeated"),
		&cli.IntFlag{Name: name("retries"), Value: d.Retries, Usage: "attempts after a failed connection", EnvVars: environment(name("retries"))},
		&cli.IntFlag{Name: name("maxconn"), Usage: connections, EnvVars: environment(name("maxconn"))},
		&cli.DurationFlag{Name: name("hard-stop"), Value: d.HardStop, Usage: "longest life of an old worker after a reload", EnvVars: environment(name("hard-stop"))},
	}
}
