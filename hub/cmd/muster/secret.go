package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) secretCommand() *cli.Command {
	return &cli.Command{
		Name:  "secret",
		Usage: "list secrets, set and remove them",
		Description: `A secret belongs to a project. Services name it under secrets: in the Compose
file and read it as a file, /run/secrets/NAME. Nobody can read it back.

Examples:
   muster secret set shop/db --file db-password.txt
   openssl rand -hex 32 | muster secret set shop/session-key
   muster secret ls shop
   muster secret rm shop/db`,
		Action: p.with(0, 0, listSecrets),
		Subcommands: []*cli.Command{
			{
				Name: "set", Usage: "set a secret; services that use it get a new version", ArgsUsage: "PROJECT/NAME",
				Description: `The value is what the file or the standard input has, byte for byte, at most
64 KiB. On a terminal it is asked for, and not shown.

Examples:
   muster secret set shop/db --file db-password.txt --wait
   printf %s "$PASSWORD" | muster secret set shop/db`,
				Flags:  append([]cli.Flag{&cli.StringFlag{Name: "file", Aliases: []string{"f"}, Usage: "take the value from `FILE`"}}, waitFlags()...),
				Action: p.with(1, 1, setSecret), BashComplete: p.completeSecrets,
			},
			{Name: "ls", Usage: "list secrets, never their values", ArgsUsage: "[PROJECT]", Action: p.with(0, 1, listSecrets), BashComplete: p.completeProjects},
			{Name: "rm", Usage: "remove a secret that nothing uses", ArgsUsage: "PROJECT/NAME", Action: p.with(1, 1, removeSecret), BashComplete: p.completeSecrets},
		},
	}
}

func setSecret(ctx context.Context, s *session, args []string) error {
	key, err := secretKey(args[0])
	if err != nil {
		return err
	}
	value, err := s.secretValue()
	if err != nil {
		return err
	}
	result, err := s.hub.SetSecret(ctx, key, value, s.write())
	if err != nil {
		return err
	}
	if err := s.printResult(result); err != nil || !s.flags.Bool("wait") {
		return err
	}
	list, err := s.hub.Secrets(ctx, key.Project)
	if err != nil {
		return err
	}
	var goals []goal
	for _, view := range list.Items {
		if view.Key == key {
			for _, service := range view.UsedBy {
				goals = append(goals, serviceConverged(service, order{}))
			}
		}
	}
	return s.wait(ctx, goals...)
}

func secretKey(arg string) (fleet.SecretKey, error) {
	key, err := fleet.ParseSecretKey(arg)
	if err != nil {
		return key, usage("%q is not of the form PROJECT/NAME", arg).hint("see muster secret ls")
	}
	return key, nil
}

// secretValue reads the value that is to be set.
func (s *session) secretValue() ([]byte, error) {
	const way = "name a file by --file, or write the value to the standard input"
	var value []byte
	var err error
	switch file := s.flags.String("file"); {
	case file != "":
		value, err = readBounded(file)
	case s.asks:
		value, err = s.askHidden("Value: ")
	default:
		value, err = io.ReadAll(io.LimitReader(s.stdin, fleet.MaxSecret+1))
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the value: %w", err)
	case len(value) == 0:
		return nil, fleet.Invalid("value", "is empty").WithHint(way)
	case len(value) > fleet.MaxSecret:
		return nil, fleet.Invalid("value", "has more than %d bytes", fleet.MaxSecret)
	}
	if bytes.HasSuffix(value, []byte("\n")) && bytes.Count(value, []byte("\n")) == 1 {
		s.note("note: the value ends with a line break, which belongs to it (printf %%s writes none)")
	}
	return value, nil
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, fleet.MaxSecret+1))
}

func listSecrets(ctx context.Context, s *session, args []string) error {
	project := ""
	if len(args) > 0 {
		project = args[0]
	}
	list, err := s.hub.Secrets(ctx, project)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(list)
	}
	if len(list.Items) == 0 {
		s.printf("no secrets: muster secret set PROJECT/NAME sets one\n")
		return nil
	}
	var rows [][]string
	for _, v := range list.Items {
		rows = append(rows, []string{v.Key.String(), strconv.Itoa(v.Revision), stamp(v.Created), dash(v.Actor), serviceNames(v.UsedBy)})
	}
	s.printTable([]column{{title: "secret", width: 40}, {title: "revision", right: true}, {title: "set"}, {title: "by", width: 20}, {title: "used by", width: 40, prose: true}}, rows)
	return nil
}

func serviceNames(keys []fleet.ServiceKey) string {
	text := ""
	for i, key := range keys {
		if i > 0 {
			text += ", "
		}
		text += key.String()
	}
	return dash(text)
}

func removeSecret(ctx context.Context, s *session, args []string) error {
	key, err := secretKey(args[0])
	if err != nil {
		return err
	}
	result, err := s.hub.RemoveSecret(ctx, key, s.write())
	if err != nil {
		return err
	}
	return s.printResult(result)
}

func (p *program) completeSecrets(c *cli.Context) {
	p.complete(c, func(ctx context.Context, s *session) (words []string) {
		list, _ := s.hub.Secrets(ctx, "")
		for _, view := range list.Items {
			words = append(words, view.Key.String())
		}
		return words
	})
}

func (p *program) completeProjects(c *cli.Context) {
	p.complete(c, func(ctx context.Context, s *session) (words []string) {
		list, _ := s.hub.Secrets(ctx, "")
		for i, view := range list.Items {
			if i == 0 || view.Key.Project != list.Items[i-1].Key.Project {
				words = append(words, view.Key.Project)
			}
		}
		return words
	})
}
