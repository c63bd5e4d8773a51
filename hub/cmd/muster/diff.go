package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/shared/fleet"
)

// Beginnings of the paths of differences.
const (
	specPrefix        = "spec."
	environmentPrefix = specPrefix + "environment."
)

func (p *program) diffCommand() *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "compare two kept versions of a service",
		ArgsUsage: "SERVICE [FROM [TO]]",
		Description: `TO is the current version unless you name another, FROM the one before TO.
Variables of the environment are named, their values are not shown.

Examples:
   muster diff rank            what the current version changed
   muster diff rank 3 5`,
		Action:       p.with(1, 3, diff),
		BashComplete: p.completeVersions,
	}
}

func diff(ctx context.Context, s *session, args []string) error {
	numbers := [2]int{}
	for i, arg := range args[1:] {
		number, err := versionNumber(arg)
		if err != nil {
			return err
		}
		numbers[i] = number
	}
	key, err := s.serviceKey(ctx, args[0])
	if err != nil {
		return err
	}
	d, err := s.hub.Diff(ctx, key, numbers[0], numbers[1])
	if err != nil {
		return err
	}
	switch {
	case s.json:
		return s.printJSON(d)
	case d.From == d.To:
		s.printf("%s version %d is compared with itself\n", key, d.From)
	case len(d.Fields) == 0:
		s.printf("versions %d and %d of %s don't differ\n", d.From, d.To, key)
	default:
		s.printf("%s version %d -> %d\n", key, d.From, d.To)
		for _, f := range d.Fields {
			s.printf("    %s\n", difference(f))
		}
	}
	return nil
}

// difference says how one field differs.
func difference(f fleet.FieldChange) string {
	switch hidden := strings.HasPrefix(f.Path, environmentPrefix); {
	case f.From == "" && f.To == "":
		return f.Path + ": differs"
	case hidden && f.From == "":
		return f.Path + ": added"
	case hidden && f.To == "":
		return f.Path + ": removed"
	case hidden:
		return f.Path + ": another value"
	default:
		return f.Path + ": " + none(f.From) + " -> " + none(f.To)
	}
}
