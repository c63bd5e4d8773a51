package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) rebalanceCommand() *cli.Command {
	return &cli.Command{
		Name:      "rebalance",
		Usage:     "move instances to hosts that suit them better",
		ArgsUsage: "[PROJECT|SERVICE]",
		Description: `Nothing moves by itself because a host came or came back. This shows what would be
placed elsewhere now, and why; asks; and then moves one instance after another: what
comes for it has to serve before it leaves, so that nobody notices. Whoever changes a
service meanwhile ends it. What has data stays.

Examples:
   muster rebalance --dry-run       what would move
   muster rebalance shop --wait     the services of a project
   muster rebalance shop/web --yes`,
		Flags: append(waitFlags(), yesFlag(),
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "show what would move, move nothing"},
		),
		BashComplete: p.completeServices,
		Action:       p.with(0, 1, rebalance),
	}
}

func rebalance(ctx context.Context, s *session, args []string) error {
	wanted, err := s.toRebalance(ctx, args)
	if err != nil {
		return err
	}
	dry := s.flags.Bool("dry-run")
	if !dry && !s.mayAgree() {
		return unasked("move instances, or --dry-run to see which")
	}
	wanted.DryRun = true
	result, err := s.hub.Rebalance(ctx, wanted, s.write())
	if err != nil {
		return err
	}
	if nothing := len(result.Plan.Moves) == 0; dry || nothing || !s.json {
		if err := s.printRebalance(result, dry || nothing); err != nil || dry || nothing {
			return err
		}
	}
	if err := s.agree(fmt.Sprintf("Move %s?", instances(len(result.Plan.Moves))), ""); err != nil {
		return err
	}
	wanted.DryRun, wanted.Plan = false, result.Plan.Sum
	if result, err = s.hub.Rebalance(ctx, wanted, s.write()); err != nil {
		return err
	}
	var goals []goal
	seen := map[fleet.ServiceKey]bool{}
	for _, m := range result.Plan.Moves {
		if !seen[m.Service] {
			seen[m.Service] = true
			goals = append(goals, serviceConverged(m.Service, order{}))
		}
	}
	return s.done(ctx, result, goals...)
}

// printRebalance writes what would move; over: that is all there is to say.
func (s *session) printRebalance(result fleet.Result, over bool) error {
	if s.json {
		return s.printJSON(result)
	}
	for _, why := range result.Plan.Warnings {
		s.note("%s", why)
	}
	s.printMoves(result.Plan)
	switch {
	case len(result.Plan.Moves) == 0:
		s.printf("%s\n", result.Message)
	case over:
		s.printf("dry run: nothing was moved\n")
	}
	return nil
}

// toRebalance reads what is meant: a project, a service, or all.
func (s *session) toRebalance(ctx context.Context, args []string) (client.Rebalance, error) {
	if len(args) == 0 {
		return client.Rebalance{}, nil
	}
	if !strings.Contains(args[0], "/") {
		list, err := s.hub.Services(ctx, "")
		if err != nil {
			return client.Rebalance{}, err
		}
		for _, view := range list.Items {
			if view.Key.Project == args[0] {
				return client.Rebalance{Project: args[0]}, nil
			}
		}
	}
	key, err := s.serviceKey(ctx, args[0])
	return client.Rebalance{Service: key}, err
}
