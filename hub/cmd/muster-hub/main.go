// Command muster-hub is the hub: it keeps what a fleet should be, tells every
// host its part, and gathers what is.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"
	"github.com/urfave/cli/v2/altsrc"

	"github.com/musterhq/muster/hub"
	"github.com/musterhq/muster/shared/buildinfo"
	"github.com/musterhq/muster/shared/debug"
	"github.com/musterhq/muster/shared/fleet"
)

const defaultConfig = "/etc/muster/hub.yaml"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := app().RunContext(ctx, os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "muster-hub:", err)
		os.Exit(exitCode(err))
	}
}

func app() *cli.App {
	flags := flags()
	return &cli.App{
		Name:    "muster-hub",
		Usage:   "keep a fleet of machines at what was asked for",
		Version: buildinfo.String(),
		Description: "Settings come from the configuration file, then the environment, then flags; the last one given wins.\n" +
			"The file is YAML; its keys are the flags' names.\n\n" + exitCodesHelp,
		Commands:             []*cli.Command{backupCommand(), restoreCommand(), recoverCommand(), completionCommand()},
		EnableBashCompletion: true,
		Flags:                flags,
		Before:               readConfig(flags),
		Action:               run,
		HideHelpCommand:      true,
		OnUsageError:         wrongFlag,
	}
}

func flags() []cli.Flag {
	d := hub.DefaultOptions()
	return []cli.Flag{
		&cli.StringFlag{Name: "config", Usage: "configuration `FILE`", Value: defaultConfig, EnvVars: []string{"MUSTER_HUB_CONFIG"}},
		altsrc.NewStringFlag(&cli.StringFlag{Name: "state-dir", Usage: "`FOLDER` of the hub's store", Value: d.StateDir, EnvVars: []string{"MUSTER_HUB_STATE_DIR"}}),
		altsrc.NewStringFlag(&cli.StringFlag{Name: "mqtts", Usage: "`ADDRESS` where agents and MQTT clients connect", Value: d.MQTTS, EnvVars: []string{"MUSTER_HUB_MQTTS"}}),
		altsrc.NewStringFlag(&cli.StringFlag{Name: "https", Usage: "`ADDRESS` of the HTTP API", Value: d.HTTPS, EnvVars: []string{"MUSTER_HUB_HTTPS"}}),
		altsrc.NewStringSliceFlag(&cli.StringSliceFlag{Name: "name", Usage: "`NAME` or address that the hub is reached at, for its certificate; new hosts are told the first; may be repeated (default: the machine's)", EnvVars: []string{"MUSTER_HUB_NAME"}}),
		altsrc.NewStringFlag(&cli.StringFlag{Name: "tls-cert", Usage: "`FILE` of a certificate, with its chain, to use instead of the hub's own; read again when it changes", EnvVars: []string{"MUSTER_HUB_TLS_CERT"}}),
		altsrc.NewStringFlag(&cli.StringFlag{Name: "tls-key", Usage: "`FILE` of its key", EnvVars: []string{"MUSTER_HUB_TLS_KEY"}}),
		altsrc.NewStringFlag(&cli.StringFlag{Name: "master-key", Usage: "`FILE` of the key that seals what is secret in the store (default: master.key in the state folder)", EnvVars: []string{"MUSTER_HUB_MASTER_KEY"}}),
		altsrc.NewDurationFlag(&cli.DurationFlag{Name: "host-cert-life", Usage: "how long a host's certificate is valid; it is renewed half way", Value: d.HostLife, EnvVars: []string{"MUSTER_HUB_HOST_CERT_LIFE"}}),
		altsrc.NewStringFlag(&cli.StringFlag{Name: "mqtt", Usage: "`ADDRESS` where agents and MQTT clients connect without TLS (default: none)", EnvVars: []string{"MUSTER_HUB_MQTT"}}),
		altsrc.NewStringFlag(&cli.StringFlag{Name: "http", Usage: "`ADDRESS` of the HTTP API without TLS (default: none)", EnvVars: []string{"MUSTER_HUB_HTTP"}}),
		altsrc.NewStringFlag(&cli.StringFlag{Name: "socket", Usage: "`PATH` of the API's socket for root and the group muster on this machine; empty: none", Value: d.Socket, EnvVars: []string{"MUSTER_HUB_SOCKET"}}),
		altsrc.NewDurationFlag(&cli.DurationFlag{Name: "session", Usage: "how long a login lasts", Value: d.Session, EnvVars: []string{"MUSTER_HUB_SESSION"}}),
		altsrc.NewBoolFlag(&cli.BoolFlag{Name: "insecure-listen-without-authentication", Usage: "for --mqtt and --http: listen elsewhere than on loopback, too; anyone who can connect commands the fleet", EnvVars: []string{"MUSTER_HUB_INSECURE_LISTEN_WITHOUT_AUTHENTICATION"}}),
		altsrc.NewBoolFlag(&cli.BoolFlag{Name: "require-store", Usage: "don't make a new store where there is none: its disk may not be mounted", EnvVars: []string{"MUSTER_HUB_REQUIRE_STORE"}}),
		altsrc.NewIntFlag(&cli.IntFlag{Name: "events-kept", Usage: "`NUMBER` of events that the store keeps", Value: d.EventsKept, EnvVars: []string{"MUSTER_HUB_EVENTS_KEPT"}}),
		altsrc.NewDurationFlag(&cli.DurationFlag{Name: "lost-after", Usage: "silence until a host is lost", Value: d.Turn.LostAfter, EnvVars: []string{"MUSTER_HUB_LOST_AFTER"}}),
		altsrc.NewDurationFlag(&cli.DurationFlag{Name: "unknown-for", Usage: "time that hosts have to be heard after the hub's start", Value: d.Turn.UnknownFor, EnvVars: []string{"MUSTER_HUB_UNKNOWN_FOR"}}),
		altsrc.NewDurationFlag(&cli.DurationFlag{Name: "grace", Usage: "time from host lost to placed anew", Value: d.Turn.Grace, EnvVars: []string{"MUSTER_HUB_GRACE"}}),
		altsrc.NewDurationFlag(&cli.DurationFlag{Name: "unreachable-after", Usage: "time until a silent, unreachable balancer isn't waited for", Value: d.Turn.UnreachableAfter, EnvVars: []string{"MUSTER_HUB_UNREACHABLE_AFTER"}}),
		altsrc.NewStringFlag(&cli.StringFlag{Name: "debug-addr", Usage: "`ADDRESS` of metrics and profiles, like 127.0.0.1:6060 (default: none)", EnvVars: []string{"MUSTER_HUB_DEBUG_ADDR"}}),
		altsrc.NewBoolFlag(&cli.BoolFlag{Name: "insecure-debug-without-authentication", Usage: "serve profiles elsewhere than on loopback, to anyone who can connect", EnvVars: []string{"MUSTER_HUB_INSECURE_DEBUG_WITHOUT_AUTHENTICATION"}}),
		altsrc.NewStringFlag(&cli.StringFlag{Name: "log-level", Usage: "debug, info, warn or error", Value: "info", EnvVars: []string{"MUSTER_HUB_LOG_LEVEL"}}),
		altsrc.NewStringFlag(&cli.StringFlag{Name: "log-format", Usage: "text or json", Value: "text", EnvVars: []string{"MUSTER_HUB_LOG_FORMAT"}}),
		&cli.BoolFlag{Name: "without-barrier", Usage: "for tests: stop instances without waiting for balancers", Hidden: true},
		&cli.StringFlag{Name: "failpoint", Usage: "for tests: kill the hub at a point of a turn", Hidden: true, EnvVars: []string{"MUSTER_HUB_FAILPOINT"}},
	}
}

