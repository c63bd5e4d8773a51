package main

import (
	"context"
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

Examples:
   muster apply --dry-run           show what would change
   muster apply --wait              apply, and wait until all of it is ready
   muster apply -f stack.yaml -f production.yaml -p shop`,
		Flags: append([]cli.Flag{
			&cli.StringSliceFlag{Name: "file", Aliases: []string{"f"}, Usage: "Compose `FILE`; later ones override earlier ones"},
			&cli.StringFlag{Name: "project", Aliases: []string{"p"}, Usage: "`NAME` of the project, instead of the file's"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "show the plan, change nothing"},
			&cli.BoolFlag{Name: "prune", Usage: "remove services of the project that the file lacks"},
		}, waitFlags()...),
		Action: p.with(0, 0, apply),
	}
}

func apply(ctx context.Context, s *session, _ []string) error {
	resolved, err := resolve.Resolve(ctx, resolve.Options{
		Files:   s.flags.StringSlice("file"),
		Project: s.flags.String("project"),
		Environ: s.environ,
	})
	if err != nil {
		return err
	}
	for _, warning := range resolved.Warnings {
		s.note("warning: %s", warning)
	}
	dry := s.flags.Bool("dry-run")
	result, err := s.hub.Apply(ctx, resolved.Project, client.Apply{
		Document: string(resolved.Document),
		DryRun:   dry,
		Prune:    s.flags.Bool("prune"),
		Secrets:  resolved.Secrets,
	}, s.write())
	if err != nil {
		return err
	}
	if s.json {
		if err := s.printJSON(result); err != nil {
			return err
		}
	} else {
		s.printPlan(result, asked(resolved.Document))
	}
	if dry || !s.flags.Bool("wait") || result.Plan == nil {
		return nil
	}
	return s.wait(ctx, planGoals(result)...)
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
