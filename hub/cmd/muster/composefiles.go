package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/compose/resolve"
)

// composeHelp is what the help of each command says that has composeFlags.
const composeHelp = `A FILE of -f may be - for standard input, or a folder: its compose.yaml and override
file, or, where it has none, those in its folders, each a project of its own. Without -f
it is what COMPOSE_FILE names, or compose.yaml here or above.`

// composeFlags are those of every command that reads Compose files; composeProjects
// reads what they name.
func composeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "file", Aliases: []string{"f"}, Usage: "Compose `FILE` or folder, or - for standard input; later ones override earlier ones"},
		&cli.StringFlag{Name: "project", Aliases: []string{"p"}, Usage: "`NAME` of the project, instead of the file's"},
		&cli.StringSliceFlag{Name: "profile", Usage: "with the services of `PROFILE`, too; several times for several (COMPOSE_PROFILES)"},
		&cli.StringSliceFlag{Name: "env-file", Usage: "`FILE` of variables to fill in, instead of .env; later ones override earlier ones (COMPOSE_ENV_FILES)"},
		&cli.StringFlag{Name: "project-directory", Usage: "`FOLDER` that relative paths begin at, instead of the first file's"},
	}
}

// composeProjects resolves the files that the flags name, and says what the operator
// should know of them: one project, or several if a folder of projects is named.
func (p *program) composeProjects(ctx context.Context, flags *cli.Context) ([]resolve.Result, error) {
	results, err := resolve.All(ctx, resolve.Options{
		Files:    flags.StringSlice("file"),
		Dir:      flags.String("project-directory"),
		Project:  flags.String("project"),
		Profiles: flags.StringSlice("profile"),
		EnvFiles: flags.StringSlice("env-file"),
		Environ:  p.environ,
		Stdin:    p.stdin,
	})
	if err != nil {
		return nil, err
	}
	for _, result := range results {
		for _, warning := range result.Warnings {
			if len(results) > 1 {
				warning = result.Project + ": " + warning
			}
			p.note("warning: %s", warning)
		}
	}
	return results, nil
}
