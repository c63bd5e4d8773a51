package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) servicesCommand() *cli.Command {
	return &cli.Command{
		Name:      "services",
		Aliases:   []string{"ls"},
		Usage:     "list services, what was asked for beside what is",
		ArgsUsage: "[PROJECT]",
		Description: `Examples:
   muster services
   muster services shop -o json`,
		Action: p.with(0, 1, listServices),
	}
}

func listServices(ctx context.Context, s *session, args []string) error {
	project := ""
	if len(args) > 0 {
		project = args[0]
	}
	list, err := s.hub.Services(ctx, project)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(list)
	}
	if len(list.Items) == 0 {
		s.printf("no services yet: muster apply -f compose.yaml\n")
		return nil
	}
	s.printServices(list.Items)
	for _, v := range list.Items {
		for _, reason := range v.Reasons {
			s.printf("\n%s: %s", v.Key, reason)
		}
	}
	if anyReason(list.Items) {
		s.printf("\n")
	}
	return nil
}

// printServices writes a table, with a column for rollouts while one is under way.
func (s *session) printServices(views []fleet.ServiceView) {
	columns := []column{{title: "service"}, {title: "state"}, {title: "ready"}, {title: "version", right: true}, {title: "image", width: 30}, {title: "offered as", width: 30}}
	moving := slices.ContainsFunc(views, underWay)
	if moving {
		columns[4].width = 22
		columns = slices.Insert(columns, 4, column{title: "rollout", width: 20, prose: true})
	}
	var rows [][]string
	for _, v := range views {
		row := []string{
			v.Key.String(), s.state(v.State), ratio(v.Ready, v.Desired), strconv.Itoa(v.Version), v.Image, dash(brief(v.Offers)),
		}
		if moving {
			row = slices.Insert(row, 4, s.rolloutCell(v))
		}
		rows = append(rows, row)
	}
	s.printTable(columns, rows)
}

func underWay(v fleet.ServiceView) bool { return v.Rollout != nil && !v.Rollout.Over() }

func (s *session) rolloutCell(v fleet.ServiceView) string {
	if !underWay(v) {
		return "-"
	}
	r := v.Rollout
	return fmt.Sprintf("%d -> %d %s%s", r.From, r.To, s.state(r.State), reasonOf(r))
}

func anyReason(views []fleet.ServiceView) bool {
	for _, v := range views {
		if len(v.Reasons) > 0 {
			return true
		}
	}
	return false
}

func ratio(part, whole int) string { return strconv.Itoa(part) + "/" + strconv.Itoa(whole) }

// brief shortens a list to its first two.
func brief(items []string) string {
	if len(items) <= 2 {
		return strings.Join(items, "\n")
	}
	return strings.Join(items[:2], "\n") + "\nand " + strconv.Itoa(len(items)-2) + " more"
}
