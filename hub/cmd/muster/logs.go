package main

import (
	"bufio"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

// Lines of logs that are shown unless others are asked for, and the most there are.
const (
	usualLines = 100
	mostLines  = 10000
)

func (p *program) logsCommand() *cli.Command {
	return &cli.Command{
		Name:      "logs",
		Usage:     "show what a service's instances write, or one instance",
		ArgsUsage: "SERVICE|INSTANCE",
		Description: `Lines of a service begin with the instance that wrote them. With --follow they come as
they are written: instances that come join in, those that go leave, and what is cut off
is taken up again, until Ctrl-C. Nothing is left out, however slowly they are read, but
what the container engine itself has thrown away meanwhile.

Examples:
   muster logs rank
   muster logs 1c-1 -n 500
   muster logs rank --since 10m --timestamps
   muster logs -f rank`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on with what is written"},
			&cli.IntFlag{Name: "number", Aliases: []string{"n", "tail"}, Value: usualLines, Usage: "the last `N` lines of each instance (with --since: all)"},
			&cli.StringFlag{Name: "since", Usage: "only what was written since `TIME`: 10m, or 2026-01-02T15:04:05Z"},
			&cli.BoolFlag{Name: "timestamps", Aliases: []string{"t"}, Usage: "begin each line with when it was written, by its host's clock"},
		},
		Action:       p.with(1, 1, showLogs),
		BashComplete: p.completeLogs,
	}
}

func showLogs(ctx context.Context, s *session, args []string) error {
	q := client.LogQuery{Tail: s.flags.Int("number"), Since: s.flags.String("since"), Timestamps: s.flags.Bool("timestamps")}
	if q.Tail < 1 || q.Tail > mostLines {
		return usage("-n must be 1 to %d", mostLines)
	}
	if q.Since != "" && !s.flags.IsSet("number") {
		if q.Tail = mostLines; s.flags.Bool("follow") {
			q.Tail = 0
		}
	}
	of, err := s.serviceOrInstance(ctx, args[0])
	if err != nil {
		return err
	}
	if s.flags.Bool("follow") {
		return s.followLogs(ctx, of, q)
	}
	stream, err := s.openLogs(ctx, of, q)
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

// written is what has logs: a service, or an instance.
type written struct {
	service  fleet.ServiceKey
	instance string
}

// serviceOrInstance takes a name for a service's, and else for an instance's.
func (s *session) serviceOrInstance(ctx context.Context, name string) (written, error) {
	if strings.Contains(name, "/") {
		key, err := fleet.ParseServiceKey(name)
		return written{service: key}, err
	}
	found, err := s.servicesNamed(ctx, name)
	switch {
	case err != nil:
		return written{}, err
	case len(found) == 1:
		return written{service: found[0]}, nil
	case len(found) == 0:
		return written{instance: name}, nil
	}
	return written{}, ambiguous(name, found)
}

func (s *session) openLogs(ctx context.Context, of written, q client.LogQuery) (io.ReadCloser, error) {
	if of.instance == "" {
		return s.hub.ServiceLogs(ctx, of.service, q)
	}
	stream, err := s.hub.InstanceLogs(ctx, of.instance, q)
	return stream, neither(of, err)
}

// neither says of a name that is nobody's what it could have been.
func neither(of written, err error) error {
	if of.instance != "" && fleet.CodeOf(err) == fleet.CodeNotFound {
		return fleet.NotFound("there is neither a service nor an instance %q", of.instance).WithHint("see muster instances")
	}
	return err
}

// followLogs writes lines as they come, each at once, until there is nothing left that
// could write.
func (s *session) followLogs(ctx context.Context, of written, q client.LogQuery) error {
	out := bufio.NewWriter(s.stdout)
	defer out.Flush()
	away := ""
	follower := client.LogFollower{
		Line: func(line client.LogLine) error {
			away = ""
			if line.Instance != "" {
				fmt.Fprint(out, s.named(line.Instance)+" | ")
			}
			if q.Timestamps && !line.At.IsZero() {
				fmt.Fprint(out, line.Stamp()+" ")
			}
			_, err := fmt.Fprintln(out, line.Text)
			return err
		},
		Rest: func() { out.Flush() },
		Problem: func(err error) {
			if why := err.Error(); why != away {
				away = why
				s.note("muster: interrupted, and going on: %s", why)
			}
		},
	}
	if of.instance != "" {
		if err := s.hub.FollowInstance(ctx, of.instance, q, follower); err != nil {
			return neither(of, err)
		}
		s.note("%s is gone", of.instance)
		return nil
	}
	if err := s.hub.FollowService(ctx, of.service, q, follower); err != nil {
		return err
	}
	s.note("%s is gone", of.service)
	return nil
}

// instanceColors tell instances apart.
var instanceColors = []text.Color{text.FgCyan, text.FgGreen, text.FgYellow, text.FgMagenta, text.FgBlue, text.FgHiCyan, text.FgHiGreen, text.FgHiYellow, text.FgHiMagenta, text.FgHiBlue}

// named is an instance's id in a color that is its own, as far as there are enough.
func (s *session) named(instance string) string {
	if !s.colors {
		return instance
	}
	sum := fnv.New32a()
	_, _ = io.WriteString(sum, instance) // never fails
	return instanceColors[sum.Sum32()%uint32(len(instanceColors))].Sprint(instance)
}
