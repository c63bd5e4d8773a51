package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/agent"
)

// maxToken bounds what is read of a token from standard input.
const maxToken = 4 << 10

func (p program) joinCommand(stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name:            "join",
		Usage:           "make this machine a host of a hub",
		ArgsUsage:       "HUB TOKEN",
		HideHelpCommand: true,
		Description: `On the hub's machine, muster token create prints the line to paste here. The token
names the hub's key: nothing secret is sent to another one. The agent's key is made
here and stays here, in the state directory.

A token that is "-" is read from standard input.

Examples:
   muster-agent join hub.example mjt_…
   muster-agent --host-id web1 join 192.0.2.1:8443 - < token`,
		OnUsageError: func(_ *cli.Context, err error, _ bool) error {
			return fmt.Errorf("%w (see muster-agent join --help)", err)
		},
		Action: func(c *cli.Context) error {
			if c.NArg() != 2 {
				return fmt.Errorf("muster-agent join takes a hub and a token (see muster-agent join --help)")
			}
			if err := applyFile(c); err != nil {
				return err
			}
			options, err := options(c, stderr)
			if err != nil {
				return err
			}
			token, err := tokenText(c.Args().Get(1))
			if err != nil {
				return err
			}
			host, err := p.join(c.Context, agent.JoinOptions{Options: options, Address: c.Args().First(), Token: token})
			if err != nil {
				return err
			}
			fmt.Fprintf(c.App.Writer, "joined as %s\n", host)
			return nil
		},
	}
}

func tokenText(arg string) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	raw, err := io.ReadAll(io.LimitReader(os.Stdin, maxToken))
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}
