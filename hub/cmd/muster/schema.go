package main

import (
	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/compose"
)

// schemaFile is what muster init calls the schema, and its example names.
const schemaFile = "muster.schema.json"

func (p *program) schemaCommand() *cli.Command {
	return &cli.Command{
		Name:  "schema",
		Usage: "write the JSON schema of Compose files, for editors",
		Description: `What Muster makes of each key is said where the editor shows it; what it leaves out or
refuses is marked as deprecated, with the reason. A hub has the same, of its own release,
at /v1/schema/compose.json. An editor with the YAML language server (VS Code with the
extension YAML) reads it by the first line of a file:

   # yaml-language-server: $schema=muster.schema.json

Example:
   muster schema > muster.schema.json`,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usage("%s takes no arguments", c.Command.HelpName)
			}
			_, err := p.stdout.Write(compose.EditorSchema())
			return err
		},
	}
}
