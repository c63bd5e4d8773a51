package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) tokenCommand() *cli.Command {
	return &cli.Command{
		Name:  "token",
		Usage: "let hosts join: make, list and remove join tokens",
		Description: `A token is good for one host and one hour, unless you say otherwise. It names the
hub's key: the new host knows the hub before it says anything secret.

Examples:
   muster token create                         one line to paste on the new host
   muster token create --host web1             that host, also in place of a machine that broke
   muster token create --uses 20 --ttl 8h --label zone=a
   muster token ls
   muster token rm 1f2e3d4c5b6a`,
		Action: p.with(0, 0, listTokens),
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "make a join token, and print the line to paste on the new host",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "host", Usage: "the `HOST` that may join with it, also in the place of a machine that has"},
					&cli.StringSliceFlag{Name: "label", Usage: "`NAME=VALUE` that hosts get which join with it; may be repeated"},
					&cli.IntFlag{Name: "uses", Value: 1, Usage: "how many hosts may join with it"},
					&cli.DurationFlag{Name: "ttl", Value: time.Hour, Usage: "how long it is good for"},
				},
				Action: p.with(0, 0, createToken),
			},
			{Name: "ls", Usage: "list join tokens", Action: p.with(0, 0, listTokens)},
			{Name: "rm", Usage: "make a join token of no use", ArgsUsage: "ID", Action: p.with(1, 1, removeToken), BashComplete: p.completeTokens},
		},
	}
}

func createToken(ctx context.Context, s *session, _ []string) error {
	order := client.TokenOrder{Host: s.flags.String("host"), Uses: s.flags.Int("uses"), TTL: fleet.Duration(s.flags.Duration("ttl"))}
	for _, label := range s.flags.StringSlice("label") {
		name, value, ok := strings.Cut(label, "=")
		if !ok || name == "" {
			return usage("--label %q is not of the form NAME=VALUE", label)
		}
		if order.Labels == nil {
			order.Labels = map[string]string{}
		}
		order.Labels[name] = value
	}
	token, err := s.hub.CreateToken(ctx, order, s.write())
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(token)
	}
	hub := "HUB:PORT"
	if len(token.Names) > 0 {
		hub = token.Names[0]
	}
	s.printf("muster-agent join %s %s\n", hub, token.Token)
	uses := "once"
	if token.Uses > 1 {
		uses = strconv.Itoa(token.Uses) + " times"
	}
	s.note("Paste this line on the new host, as root. It is good %s, until %s.", uses, stamp(token.Expires))
	if len(token.Names) > 1 {
		s.note("Where the host can't reach %s, write another name of the hub there: %s", hub, strings.Join(token.Names[1:min(len(token.Names), 4)], ", "))
	}
	return nil
}

func listTokens(ctx context.Context, s *session, _ []string) error {
	list, err := s.hub.Tokens(ctx)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(list)
	}
	if len(list.Items) == 0 {
		s.printf("no join tokens: muster token create makes one\n")
		return nil
	}
	var rows [][]string
	for _, t := range list.Items {
		state := "good"
		switch {
		case time.Now().After(t.Expires):
			state = "expired"
		case t.Uses == 0:
			state = "used"
		}
		rows = append(rows, []string{t.ID, s.state(state), dash(t.Host), strconv.Itoa(t.Uses), stamp(t.Expires), t.By, dash(strings.Join(t.Joined, ", "))})
	}
	s.printTable([]column{
		{title: "token"}, {title: "state"}, {title: "for", width: 30}, {title: "uses left", right: true}, {title: "expires"}, {title: "by", width: 24}, {title: "joined", width: 40, prose: true},
	}, rows)
	return nil
}

func removeToken(ctx context.Context, s *session, args []string) error {
	if err := s.hub.DeleteToken(ctx, args[0], s.write()); err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]string{"removed": args[0]})
	}
	s.printf("nobody can join with the token %s any more\n", args[0])
	return nil
}

func (p *program) completeTokens(c *cli.Context) {
	p.complete(c, func(ctx context.Context, s *session) []string {
		list, _ := s.hub.Tokens(ctx)
		var words []string
		for _, t := range list.Items {
			words = append(words, t.ID)
		}
		return words
	})
}
