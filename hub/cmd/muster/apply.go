package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/hub/compose"
	"github.com/musterhq/muster/hub/compose/resolve"
	"github.com/musterhq/muster/shared/fleet"
)

func waitFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "wait", Aliases: []string{"w"}, Usage: "wait until the fleet is there"},
		&cli.DurationFlag{Name: "timeout", Value: 5 * time.Minute, Usage: "give up waiting after `TIME`"},
	}
}

func (p *program) applyCommand() *cli.Command {
	return &cli.Command{
		Name:  "apply",
		Usage: "make the fleet what a Compose file says",
		Description: `Reads compose.yaml (or compose.yml, docker-compose.yml), resolves it here and
hands it to the hub, which answers with what changes. Services that the file
does not have stay, unless you say --prune.

` + composeHelp + `

Examples:
   muster apply --dry-run           show what would change
   muster apply --wait              apply, and wait until all of it is ready
   muster apply -f stack.yaml -f production.yaml -p shop
   muster apply -f stacks/          every project that has a folder there
   muster apply --prune             what the file lacks goes, once you say so`,
		Flags: slices.Concat(composeFlags(), []cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "show the plan, change nothing"},
			pruneFlag(), yesFlag(),
		}, waitFlags()),
		Action: p.with(0, 0, apply),
	}
}

func apply(ctx context.Context, s *session, _ []string) error {
	projects, err := s.composeProjects(ctx, s.flags)
	if err != nil {
		return err
	}
	dry := s.flags.Bool("dry-run")
	if !dry && (len(projects) > 1 || s.flags.Bool("prune") && !s.flags.Bool("yes")) {
		if err := s.tryProjects(ctx, projects); err != nil {
			return err
		}
	}
	var results []fleet.Result
	var goals []goal
	for _, project := range projects {
		result, err := s.applyProject(ctx, project, dry)
		if err != nil {
			return about(project, len(projects), err)
		}
		if !s.json {
			s.printPlan(result, asked(project.Document), dry)
		}
		if results = append(results, result); result.Plan != nil {
			goals = append(goals, planGoals(result)...)
		}
	}
	if s.json {
		if err := s.printResults(results); err != nil {
			return err
		}
	}
	if dry || !s.flags.Bool("wait") || len(goals) == 0 {
		return nil
	}
	return s.wait(ctx, goals...)
}

// tryProjects asks for each project's plan: where the hub refuses one, nothing is
// changed of any, nor where a person doesn't agree to what would be removed.
func (s *session) tryProjects(ctx context.Context, projects []resolve.Result) error {
	removes := false
	for _, project := range projects {
		result, err := s.applyProject(ctx, project, true)
		if err != nil {
			return about(project, len(projects), err)
		}
		if result.Plan == nil || !slices.ContainsFunc(result.Plan.Services, func(c fleet.ServiceChange) bool { return c.Action == fleet.ActionRemove }) {
			continue
		}
		removes = true
		if !s.json && !s.flags.Bool("yes") {
			s.printPlan(result, asked(project.Document), true)
		}
	}
	if !removes {
		return nil
	}
	return s.agree("Apply it, and remove what the file lacks?", "remove what the file lacks, or muster plan --prune to see what that is")
}

// applyProject hands one project to the hub.
func (s *session) applyProject(ctx context.Context, project resolve.Result, dry bool) (fleet.Result, error) {
	return s.hub.Apply(ctx, project.Project, client.Apply{
		Document: string(project.Document),
		DryRun:   dry,
		Prune:    s.flags.Bool("prune"),
		Secrets:  project.Secrets,
	}, s.write())
}

// about says which of several projects an error is about.
func about(project resolve.Result, of int, err error) error {
	if code := fleet.CodeOf(err); of == 1 || code != fleet.CodeInvalid && code != fleet.CodeConflict {
		return err
	}
	var all []error
	for _, e := range compose.Errors(err) {
		named := *e
		named.Path = strings.TrimSuffix(project.Project+": "+e.Path, ": ")
		all = append(all, &named)
	}
	return errors.Join(all...)
}

// printResults writes the one result as it is, or several as a list.
func (s *session) printResults(results []fleet.Result) error {
	if len(results) == 1 {
		return s.printJSON(results[0])
	}
	return s.printJSON(map[string]any{"items": results})
}

// asked is what the document says of its services. The hub maps it too, and
// only the hub's word counts: one that can't be mapped here says nothing.
func asked(document []byte) map[fleet.ServiceKey]fleet.Service {
	project, _ := compose.Map(document)
	services := map[fleet.ServiceKey]fleet.Service{}
	for _, service := range project.Services {
		services[service.Key] = service
	}
	return services
}

// planGoals is what to wait for after an apply: also for what it left
// unchanged, which may not be there yet.
func planGoals(result fleet.Result) []goal {
	var goals []goal
	for _, change := range result.Plan.Services {
		switch change.Action {
		case fleet.ActionRemove:
			goals = append(goals, serviceGone(change.Service))
		case fleet.ActionUnchanged:
			goals = append(goals, serviceConverged(change.Service, order{version: change.Version}))
		default:
			goals = append(goals, serviceConverged(change.Service, order{version: change.Version, revision: result.Revision}))
		}
	}
	return goals
}
