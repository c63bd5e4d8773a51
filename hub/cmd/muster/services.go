package main

import (
	"context"
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
	var rows [][]string
	for _, v := range list.Items {
		rows = append(rows, []string{
			v.Key.String(), s.state(v.State), ratio(v.Ready, v.Desired), strconv.Itoa(v.Version), v.Image, dash(brief(v.Offers)),
		})
	}
	s.printTable([]column{{title: "service"}, {title: "state"}, {title: "ready"}, {title: "version", right: true}, {title: "image", width: 30}, {title: "offered as", width: 30}}, rows)
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
