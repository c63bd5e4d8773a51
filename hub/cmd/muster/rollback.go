package main

import (
	"context"

	"github.com/urfave/cli/v2"
)

func (p *program) rollbackCommand() *cli.Command {
	return &cli.Command{
		Name:      "rollback",
		Usage:     "go back to an older version of a service",
		ArgsUsage: "SERVICE",
		Description: `It is a rollout like any other, only backwards; where the old instances are
still kept, they take the traffic at once. The count stays as it is, and the
Compose file too: apply it again, and the newer version comes again.

Examples:
   muster rollback rank --wait
   muster rollback rank --to 3`,
		Flags: append([]cli.Flag{
			&cli.IntFlag{Name: "to", Usage: "`VERSION` to go back to (default: the one before the current one)"},
		}, waitFlags()...),
		Action:       p.with(1, 1, rollback),
		BashComplete: p.completeRollback,
	}
}

func rollback(ctx context.Context, s *session, args []string) error {
	version := s.flags.Int("to")
	if s.flags.IsSet("to") && version < 1 {
		return usage("--to must be 1 or more").hint("see muster versions " + args[0])
	}
	key, err := s.serviceKey(ctx, args[0])
	if err != nil {
		return err
	}
	result, err := s.hub.Rollback(ctx, key, version, s.write())
	if err != nil {
		return err
	}
	return s.done(ctx, result, serviceConverged(key, order{revision: result.Revision}))
}
