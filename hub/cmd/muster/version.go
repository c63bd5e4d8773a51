package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/shared/buildinfo"
)

func (p *program) versionCommand() *cli.Command {
	return &cli.Command{
		Name:   "version",
		Usage:  "show the versions of this program and of the hub",
		Action: p.with(0, 0, showVersion),
	}
}

func showVersion(ctx context.Context, s *session, _ []string) error {
	if !s.json {
		s.printf("muster %s\n", buildinfo.String())
	}
	hub, err := s.hub.Version(ctx)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]any{"client": buildinfo.String(), "hub": hub})
	}
	s.printf("hub    %s at %s\n", hub.Version, s.hub.URL())
	return nil
}
