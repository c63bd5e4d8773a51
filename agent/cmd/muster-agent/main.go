// Command muster-agent runs Muster's agent on a host.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/agent"
	"github.com/musterhq/muster/shared/buildinfo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args, os.Stdout, os.Stderr, program{agent.Run, agent.Join}); err != nil {
		fmt.Fprintln(os.Stderr, "muster-agent:", err)
		os.Exit(1)
	}
}

// program is what the command line can have done.
type program struct {
	start func(context.Context, agent.Options) error
	join  func(context.Context, agent.JoinOptions) (host string, err error)
}

// run reads the settings and does what is asked for with them.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, p program) error {
	app := &cli.App{
		Name:            "muster-agent",
		Usage:           "run what Muster's hub asks this host to run",
		UsageText:       "muster-agent [options]\nmuster-agent [options] join HUB TOKEN",
		Commands:        []*cli.Command{p.joinCommand(stderr)},
		Version:         buildinfo.String(),
		Description:     "Settings come from a file, from the environment (MUSTER_AGENT_…) and from these options; the last one counts.",
		Flags:           flags(),
		HideHelpCommand: true,
		Writer:          stdout,
		ErrWriter:       stderr,
		ExitErrHandler:  func(*cli.Context, error) {}, // main says it
		OnUsageError:    func(_ *cli.Context, err error, _ bool) error { return fmt.Errorf("%w (see muster-agent --help)", err) },
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return fmt.Errorf("%q is not an option (see muster-agent --help)", c.Args().First())
			}
			if err := applyFile(c); err != nil {
				return err
			}
			options, err := options(c, stderr)
			if err != nil {
				return err
			}
			return p.start(c.Context, options)
		},
	}
	err := app.RunContext(ctx, args)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
