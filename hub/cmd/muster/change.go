package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) scaleCommand() *cli.Command {
	return &cli.Command{
		Name:      "scale",
		Usage:     "set how many instances services have",
		ArgsUsage: "SERVICE=COUNT...",
		Description: `Examples:
   muster scale rank=5
   muster scale shop/web=3 shop/worker=0 --wait`,
		Flags:        waitFlags(),
		Action:       p.with(1, -1, scale),
		BashComplete: p.completeServices,
	}
}

func scale(ctx context.Context, s *session, args []string) error {
	type wish struct {
		name  string
		count int
	}
	var wishes []wish
	for _, arg := range args {
		name, number, _ := strings.Cut(arg, "=")
		count, err := strconv.Atoi(number)
		if err != nil || count < 0 || name == "" {
			return usage("%q is not of the form SERVICE=COUNT", arg).hint("write it like muster scale rank=5")
		}
		wishes = append(wishes, wish{name, count})
	}
	var keys []fleet.ServiceKey
	for _, w := range wishes {
		key, err := s.serviceKey(ctx, w.name)
		if err != nil {
			return err
		}
		keys = append(keys, key)
	}
	var goals []goal
	for i, key := range keys {
		result, err := s.hub.Scale(ctx, key, wishes[i].count, s.write())
		if err != nil {
			return err
		}
		if err := s.printResult(result); err != nil {
			return err
		}
		goals = append(goals, serviceConverged(key, order{}))
	}
	return s.waitIfAsked(ctx, goals)
}

func (p *program) restartCommand() *cli.Command {
	return &cli.Command{
		Name:      "restart",
		Usage:     "replace the instances of services, a few at a time",
		ArgsUsage: "SERVICE...",
		Description: `Instances leave the balancers before they stop, so that nobody notices.

Example:
   muster restart rank --wait`,
		Flags: waitFlags(),
		Action: p.with(1, -1, func(ctx context.Context, s *session, args []string) error {
			return s.eachService(ctx, args, func(key fleet.ServiceKey) (fleet.Result, goal, error) {
				result, err := s.hub.Restart(ctx, key, s.write())
				return result, serviceConverged(key, order{}), err
			})
		}),
		BashComplete: p.completeServices,
	}
}

func (p *program) removeCommand() *cli.Command {
	return &cli.Command{
		Name:      "rm",
		Usage:     "remove services; their named volumes stay",
		ArgsUsage: "SERVICE...",
		Description: `Asks first; where there is nobody to ask, say --yes.

Examples:
   muster rm leaderboard/rank --wait
   muster rm rank board --yes`,
		Flags: append(waitFlags(), yesFlag()),
		Action: p.with(1, -1, func(ctx context.Context, s *session, args []string) error {
			for _, name := range args { // all names are right before anybody is asked
				if _, err := s.serviceKey(ctx, name); err != nil {
					return err
				}
			}
			if err := s.agree("Remove "+strings.Join(args, ", ")+"?", "remove them"); err != nil {
				return err
			}
			return s.eachService(ctx, args, func(key fleet.ServiceKey) (fleet.Result, goal, error) {
				result, err := s.hub.Remove(ctx, key, s.write())
				return result, serviceGone(key), err
			})
		}),
		BashComplete: p.completeServices,
	}
}

// eachService does one change to every service named, once all names are
// known to be right.
func (s *session) eachService(ctx context.Context, names []string, do func(fleet.ServiceKey) (fleet.Result, goal, error)) error {
	var keys []fleet.ServiceKey
	for _, name := range names {
		key, err := s.serviceKey(ctx, name)
		if err != nil {
			return err
		}
		keys = append(keys, key)
	}
	var goals []goal
	for _, key := range keys {
		result, goal, err := do(key)
		if err != nil {
			return err
		}
		if err := s.printResult(result); err != nil {
			return err
		}
		goals = append(goals, goal)
	}
	return s.waitIfAsked(ctx, goals)
}

// done says what a change did, and waits for what is to come of it, if that is asked.
func (s *session) done(ctx context.Context, result fleet.Result, goals ...goal) error {
	if err := s.printResult(result); err != nil {
		return err
	}
	return s.waitIfAsked(ctx, goals)
}

func (s *session) waitIfAsked(ctx context.Context, goals []goal) error {
	if !s.flags.Bool("wait") {
		return nil
	}
	return s.wait(ctx, goals...)
}
