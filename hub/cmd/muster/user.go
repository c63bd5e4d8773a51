package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) userCommand() *cli.Command {
	stdin := &cli.BoolFlag{Name: "password-stdin", Usage: "read the password from standard input"}
	return &cli.Command{
		Name:      "user",
		Usage:     "list users, let them in, and change what they may",
		ArgsUsage: "add|ls|role|passwd|disable|enable|rm",
		Description: `Roles: a viewer sees everything but environments and secrets, an operator changes
what runs, an admin lets in people, programs and hosts.

Examples:
   muster user add ann --role operator
   muster user role ann admin
   muster user passwd`,
		Subcommands: []*cli.Command{
			{
				Name: "add", Usage: "let somebody in", ArgsUsage: "NAME",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "role", Value: string(fleet.RoleViewer), Usage: "`ROLE`: viewer, operator or admin"},
					stdin,
					&cli.BoolFlag{Name: "no-password", Usage: "only API tokens let it in: for programs"},
				},
				Action: p.with(1, 1, addUser), BashComplete: p.completeRoleFlag,
			},
			{Name: "ls", Usage: "list users", Action: p.with(0, 0, listUsers)},
			{Name: "role", Usage: "change what somebody may, from now on", ArgsUsage: "NAME ROLE", Action: p.with(2, 2, setRole), BashComplete: p.completeUserRole},
			{
				Name: "passwd", Usage: "set a password: your own, or as an admin another's", ArgsUsage: "[NAME]",
				Description: "It ends the account's sessions; API tokens stay. With --password-stdin your own\nneeds two lines: the old one and the new one.",
				Flags:       []cli.Flag{stdin}, Action: p.with(0, 1, setPassword), BashComplete: p.completeUsers,
			},
			{Name: "disable", Usage: "let nobody in by an account, from now on", ArgsUsage: "NAME", Action: p.with(1, 1, disableUser), BashComplete: p.completeUsers},
			{Name: "enable", Usage: "let them in again", ArgsUsage: "NAME", Action: p.with(1, 1, enableUser), BashComplete: p.completeUsers},
			{Name: "rm", Usage: "remove an account with its API tokens", ArgsUsage: "NAME", Action: p.with(1, 1, removeUser), BashComplete: p.completeUsers},
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usage("there is no command %q", "user "+c.Args().First()).hint("see muster user --help")
			}
			return cli.ShowSubcommandHelp(c)
		},
	}
}

// said tells that something is done, in words or as JSON.
func (s *session) said(name, format string, args ...any) error {
	if s.json {
		return s.printJSON(map[string]string{"name": name, "message": fmt.Sprintf(format, args...)})
	}
	s.printf(format+"\n", args...)
	return nil
}

func role(text string) (fleet.Role, error) {
	r := fleet.Role(text)
	if r.Validate() != nil {
		return "", usage("there is no role %q", text).hint("there are viewer, operator and admin")
	}
	return r, nil
}

func addUser(ctx context.Context, s *session, args []string) error {
	r, err := role(s.flags.String("role"))
	if err != nil {
		return err
	}
	if err := fleet.ValidateAccount(args[0]); err != nil {
		return err
	}
	password := ""
	if !s.flags.Bool("no-password") {
		read, err := s.secrets(s.flags.Bool("password-stdin"))
		if err != nil {
			return err
		}
		if password, err = read.choose(ctx, "Password of "+args[0]); err != nil {
			return err
		}
	}
	if err := s.hub.AddUser(ctx, args[0], r, password); err != nil {
		return err
	}
	return s.said(args[0], "%s is let in as %s", args[0], r)
}

func listUsers(ctx context.Context, s *session, _ []string) error {
	list, err := s.hub.Users(ctx)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(list)
	}
	if len(list.Items) == 0 {
		s.printf("no users yet: muster user add NAME --role admin\n")
		return nil
	}
	var rows [][]string
	for _, a := range list.Items {
		state := "active"
		switch {
		case a.Disabled:
			state = "disabled"
		case !a.Password && a.Tokens == 0:
			state = "without password or API token"
		case !a.Password:
			state = "without password"
		}
		rows = append(rows, []string{a.Name, string(a.Role), state, strconv.Itoa(a.Sessions), strconv.Itoa(a.Tokens), stamp(a.Created), a.By})
	}
	s.printTable([]column{
		{title: "name", width: 30}, {title: "role"}, {title: "state"}, {title: "sessions", right: true}, {title: "api tokens", right: true},
		{title: "created"}, {title: "by", width: 30},
	}, rows)
	return nil
}

func setRole(ctx context.Context, s *session, args []string) error {
	r, err := role(args[1])
	if err != nil {
		return err
	}
	if err := s.hub.SetRole(ctx, args[0], r); err != nil {
		return err
	}
	return s.said(args[0], "%s is %s now", args[0], r)
}

func setPassword(ctx context.Context, s *session, args []string) error {
	by, err := s.hub.Whoami(ctx)
	if err != nil {
		return err
	}
	name := by.Name
	if len(args) > 0 {
		name = args[0]
	}
	own := name == by.Name && by.Via != fleet.ViaSocket
	if by.Via == fleet.ViaSocket && len(args) == 0 || strings.Contains(name, "/") {
		return usage("say whose password it is: muster user passwd NAME")
	}
	read, err := s.secrets(s.flags.Bool("password-stdin"))
	if err != nil {
		return err
	}
	old := ""
	if own {
		if old, err = read.read(ctx, "Old password"); err != nil {
			return err
		}
	}
	password, err := read.choose(ctx, "New password of "+name)
	if err != nil {
		return err
	}
	if err := s.hub.SetPassword(ctx, name, old, password); err != nil {
		return err
	}
	then := ""
	if own {
		then = ": log in with it, muster login"
	}
	return s.said(name, "%s has a new password, and no session any more%s", name, then)
}

func disableUser(ctx context.Context, s *session, args []string) error {
	if err := s.hub.SetDisabled(ctx, args[0], true); err != nil {
		return err
	}
	return s.said(args[0], "%s is disabled: nobody comes in by it until muster user enable %s", args[0], args[0])
}

func enableUser(ctx context.Context, s *session, args []string) error {
	if err := s.hub.SetDisabled(ctx, args[0], false); err != nil {
		return err
	}
	return s.said(args[0], "%s is let in again", args[0])
}

func removeUser(ctx context.Context, s *session, args []string) error {
	if err := s.hub.RemoveUser(ctx, args[0]); err != nil {
		return err
	}
	return s.said(args[0], "%s is removed, with its API tokens", args[0])
}

func (p *program) completeUsers(c *cli.Context) {
	if c.NArg() == 0 {
		p.complete(c, userWords)
	}
}

func (p *program) completeUserRole(c *cli.Context) {
	switch c.NArg() {
	case 0:
		p.complete(c, userWords)
	case 1:
		p.roleWords()
	}
}

func (p *program) completeRoleFlag(c *cli.Context) {
	if c.IsSet("role") {
		p.roleWords()
	}
}

func (p *program) roleWords() {
	for _, r := range fleet.Roles {
		fmt.Fprintln(p.stdout, r)
	}
}

func userWords(ctx context.Context, s *session) (words []string) {
	list, _ := s.hub.Users(ctx)
	for _, a := range list.Items {
		words = append(words, a.Name)
	}
	slices.Sort(words)
	return words
}