// readConfig fills flags that were given nowhere else from the file. The
// default file may be missing.
func readConfig(flags []cli.Flag) cli.BeforeFunc {
	return func(c *cli.Context) error {
		path := c.String("config")
		if _, err := os.Stat(path); os.IsNotExist(err) && !c.IsSet("config") {
			return nil
		}
		source := func(*cli.Context) (altsrc.InputSourceContext, error) { return altsrc.NewYamlSourceFromFile(path) }
		return altsrc.InitInputSourceWithContext(flags, source)(c)
	}
}

func run(c *cli.Context) error {
	if c.NArg() > 0 {
		return usageError("muster-hub --help", "arguments: %q is not expected", c.Args().First())
	}
	logger, err := newLogger(c.String("log-level"), c.String("log-format"))
	if err != nil {
		return err
	}
	o := hub.DefaultOptions()
	o.StateDir = c.String("state-dir")
	o.MQTTS, o.HTTPS, o.Names = c.String("mqtts"), c.String("https"), c.StringSlice("name")
	o.TLSCert, o.TLSKey, o.MasterKey, o.HostLife = c.String("tls-cert"), c.String("tls-key"), c.String("master-key"), c.Duration("host-cert-life")
	o.MQTT, o.HTTP = c.String("mqtt"), c.String("http")
	o.Socket, o.SocketWanted, o.Session = c.String("socket"), c.IsSet("socket"), c.Duration("session")
	o.InsecureListen = c.Bool("insecure-listen-without-authentication")
	o.RequireStore = c.Bool("require-store")
	o.EventsKept, o.FailPoint, o.Logger = c.Int("events-kept"), c.String("failpoint"), logger
	o.Debug = debug.Options{Addr: c.String("debug-addr"), Insecure: c.Bool("insecure-debug-without-authentication")}
	o.Turn.LostAfter, o.Turn.UnknownFor = c.Duration("lost-after"), c.Duration("unknown-for")
	o.Turn.Grace, o.Turn.UnreachableAfter = c.Duration("grace"), c.Duration("unreachable-after")
	o.Turn.WithoutBarrier = c.Bool("without-barrier")
	o.Config, o.LogLevel, o.LogFormat = c.String("config"), c.String("log-level"), c.String("log-format")
	return hub.Run(c.Context, o)
}

func newLogger(level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fleet.Invalid("log-level", "%q is not debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, options)), nil
	default:
		return nil, fleet.Invalid("log-format", "%q is not text or json", format)
	}
}
