package main

import (
	"context"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) apiTokenCommand() *cli.Command {
	user := &cli.StringFlag{Name: "user", Usage: "`NAME` of the account (default: your own)"}
	return &cli.Command{
		Name:      "api-token",
		Usage:     "let programs in, in the name of an account",
		ArgsUsage: "create|ls|rm",
		Description: `A program gives its token in MUSTER_TOKEN, in the header Authorization: Bearer …,
or as the password of an MQTT client whose user is the account. It may at most
what its account may.

Examples:
   muster api-token create ci --role operator --ttl 720h
   muster api-token ls
   muster api-token rm ci`,
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "make an API token, and print it this once", ArgsUsage: "TOKEN",
				Flags: []cli.Flag{
					user,
					&cli.StringFlag{Name: "role", Value: string(fleet.RoleViewer), Usage: "`ROLE`: at most that of the account"},
					&cli.DurationFlag{Name: "ttl", Usage: "how long it is good, like 720h (default: until it is taken back)"},
				},
				Action: p.with(1, 1, createAPIToken), BashComplete: p.completeRoleFlag,
			},
			{
				Name: "ls", Usage: "list API tokens",
				Flags:  []cli.Flag{user, &cli.BoolFlag{Name: "all", Usage: "everybody's"}},
				Action: p.with(0, 0, listAPITokens),
			},
			{
				Name: "rm", Usage: "take an API token back, from now on", ArgsUsage: "TOKEN",
				Flags: []cli.Flag{user}, Action: p.with(1, 1, removeAPIToken), BashComplete: p.completeAPITokens,
			},
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usage("there is no command %q", "api-token "+c.Args().First()).hint("see muster api-token --help")
			}
			return cli.ShowSubcommandHelp(c)
		},
	}
}

// owner is whose tokens are meant.
func (s *session) owner(ctx context.Context) (string, error) {
	if user := s.flags.String("user"); user != "" {
		return user, nil
	}
	by, err := s.hub.Whoami(ctx)
	if err != nil {
		return "", err
	}
	if by.Via == fleet.ViaSocket {
		return "", usage("say --user NAME: %s on this machine has no account", by.Name)
	}
	name, _, _ := strings.Cut(by.Name, "/")
	return name, nil
}

func createAPIToken(ctx context.Context, s *session, args []string) error {
	r, err := role(s.flags.String("role"))
	if err != nil {
		return err
	}
	owner, err := s.owner(ctx)
	if err != nil {
		return err
	}
	made, err := s.hub.AddAPIToken(ctx, client.NewAPIToken{User: owner, Name: args[0], Role: r, TTL: fleet.Duration(s.flags.Duration("ttl"))})
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(made)
	}
	s.printf("%s\n", made.Token)
	s.note("this is the API token %s/%s (%s, %s); it is shown this once", made.Account, made.Name, made.Role, expiry(made.Expires))
	return nil
}

func expiry(at *time.Time) string {
	if at == nil {
		return "until it is taken back"
	}
	return "until " + stamp(*at)
}

func listAPITokens(ctx context.Context, s *session, _ []string) error {
	owner := ""
	if !s.flags.Bool("all") {
		var err error
		if owner, err = s.owner(ctx); err != nil {
			return err
		}
	}
	list, err := s.hub.APITokens(ctx, owner)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(list)
	}
	if len(list.Items) == 0 {
		s.printf("no API tokens: muster api-token create TOKEN --role viewer\n")
		return nil
	}
	var rows [][]string
	for _, t := range list.Items {
		until, used := "-", "never"
		if t.Expires != nil {
			if until = stamp(*t.Expires); t.Expires.Before(time.Now()) {
				until = "expired " + until
			}
		}
		if t.Used != nil {
			used = stamp(*t.Used) + " from " + t.From
		}
		rows = append(rows, []string{t.Account, t.Name, string(t.Role), until, used, stamp(t.Created)})
	}
	s.printTable([]column{{title: "user", width: 30}, {title: "token", width: 30}, {title: "role"}, {title: "until"}, {title: "used"}, {title: "created"}}, rows)
	return nil
}

func removeAPIToken(ctx context.Context, s *session, args []string) error {
	owner, err := s.owner(ctx)
	if err != nil {
		return err
	}
	if err := s.hub.RemoveAPIToken(ctx, owner, args[0]); err != nil {
		return err
	}
	return s.said(args[0], "the API token %s/%s lets nobody in any more", owner, args[0])
}

func (p *program) completeAPITokens(c *cli.Context) {
	if c.NArg() > 0 {
		return
	}
	p.complete(c, func(ctx context.Context, s *session) (words []string) {
		owner, err := s.owner(ctx)
		if err != nil {
			return nil
		}
		list, _ := s.hub.APITokens(ctx, owner)
		for _, t := range list.Items {
			words = append(words, t.Name)
		}
		return words
	})
}
