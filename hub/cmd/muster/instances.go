package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) instancesCommand() *cli.Command {
	return &cli.Command{
		Name:      "instances",
		Aliases:   []string{"ps"},
		Usage:     "list instances",
		ArgsUsage: "[SERVICE]",
		Description: `Examples:
   muster instances
   muster instances rank --host web1`,
		Flags:        []cli.Flag{&cli.StringFlag{Name: "host", Usage: "only those on `HOST`"}},
		Action:       p.with(0, 1, listInstances),
		BashComplete: p.completeServices,
	}
}

func listInstances(ctx context.Context, s *session, args []string) error {
	service := ""
	if len(args) > 0 {
		key, err := s.serviceKey(ctx, args[0])
		if err != nil {
			return err
		}
		service = key.String()
	}
	list, err := s.hub.Instances(ctx, service, s.flags.String("host"))
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(list)
	}
	s.printInstances(list.Items, true)
	return nil
}

func (s *session) printInstances(views []fleet.InstanceView, named bool) {
	if len(views) == 0 {
		s.printf("no instances\n")
		return
	}
	columns := []column{{title: "instance"}, {title: "version", right: true}, {title: "host", width: 20}, {title: "state"}, {title: "address", width: 24}, {title: "restarts", right: true}, {title: "why", width: 36, prose: true}}
	if named {
		columns = append([]column{{title: "service"}}, columns...)
	}
	var rows [][]string
	for _, v := range views {
		row := []string{
			v.ID, strconv.Itoa(v.Version), v.Host, s.state(v.State), dash(address(v.Actual)), strconv.Itoa(v.Actual.Restarts), why(v),
		}
		if named {
			row = append([]string{v.Service.String()}, row...)
		}
		rows = append(rows, row)
	}
	s.printTable(columns, rows)
}

// address is where an instance is reached: by one port, or by its host when
// there are several.
func address(a fleet.InstanceActual) string {
	if a.Address == "" || len(a.Ports) == 0 {
		return a.Address
	}
	if len(a.Ports) > 1 {
		return a.Address + " (" + strconv.Itoa(len(a.Ports)) + " ports)"
	}
	for _, port := range a.Ports {
		return a.Address + ":" + strconv.Itoa(port)
	}
	return a.Address
}

// why says what an instance waits for, or why it is not ready.
func why(v fleet.InstanceView) string {
	var parts []string
	if len(v.WaitsFor) > 0 {
		parts = append(parts, "waits for "+strings.Join(v.WaitsFor, ", "))
	}
	if v.Reason != "" {
		parts = append(parts, v.Reason)
	} else if v.Actual.Reason != "" && !v.Ready {
		parts = append(parts, v.Actual.Reason)
	}
	return strings.Join(parts, "; ")
}
