package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/urfave/cli/v2"
	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/hub/compose"
	"github.com/musterhq/muster/shared/fleet"
)

//go:embed example/compose.yaml
var exampleFile string

func (p *program) initCommand() *cli.Command {
	return &cli.Command{
		Name:      "init",
		Usage:     "write a commented example of a Compose file, to begin with",
		ArgsUsage: "[FOLDER]",
		Description: `Writes compose.yaml, and beside it muster.schema.json, by which an editor explains and
checks it. Nothing is asked, and nothing that is there is overwritten without --force.

Examples:
   muster init
   muster init --name shop --image registry.example.com/shop:1 --port 8080 shop`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "name", Usage: "`NAME` of the project (default: the folder's)"},
			&cli.StringFlag{Name: "image", Value: "nginx:1.27", Usage: "`IMAGE` of its service"},
			&cli.IntFlag{Name: "port", Value: 80, Usage: "`PORT` that the image listens on"},
			&cli.IntFlag{Name: "listen", Value: 8000, Usage: "`PORT` that clients use, on the balancers"},
			&cli.BoolFlag{Name: "force", Usage: "overwrite what is there"},
		},
		Action: p.initialize,
	}
}

func (p *program) initialize(c *cli.Context) error {
	if c.NArg() > 1 {
		return usage("%s is called as: %s", c.Command.HelpName, synopsis(c.Command))
	}
	dir, err := filepath.Abs(c.Args().First())
	if err != nil {
		return err
	}
	content, err := example(c, dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	path := filepath.Join(dir, "compose.yaml")
	if err := writeNew(path, []byte(content), c.Bool("force")); err != nil {
		return err
	}
	err = writeNew(filepath.Join(dir, schemaFile), compose.EditorSchema(), c.Bool("force"))
	if fleet.CodeOf(err) == fleet.CodeConflict {
		err = nil // it is there
	}
	if err == nil {
		fmt.Fprintf(p.stdout, "wrote %s\nnext: muster config to check it, muster apply --wait to run it\n", path)
	}
	return err
}

// example is the file, filled in.
func example(c *cli.Context, dir string) (string, error) {
	name := c.String("name")
	if name == "" {
		name = loader.NormalizeProjectName(filepath.Base(dir))
	}
	if err := fleet.ValidateProject(name); err != nil {
		return "", usage("%q is not a project's name", name).hint("use 1 to 63 of a-z, 0-9, '_' and '-', by --name")
	}
	if strings.ContainsAny(c.String("image"), " \t\n\"'#") || c.String("image") == "" {
		return "", usage("%q is not an image", c.String("image"))
	}
	for _, flag := range []string{"port", "listen"} {
		if port := c.Int(flag); port < 1 || port > 65535 {
			return "", usage("--%s %d is not a port", flag, port)
		}
	}
	return strings.NewReplacer(
		"PROJECT", scalar(name), "IMAGE", scalar(c.String("image")), "TARGET", strconv.Itoa(c.Int("port")), "LISTEN", strconv.Itoa(c.Int("listen")),
	).Replace(exampleFile), nil
}

// scalar is a text as a Compose file has it: in quotes where it would be something else.
func scalar(text string) string {
	raw, err := yaml.Marshal(text)
	if err != nil {
		panic("encode a text: " + err.Error())
	}
	return strings.TrimSpace(string(raw))
}

// writeNew writes a file that isn't there yet, or, by force, in any case.
func writeNew(path string, content []byte, force bool) error {
	how := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		how = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	file, err := os.OpenFile(path, how, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fleet.Conflict("", "%s is there already", path).WithHint("name another folder, or overwrite it by --force")
	}
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Close())
}
