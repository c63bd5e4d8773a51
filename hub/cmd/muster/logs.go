package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) logsCommand() *cli.Command {
	return &cli.Command{
		Name:      "logs",
		Usage:     "show the last lines of a service's instances, or of one instance",
		ArgsUsage: "SERVICE|INSTANCE",
		Description: `Lines of a service begin with the instance that wrote them.

Examples:
   muster logs rank
   muster logs 1c-1 -n 500`,
		Flags:        []cli.Flag{&cli.IntFlag{Name: "number", Aliases: []string{"n"}, Value: 100, Usage: "the last `N` lines of each instance"}},
		Action:       p.with(1, 1, showLogs),
		BashComplete: p.completeServices,
	}
}

func showLogs(ctx context.Context, s *session, args []string) error {
	tail := s.flags.Int("number")
	if tail < 1 {
		return usage("-n must be 1 or more")
	}
	stream, err := s.openLogs(ctx, args[0], tail)
	if err != nil {
		return err
	}
	defer stream.Close()
	if _, err := io.Copy(s.stdout, stream); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("read the logs: %w", err)
	}
	return nil
}

// openLogs takes a name for a service's, and else for an instance's.
func (s *session) openLogs(ctx context.Context, name string, tail int) (io.ReadCloser, error) {
	if strings.Contains(name, "/") {
		key, err := fleet.ParseServiceKey(name)
		if err != nil {
			return nil, err
		}
		return s.hub.ServiceLogs(ctx, key, tail)
	}
	found, err := s.servicesNamed(ctx, name)
	if err != nil {
		return nil, err
	}
	switch len(found) {
	case 1:
		return s.hub.ServiceLogs(ctx, found[0], tail)
	case 0:
		stream, err := s.hub.InstanceLogs(ctx, name, tail)
		if fleet.CodeOf(err) == fleet.CodeNotFound {
			return nil, fleet.NotFound("there is neither a service nor an instance %q", name).WithHint("see muster instances")
		}
		return stream, err
	}
	return nil, ambiguous(name, found)
}
