package main

import (
	"context"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/hub/export"
)

func (p *program) exportCommand() *cli.Command {
	return &cli.Command{
		Name: "export", Usage: "write services for a balancer or collector that no agent drives", ArgsUsage: "[SERVICE...]",
		Description: `Names are the same in each format: shop.web.8080 is the port 8080 of shop/web. The hub
has the same over HTTP, for those that fetch it themselves: GET /v1/export/FORMAT, with a
viewer's API token. Nothing waits for who reads this: an instance that leaves may be
stopped before it was seen.

Examples:
   muster lb export --format haproxy > muster.cfg           backends
   muster lb export --format nginx --protocol http shop/web   upstreams
   muster lb export --format prometheus                     targets`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Usage: "`FORMAT`: " + strings.Join(export.Formats(), ", ")},
			&cli.StringFlag{Name: "project", Aliases: []string{"p"}, Usage: "only the services of project `NAME`"},
			&cli.StringFlag{Name: "protocol", Usage: "only ports of `PROTOCOL`: http (with gRPC) or tcp"},
		},
		Action: p.with(0, -1, exportServices), BashComplete: p.completeServices,
	}
}

func exportServices(ctx context.Context, s *session, args []string) error {
	format, protocol := s.flags.String("format"), s.flags.String("protocol")
	if !slices.Contains(export.Formats(), format) {
		return usage("--format %q is none of %s", format, strings.Join(export.Formats(), ", "))
	}
	if !slices.Contains([]string{"", "http", "tcp"}, protocol) {
		return usage("--protocol %q is neither http nor tcp", protocol)
	}
	choice := client.ExportChoice{Project: s.flags.String("project"), Protocol: protocol}
	for _, arg := range args {
		key, err := s.serviceKey(ctx, arg)
		if err != nil {
			return err
		}
		if _, err := s.hub.Service(ctx, key); err != nil { // nothing is exported of one that isn't there
			return err
		}
		choice.Services = append(choice.Services, key)
	}
	document, err := s.hub.Export(ctx, format, choice)
	if err != nil {
		return err
	}
	_, err = s.stdout.Write(document)
	return err
}
