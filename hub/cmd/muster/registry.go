package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) registryCommand() *cli.Command {
	return &cli.Command{
		Name:  "registry",
		Usage: "say who pulls images from registries that want a login",
		Description: `Hosts that run or fetch an image from the registry get the login, encrypted to
them; they use it at each pull and keep it nowhere else.

Examples:
   muster registry set registry.example.com --username deploy < password.txt
   muster registry set docker.io --username ann
   muster registry ls
   muster registry rm registry.example.com`,
		Action: p.with(0, 0, listRegistries),
		Subcommands: []*cli.Command{
			{
				Name: "set", Usage: "set what a registry is told at each pull", ArgsUsage: "HOST",
				Description: `The password is the first line of the standard input. On a terminal it is asked
for, and not shown.

Example:
   muster registry set registry.example.com:5000 --username deploy < password.txt`,
				Flags:  []cli.Flag{&cli.StringFlag{Name: "username", Aliases: []string{"u"}, Usage: "`NAME` of the user"}},
				Action: p.with(1, 1, setRegistry), BashComplete: p.completeRegistries,
			},
			{Name: "ls", Usage: "list registries that there are logins for", Action: p.with(0, 0, listRegistries)},
			{Name: "rm", Usage: "forget what a registry is told", ArgsUsage: "HOST", Action: p.with(1, 1, removeRegistry), BashComplete: p.completeRegistries},
		},
	}
}

func setRegistry(ctx context.Context, s *session, args []string) error {
	host, err := fleet.ParseRegistry(args[0])
	if err != nil {
		return err
	}
	login := fleet.Credentials{Username: s.flags.String("username")}
	if login.Username == "" {
		return usage("name the user: --username NAME").hint("see muster registry set --help")
	}
	var line []byte
	if s.asks {
		line, err = s.askHidden("Password: ")
	} else {
		line, err = io.ReadAll(io.LimitReader(s.stdin, fleet.MaxCredentials))
		line, _, _ = bytes.Cut(line, []byte("\n"))
	}
	if err != nil {
		return fmt.Errorf("read the password: %w", err)
	}
	if login.Password = string(bytes.TrimRight(line, "\r")); login.Password == "" {
		return fleet.Invalid("password", "is empty").WithHint("write it to the standard input, as its first line")
	}
	result, err := s.hub.SetRegistry(ctx, host, login, s.write())
	if err != nil {
		return err
	}
	return s.printResult(result)
}

func listRegistries(ctx context.Context, s *session, _ []string) error {
	list, err := s.hub.Registries(ctx)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(list)
	}
	if len(list.Items) == 0 {
		s.printf("no registries: images are pulled without a login (muster registry set HOST --username NAME)\n")
		return nil
	}
	var rows [][]string
	for _, v := range list.Items {
		rows = append(rows, []string{v.Host, v.Username, strconv.Itoa(v.Revision), stamp(v.Created), dash(v.Actor), serviceNames(v.UsedBy)})
	}
	s.printTable([]column{
		{title: "registry", width: 40}, {title: "username", width: 20}, {title: "revision", right: true}, {title: "set"},
		{title: "by", width: 20}, {title: "used by", width: 40, prose: true},
	}, rows)
	return nil
}

func removeRegistry(ctx context.Context, s *session, args []string) error {
	host, err := fleet.ParseRegistry(args[0])
	if err != nil {
		return err
	}
	result, err := s.hub.RemoveRegistry(ctx, host, s.write())
	if err != nil {
		return err
	}
	return s.printResult(result)
}

func (p *program) completeRegistries(c *cli.Context) {
	p.complete(c, func(ctx context.Context, s *session) (words []string) {
		list, _ := s.hub.Registries(ctx)
		for _, view := range list.Items {
			words = append(words, view.Host)
		}
		return words
	})
}
