package main

import (
	_ "embed"
	"fmt"

	"github.com/urfave/cli/v2"
)

//go:embed completion/bash.sh
var bashCompletion string

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:         "completion",
		Usage:        "write a completion script for bash",
		ArgsUsage:    "bash",
		Description:  "Example:\n   source <(muster-hub completion bash)",
		OnUsageError: wrongFlag,
		BashComplete: func(c *cli.Context) { fmt.Fprintln(c.App.Writer, "bash") },
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 || c.Args().First() != "bash" {
				return usageError("muster-hub completion --help", "name a shell: bash")
			}
			fmt.Fprint(c.App.Writer, bashCompletion)
			return nil
		},
	}
}
