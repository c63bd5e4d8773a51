package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/hub/orders"
	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) commandCommand() *cli.Command {
	return &cli.Command{
		Name:      "command",
		Usage:     "give a command about a host or a service, as one may by MQTT",
		ArgsUsage: "HOST|SERVICE WORDS...",
		Description: `What changes something changes what is asked for: a restart passes the drain
barrier. Questions are asked of the host's agent.

About a host:
` + wordsHelp(orders.Host) + `
About a service:
` + wordsHelp(orders.Service) + `
Where a host and a service have the same name, write host:NAME. Instead of words
the command may be JSON: '{"id":"r1","do":"restart","args":{"service":"rank"}}'.

Examples:
   muster command web1 restart rank
   muster command web1 logs rank 50
   muster command host:web1 check
   muster command shop/rank scale 5 --dry-run
   muster command rank promote --fully --id release-7`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Usage: "say what would be done, and do nothing"},
			&cli.StringFlag{Name: "id", Usage: "`NAME` of this command: a repeat with it does nothing and gets the same result"},
			&cli.StringFlag{Name: "not-after", Usage: "`TIME` after which the hub is to refuse it, like 2026-01-02T15:04:05Z"},
			&cli.BoolFlag{Name: "fully", Usage: "promote: to the rollout's end"},
		},
		Action:       p.with(2, -1, giveCommand),
		BashComplete: p.completeCommand,
	}
}

func wordsHelp(about orders.About) string {
	var out strings.Builder
	for _, w := range orders.Words(about) {
		fmt.Fprintf(&out, "   %-24s %s\n", w.Synopsis(), w.Help)
	}
	return out.String()
}

func giveCommand(ctx context.Context, s *session, args []string) error {
	command := client.Command{Target: args[0], Text: strings.Join(args[1:], " ")}
	if strings.HasPrefix(strings.TrimSpace(command.Text), "{") {
		if !json.Valid([]byte(command.Text)) {
			return usage("the command begins like JSON, and is none")
		}
		command.Order, command.Text = json.RawMessage(command.Text), ""
	}
	flags, err := s.commandFlags(command.Order != nil)
	if err != nil {
		return err
	}
	command.Text += flags
	result, err := s.hub.Command(ctx, command)
	if err != nil {
		return err
	}
	if s.json {
		err = s.printJSON(result)
	} else {
		s.printCommandResult(result)
	}
	if err == nil && !result.OK {
		return &fleet.Error{Code: result.Code, Message: result.Message, Hint: result.Hint}
	}
	return err
}

// commandFlags are those of a command in words.
func (s *session) commandFlags(isJSON bool) (string, error) {
	text := ""
	for _, name := range []string{"dry-run", "fully"} {
		if s.flags.Bool(name) {
			text += " --" + name
		}
	}
	for _, name := range []string{"id", "not-after"} {
		switch value := s.flags.String(name); {
		case strings.ContainsAny(value, " \t\n"):
			return "", usage("--%s %q has a space", name, value)
		case value != "":
			text += " --" + name + " " + value
		}
	}
	if isJSON && text != "" {
		return "", usage("a command as JSON says that itself: leave out%s", text)
	}
	return text, nil
}

func (s *session) printCommandResult(r fleet.CommandResult) {
	if r.Output != "" {
		s.printf("%s\n", strings.TrimSuffix(r.Output, "\n"))
	}
	if r.OK && r.Output != "" {
		s.note("%s", r.Message)
	} else if r.OK {
		s.printf("%s\n", r.Message)
	}
}

// completeCommand has hosts and services, then the commands about the one that
// stands there, then services.
func (p *program) completeCommand(c *cli.Context) {
	given := c.Args().Slice()
	switch {
	case len(given) == 0:
		p.complete(c, hostWords(""), serviceWords)
	case len(given) == 1:
		p.complete(c, func(ctx context.Context, s *session) []string {
			about := orders.Service
			target, err := s.serviceOrHost(ctx, given[0])
			if err != nil {
				return nil
			}
			if target.host != "" {
				about = orders.Host
			}
			var words []string
			for _, w := range orders.Words(about) {
				words = append(words, w.Name)
			}
			return words
		})
	case len(given) == 2:
		if w, _ := orders.Find(orders.Host, given[1]); strings.Contains(w.Takes, "SERVICE") && !strings.Contains(given[0], "/") {
			p.completeServices(c)
		}
	}
}

func (p *program) stopCommand() *cli.Command {
	return &cli.Command{
		Name:      "stop",
		Usage:     "let all instances of services leave; their counts are kept",
		ArgsUsage: "SERVICE...",
		Description: `Instances leave the balancers before they stop. A service stays stopped, whatever
is applied or scaled, until it is started. To stop it on one host only:
muster command HOST stop SERVICE.

Example:
   muster stop rank --wait`,
		Flags: waitFlags(),
		Action: p.with(1, -1, func(ctx context.Context, s *session, args []string) error {
			return s.eachService(ctx, args, func(key fleet.ServiceKey) (fleet.Result, goal, error) {
				result, err := s.hub.Stop(ctx, key, s.write())
				return result, serviceConverged(key, order{}), err
			})
		}),
		BashComplete: p.completeServices,
	}
}

func (p *program) startCommand() *cli.Command {
	return &cli.Command{
		Name:      "start",
		Usage:     "start services that were stopped",
		ArgsUsage: "SERVICE...",
		Description: `What has its data on a host comes back there.

Example:
   muster start rank --wait`,
		Flags: waitFlags(),
		Action: p.with(1, -1, func(ctx context.Context, s *session, args []string) error {
			return s.eachService(ctx, args, func(key fleet.ServiceKey) (fleet.Result, goal, error) {
				result, err := s.hub.Start(ctx, key, s.write())
				return result, serviceConverged(key, order{}), err
			})
		}),
		BashComplete: p.completeServices,
	}
}
