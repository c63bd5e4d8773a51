package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) hostMaintenance() *cli.Command {
	return &cli.Command{
		Name: "maintenance", Usage: "work on a host: place nothing there, and let nothing follow from its silence", ArgsUsage: "HOST",
		Description: `What the host runs stays there, also while it is off, and nobody is told that it is
lost; balancers stop sending to what they don't reach, as ever. With --drain its
instances move away first. It ends by muster host activate HOST, or with --for by
itself: who isn't back then is lost from then on.

Examples:
   muster host maintenance web2 --for 2h --reason "disk swap"
   muster host maintenance web2 --drain --wait`,
		Flags: append(waitFlags(),
			&cli.DurationFlag{Name: "for", Usage: "how long, like `2h`; without it, until it is activated"},
			&cli.StringFlag{Name: "reason", Usage: "`WHY`, for those who wonder"},
			&cli.BoolFlag{Name: "drain", Usage: "move its instances away, too"},
		),
		BashComplete: p.completeHosts,
		Action:       p.with(1, 1, maintainHost),
	}
}

func maintainHost(ctx context.Context, s *session, args []string) error {
	id := hostID(args[0])
	drain := s.flags.Bool("drain")
	result, err := s.hub.MaintainHost(ctx, id, client.Maintenance{
		For: fleet.Duration(s.flags.Duration("for")), Reason: s.flags.String("reason"), Drain: drain,
	}, s.write())
	if err != nil {
		return err
	}
	if !drain {
		return s.printResult(result)
	}
	return s.done(ctx, result, hostEmpty(id))
}

// maintenance says how long a host's lasts, and why.
func maintenance(m *fleet.MaintenanceView) string {
	text := "since " + stamp(m.Since) + ", until it is activated"
	if !m.Until.IsZero() {
		text = "since " + stamp(m.Since) + ", until " + stamp(m.Until)
	}
	if m.Reason != "" {
		text += " (" + m.Reason + ")"
	}
	if m.Actor != "" {
		text += ", by " + m.Actor
	}
	return text
}
