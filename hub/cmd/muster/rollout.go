package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

// verbs are what can be said of a rollout, in the order of the help.
var verbs = []string{
	"status", "watch", string(client.RolloutPromote), string(client.RolloutPause), string(client.RolloutResume), string(client.RolloutAbort), string(client.RolloutRetry),
}

func (p *program) rolloutCommand() *cli.Command {
	return &cli.Command{
		Name:      "rollout",
		Usage:     "show, watch and steer the move of a service to another version",
		ArgsUsage: "SERVICE [" + strings.Join(verbs, "|") + "]",
		Description: `status    what it is at, and both versions side by side (the default)
watch     a line for each change until it is over; the exit code is 0 when it
          succeeded, 6 when it was taken back or paused for a failure, 3 when a
          newer one superseded it or --timeout passed
promote   on to the next step, without waiting for it to be judged; with --fully
          to the end. A failure takes it back all the same
pause     keep it as it is
resume    let a paused one go on
abort     back to the version that it came from
retry     try again what failed, paused or taken back

An order is for the rollout that was the last one when the command began: if
another has begun meanwhile, nothing is done.

Examples:
   muster rollout rank
   muster rollout rank watch --timeout 10m
   muster rollout rank promote --fully`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "fully", Usage: "promote: to the end, without any further step"},
			&cli.DurationFlag{Name: "timeout", Usage: "watch: give up after `TIME` (default: never)"},
		},
		Action:       p.with(1, 2, rollout),
		BashComplete: p.completeRollout,
	}
}

func rollout(ctx context.Context, s *session, args []string) error {
	service, verb, err := rolloutWords(args)
	if err != nil {
		return err
	}
	if s.flags.IsSet("fully") && verb != string(client.RolloutPromote) {
		return usage("--fully is only for promote")
	}
	if s.flags.IsSet("timeout") && verb != "watch" {
		return usage("--timeout is only for watch")
	}
	key, err := s.serviceKey(ctx, service)
	if err != nil {
		return err
	}
	switch verb {
	case "status":
		return s.rolloutStatus(ctx, key)
	case "watch":
		return s.watchRollout(ctx, key)
	default:
		return s.orderRollout(ctx, key, client.RolloutAction(verb))
	}
}

// rolloutWords tells the service from what is to be done. The service comes
// first; the other order is understood too.
func rolloutWords(args []string) (service, verb string, err error) {
	switch {
	case len(args) == 1 && slices.Contains(verbs, args[0]):
		return "", "", usage("of which service? muster rollout SERVICE %s", args[0]).hint("see muster services")
	case len(args) == 1:
		return args[0], "status", nil
	case slices.Contains(verbs, args[1]):
		return args[0], args[1], nil
	case slices.Contains(verbs, args[0]):
		return args[1], args[0], nil
	}
	return "", "", usage("%q is none of %s", args[1], strings.Join(verbs, ", ")).hint("see muster rollout --help")
}

// orderRollout orders something about the rollout that is the last one now.
func (s *session) orderRollout(ctx context.Context, key fleet.ServiceKey, action client.RolloutAction) error {
	seen, err := s.hub.Rollout(ctx, key)
	if err != nil {
		return err
	}
	order := client.RolloutOrder{Rollout: seen.ID, Fully: s.flags.Bool("fully")}
	result, err := s.hub.RolloutDo(ctx, key, action, order, s.write())
	if err != nil {
		return hinted(err, "see muster rollout "+key.String())
	}
	return s.printResult(result)
}

// hinted adds a way out to a refusal that has none.
func hinted(err error, hint string) error {
	var explained *fleet.Error
	if errors.As(err, &explained) && explained.Hint == "" && exitCode(err) == exitRefused {
		return explained.WithHint("%s", hint)
	}
	return err
}

func (s *session) rolloutStatus(ctx context.Context, key fleet.ServiceKey) error {
	view, err := s.hub.Rollout(ctx, key)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(view)
	}
	s.printRollout(view)
	return nil
}
