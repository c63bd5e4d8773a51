package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) freezeCommand() *cli.Command {
	return &cli.Command{
		Name:      "freeze",
		Usage:     "leave a service or a host as it is, whatever happens",
		ArgsUsage: "SERVICE|HOST",
		Description: `Write host:NAME where a service has the same name.

Examples:
   muster freeze leaderboard/rank
   muster freeze host:web1`,
		BashComplete: p.completeTargets,
		Action: p.with(1, 1, func(ctx context.Context, s *session, args []string) error {
			return s.setFrozen(ctx, args[0], s.hub.Freeze, client.HostFreeze)
		}),
	}
}

func (p *program) unfreezeCommand() *cli.Command {
	return &cli.Command{
		Name:         "unfreeze",
		Usage:        "end a freeze",
		ArgsUsage:    "SERVICE|HOST",
		BashComplete: p.completeTargets,
		Action: p.with(1, 1, func(ctx context.Context, s *session, args []string) error {
			return s.setFrozen(ctx, args[0], s.hub.Unfreeze, client.HostUnfreeze)
		}),
	}
}

type serviceChange func(context.Context, fleet.ServiceKey, client.Write) (fleet.Result, error)

func (s *session) setFrozen(ctx context.Context, name string, service serviceChange, host client.HostAction) error {
	t, err := s.serviceOrHost(ctx, name)
	if err != nil {
		return err
	}
	var result fleet.Result
	if t.host != "" {
		result, err = s.hub.HostDo(ctx, t.host, host, s.write())
	} else {
		result, err = service(ctx, t.service, s.write())
	}
	if err != nil {
		return err
	}
	return s.printResult(result)
}
