package main

import (
	"context"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/shared/fleet"
)

func pruneFlag() cli.Flag {
	return &cli.BoolFlag{Name: "prune", Usage: "remove services of the project that the file lacks"}
}

func (p *program) planCommand() *cli.Command {
	return &cli.Command{
		Name:  "plan",
		Usage: "show what apply would change, and which instances would start, move or stop where",
		Description: `The hub works it out by the decisions that it would take, on a draft of the fleet: as if
whatever starts served at once. Nothing is changed. With --exit-code it ends with 8 if
something would change, and with 0 if nothing would.

` + composeHelp + `

Examples:
   muster plan
   muster plan -f stack.yaml --prune
   muster plan -o json --exit-code`,
		Flags: slices.Concat(composeFlags(), []cli.Flag{
			pruneFlag(), &cli.BoolFlag{Name: "exit-code", Usage: "end with 8 if something would change"},
		}),
		Action: p.with(0, 0, plan),
	}
}

func plan(ctx context.Context, s *session, _ []string) error {
	projects, err := s.composeProjects(ctx, s.flags)
	if err != nil {
		return err
	}
	var results []fleet.Result
	changes := false
	for _, project := range projects {
		result, err := s.applyProject(ctx, project, true)
		if err != nil {
			return about(project, len(projects), err)
		}
		if !s.json {
			s.printPlan(result, asked(project.Document), true)
		}
		results = append(results, result)
		if p := result.Plan; p != nil {
			changed := func(c fleet.ServiceChange) bool { return c.Action != fleet.ActionUnchanged }
			changes = changes || len(p.Secrets) > 0 || slices.ContainsFunc(p.Services, changed)
		}
	}
	if s.json {
		if err := s.printResults(results); err != nil {
			return err
		}
	}
	if changes && s.flags.Bool("exit-code") {
		return errChanges
	}
	return nil
}
