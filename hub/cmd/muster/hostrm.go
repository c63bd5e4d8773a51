package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) hostRemove() *cli.Command {
	return &cli.Command{
		Name: "rm", Usage: "take a host out of the fleet for good", ArgsUsage: "HOST",
		Description: `Asks first; where there is nobody to ask, say --yes. Its instances leave the balancers and move away; then its balancers drop what they
serve, its agent is told to leave, and the hub forgets it. Until its agent was told,
muster host activate HOST takes it back.

Examples:
   muster host rm web2 --wait       its containers are stopped
   muster host rm web2 --keep       they go on there, as nobody's
   muster host rm web2 --force      it is dead: nobody waits for its agent`,
		Flags: append(waitFlags(), yesFlag(),
			&cli.BoolFlag{Name: "stop", Usage: "stop its containers, once no balancer sends to them (the default)"},
			&cli.BoolFlag{Name: "keep", Usage: "leave its containers running: the fleet doesn't care for them any more"},
			&cli.BoolFlag{Name: "force", Usage: "it is dead: forget it without its agent"},
			&cli.BoolFlag{Name: "data-lost", Usage: "what has its data there starts elsewhere, with empty volumes"},
			&cli.BoolFlag{Name: "unserved", Usage: "also where its balancer is the last one of a service"},
		),
		BashComplete: p.completeHosts,
		Action:       p.with(1, 1, removeHost),
	}
}

func removeHost(ctx context.Context, s *session, args []string) error {
	id := hostID(args[0])
	removal := client.HostRemoval{
		Policy: fleet.LeaveStop, Force: s.flags.Bool("force"), DataLost: s.flags.Bool("data-lost"), Unserved: s.flags.Bool("unserved"),
	}
	if s.flags.Bool("keep") {
		if removal.Policy = fleet.LeaveKeep; s.flags.Bool("stop") {
			return usage("--keep and --stop can't both be").hint("choose what becomes of its containers")
		}
	}
	if err := s.agree(fmt.Sprintf("Take %s out of the fleet (%s)?", id, removal.Policy), "take it out of the fleet"); err != nil {
		return err
	}
	result, err := s.hub.RemoveHost(ctx, id, removal, s.write())
	if err != nil {
		return err
	}
	return s.done(ctx, result, hostGone(id))
}

// hostGone waits until a host is out of the fleet.
func hostGone(id string) goal {
	return goal{name: id, look: func(ctx context.Context, hub *client.Client) (progress, error) {
		view, err := hub.Host(ctx, id)
		if fleet.CodeOf(err) == fleet.CodeNotFound {
			return progress{done: true, text: "out of the fleet"}, nil
		}
		if err != nil {
			return progress{}, err
		}
		p := progress{text: fmt.Sprintf("%s left", instances(view.Instances)), hint: "see muster host " + id}
		switch {
		case view.Leaving == nil:
			p.stuck, p.text = true, "it stays: somebody has activated it"
		case view.Leaving.Told:
			p.text = "its agent was told to leave"
		}
		moves := func(why string) bool { return !strings.HasPrefix(why, "held: ") }
		p.held = len(view.Reasons) > 0 && !slices.ContainsFunc(view.Reasons, moves)
		for _, why := range view.Reasons {
			p.why = append(p.why, strings.TrimPrefix(why, "held: "))
		}
		return p, nil
	}}
}
