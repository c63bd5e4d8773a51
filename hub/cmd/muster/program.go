package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/shared/buildinfo"
)

// program is one run of the command line and what it may touch.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	asks           bool // stdin is a terminal: a person can be asked
	terminal       bool // stdout is one: colors help
}

// run carries out the arguments, the first of which is the program's name,
// and returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	if p.completeValue(args) {
		return exitOK
	}
	app := p.app()
	err := app.RunContext(ctx, arrange(app, args))
	if err != nil {
		p.explain(err)
	}
	return exitCode(err)
}

func (p *program) app() *cli.App {
	app := &cli.App{
		Name:                   "muster",
		Usage:                  "keep a fleet of machines at what you asked for",
		HelpName:               "muster",
		Version:                buildinfo.String(),
		Writer:                 p.stdout,
		ErrWriter:              p.stderr,
		EnableBashCompletion:   true,
		UseShortOptionHandling: false,
		Flags:                  globalFlags(),
		CustomAppHelpTemplate:  cli.AppHelpTemplate + exitCodesHelp,
		ExitErrHandler:         func(*cli.Context, error) {}, // run decides
		OnUsageError:           onUsageError,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usage("there is no command %q", c.Args().First()).hint("see muster --help")
			}
			return cli.ShowAppHelp(c)
		},
	}
	app.Commands = []*cli.Command{
		p.initCommand(), p.applyCommand(), p.planCommand(), p.rebalanceCommand(), p.explainCommand(), p.configCommand(), p.schemaCommand(), p.servicesCommand(), p.serviceCommand(), p.instancesCommand(),
		p.scaleCommand(), p.restartCommand(), p.stopCommand(), p.startCommand(), p.removeCommand(), p.logsCommand(), p.commandCommand(),
		p.versionsCommand(), p.diffCommand(), p.rollbackCommand(), p.rolloutCommand(),
		p.hostsCommand(), p.hostCommand(), p.tokenCommand(), p.caCommand(), p.aclCommand(), p.balancerCommand(), p.eventsCommand(),
		p.secretCommand(), p.registryCommand(),
		p.freezeCommand(), p.unfreezeCommand(), p.pruneCommand(), p.supportCommand(),
		p.loginCommand(), p.logoutCommand(), p.whoamiCommand(), p.userCommand(), p.apiTokenCommand(), p.auditCommand(),
		p.completionCommand(), p.versionCommand(),
	}
	prepare(app.Commands)
	return app
}

// prepare gives every command the same manners.
func prepare(commands []*cli.Command) {
	for _, command := range commands {
		command.OnUsageError = onUsageError
		command.HideHelpCommand = true
		prepare(command.Subcommands)
	}
}

func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "hub", Usage: "`URL` of the hub (MUSTER_HUB; default: where you logged in, or this machine's own)"},
		&cli.StringFlag{Name: "config", Usage: "configuration `FILE` (default ~/.config/muster/config.yaml)"},
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: outputTable, Usage: "`FORMAT`: table or json"},
		&cli.BoolFlag{Name: "no-color", Usage: "write no colors (NO_COLOR)"},
		cli.VersionFlag,
	}
}

func onUsageError(c *cli.Context, err error, _ bool) error {
	wrong := usage("%s", err)
	if name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); unknown {
		wrong = usage("there is no flag %s%s", "--"[:min(len(name), 2)], name)
	}
	return wrong.hint("see " + c.Command.HelpName + " --help")
}

// getenv looks a variable up in the environment that the program was given.
func (p *program) getenv(name string) string {
	for i := len(p.environ) - 1; i >= 0; i-- {
		if key, value, _ := strings.Cut(p.environ[i], "="); key == name {
			return value
		}
	}
	return ""
}

// explain writes an error for a person: what is wrong, and what to do next.
func (p *program) explain(err error) {
	if errors.Is(err, errChanges) {
		return // the plan says so
	}
	if errors.Is(err, errDisagreed) {
		fmt.Fprintln(p.stdout, err)
		return
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(p.stderr, "muster: interrupted")
		return
	}
	for _, line := range sentences(err) {
		fmt.Fprintln(p.stderr, "muster: "+line)
	}
}
