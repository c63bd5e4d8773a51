package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

// Formats of output.
const (
	outputTable = "table"
	outputJSON  = "json"
)

// session is what one command works with.
type session struct {
	*program
	hub    *client.Client
	flags  *cli.Context
	json   bool
	colors bool
}

// with makes the action of a command that takes from least to most
// arguments; most < 0: any number.
func (p *program) with(least, most int, do func(ctx context.Context, s *session, args []string) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		args := c.Args().Slice()
		if len(args) < least || most >= 0 && len(args) > most {
			return usage("%s is called as: %s", c.Command.HelpName, synopsis(c.Command)).hint("see " + c.Command.HelpName + " --help")
		}
		s, err := p.session(c)
		if err != nil {
			return err
		}
		defer s.hub.Close()
		return do(c.Context, s, args)
	}
}

func synopsis(command *cli.Command) string {
	if command.ArgsUsage == "" {
		return command.HelpName
	}
	return command.HelpName + " " + command.ArgsUsage
}

func (p *program) session(c *cli.Context) (*session, error) {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return nil, err
	}
	o, err := p.options(c)
	if err != nil {
		return nil, err
	}
	hub, err := client.New(o)
	if err != nil {
		return nil, err
	}
	colors := p.terminal && !c.Bool("no-color") && p.getenv("NO_COLOR") == ""
	return &session{program: p, hub: hub, flags: c, json: asJSON, colors: colors}, nil
}

func wantsJSON(c *cli.Context) (bool, error) {
	output := c.String("output")
	if output != outputTable && output != outputJSON {
		return false, usage("--output %q is neither table nor json", output)
	}
	return output == outputJSON, nil
}

// write is how this run asks for one change: sent again, it is the same one.
func (s *session) write() client.Write { return client.Write{Key: rand.Text()} }

func (s *session) printf(format string, args ...any) { fmt.Fprintf(s.stdout, format, args...) }

// note says something beside the output, like progress.
func (p *program) note(format string, args ...any) { fmt.Fprintf(p.stderr, format+"\n", args...) }

func (p *program) printJSON(value any) error {
	encoder := json.NewEncoder(p.stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// printResult says what a change did.
func (s *session) printResult(result fleet.Result) error {
	if s.json {
		return s.printJSON(result)
	}
	s.printf("%s\n", result.Message)
	return nil
}
