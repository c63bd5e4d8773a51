package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/client"
)

func (p *program) caCommand() *cli.Command {
	return &cli.Command{
		Name:  "ca",
		Usage: "show how others know the hub, and exchange its certificate authority",
		Description: `While the authority is exchanged both are trusted, and hosts renew their
certificates by themselves: nothing is restarted.

Examples:
   muster ca show                  the pin, and which hosts have certificates of which authority
   muster ca show --pem > ca.pem   for mosquitto_sub --cafile, curl --cacert and others
   muster ca rotate                begin: another authority issues, both are trusted
   muster ca rotate --finish       end: only the new one is trusted`,
		Action: p.with(0, 0, showAuthority),
		Subcommands: []*cli.Command{
			{
				Name: "show", Usage: "show the hub's pin and authorities", Action: p.with(0, 0, showAuthority),
				Flags: []cli.Flag{&cli.BoolFlag{Name: "pem", Usage: "write the certificates to trust"}},
			},
			{
				Name: "rotate", Usage: "exchange the certificate authority", Action: p.with(0, 0, rotateAuthority),
				Flags: []cli.Flag{
					&cli.BoolFlag{Name: "finish", Usage: "trust the new authority alone"},
					&cli.BoolFlag{Name: "force", Usage: "also while hosts have no certificate of it: those have to join anew"},
				},
			},
		},
	}
}

func showAuthority(ctx context.Context, s *session, _ []string) error {
	info, err := s.hub.Authority(ctx)
	if err != nil {
		return err
	}
	switch {
	case s.json:
		return s.printJSON(info)
	case s.flags.Bool("pem"):
		s.printf("%s", info.PEM)
		return nil
	}
	return s.printAuthority(info)
}

func (s *session) printAuthority(info client.AuthorityInfo) error {
	s.line("Pin", info.Pin)
	s.printf("\n")
	var rows [][]string
	for _, a := range info.Authorities {
		state := "trusted"
		if a.Signs {
			state = "signs"
		}
		hosts := strings.Join(a.Hosts[:min(len(a.Hosts), 20)], ", ")
		if len(a.Hosts) > 20 {
			hosts += " …"
		}
		rows = append(rows, []string{strconv.Itoa(a.ID), s.state(state), a.NotAfter.Format(time.DateOnly), strconv.Itoa(len(a.Hosts)), dash(hosts)})
	}
	s.printTable([]column{{title: "authority"}, {title: "state"}, {title: "until"}, {title: "hosts", right: true}, {title: "which", width: 60, prose: true}}, rows)
	return nil
}

func rotateAuthority(ctx context.Context, s *session, _ []string) error {
	info, err := s.hub.RotateAuthority(ctx, s.flags.Bool("finish"), s.flags.Bool("force"), s.write())
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(info)
	}
	if s.flags.Bool("finish") {
		s.printf("only the new authority is trusted\n\n")
	} else {
		s.printf("another authority issues from now on, and both are trusted; give its certificate to people and programs\n(muster ca show --pem), wait until all hosts have renewed, and end it with: muster ca rotate --finish\n\n")
	}
	return s.printAuthority(info)
}

func (p *program) aclCommand() *cli.Command {
	return &cli.Command{
		Name:  "acl",
		Usage: "export who may read and write which topics, for another broker",
		Subcommands: []*cli.Command{{
			Name: "export", Usage: "write the list in another broker's form",
			Description: `Example:
   muster acl export --format mosquitto > /etc/mosquitto/muster.acl`,
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "format", Value: "mosquitto", Usage: "whose `FORM`: mosquitto"},
				&cli.StringFlag{Name: "hub-user", Value: "muster.hub", Usage: "the `USER` that the hub is at that broker: none that a host could have"},
			},
			Action: p.with(0, 0, func(ctx context.Context, s *session, _ []string) error {
				list, err := s.hub.ACL(ctx, s.flags.String("format"), s.flags.String("hub-user"))
				if err != nil {
					return err
				}
				_, err = s.stdout.Write(list)
				return err
			}),
		}},
	}
}
