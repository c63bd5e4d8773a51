package main

import (
	"bytes"
	"fmt"

	"github.com/urfave/cli/v2"
	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/hub/compose"
	"github.com/musterhq/muster/hub/compose/resolve"
)

func (p *program) configCommand() *cli.Command {
	return &cli.Command{
		Name:  "config",
		Usage: "show what a Compose file resolves to, and check it",
		Description: `Writes the one document that muster apply would hand to the hub: variables filled in,
files merged, paths absolute; values of secrets are left out, and a $ is written as $$, so
that what is written is a Compose file again. Says all that the hub would
refuse, and asks no hub: whether a host suits or a port is free, muster apply --dry-run
and muster plan say.

` + composeHelp + `

Examples:
   muster config
   muster config -q -f stacks/      only check
   muster config -f a.yaml -f b.yaml > all.yaml`,
		Flags: append(composeFlags(), &cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "write only what is wrong"}),
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usage("%s takes no arguments", c.Command.HelpName).hint("name files by -f")
			}
			return p.showConfig(c)
		},
	}
}

func (p *program) showConfig(c *cli.Context) error {
	projects, err := p.composeProjects(c.Context, c)
	if err != nil {
		return err
	}
	for _, project := range projects {
		mapped, err := compose.Map(project.Document)
		if err != nil {
			return about(project, len(projects), err)
		}
		for _, warning := range mapped.Warnings {
			p.note("warning: %s", warning)
		}
	}
	if c.Bool("quiet") {
		return nil
	}
	return p.writeDocuments(c, projects)
}

// writeDocuments writes them as YAML documents one after another, or as JSON.
func (p *program) writeDocuments(c *cli.Context, projects []resolve.Result) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	var trees []any
	for i, project := range projects {
		document := bytes.ReplaceAll(project.Document, []byte("$"), []byte("$$")) // files have their variables filled in
		var tree map[string]any
		if err := yaml.Unmarshal(document, &tree); err != nil {
			return fmt.Errorf("read the resolved document: %w", err)
		}
		trees = append(trees, tree)
		if !asJSON {
			if i > 0 {
				fmt.Fprintln(p.stdout, "---")
			}
			fmt.Fprintf(p.stdout, "%s\n", bytes.TrimSpace(document))
		}
	}
	switch {
	case !asJSON:
		return nil
	case len(trees) == 1:
		return p.printJSON(trees[0])
	}
	return p.printJSON(map[string]any{"items": trees})
}
