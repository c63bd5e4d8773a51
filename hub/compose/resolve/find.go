package resolve

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/consts"

	"github.com/musterhq/muster/shared/fleet"
)

// composeEnvFiles is a variable of Docker Compose's that the library leaves to it.
const composeEnvFiles = "COMPOSE_ENV_FILES"

// find fills in the variables' files and looks for the Compose files: what is beside
// the first may say where the second are.
func find(options *cli.ProjectOptions, o Options) (dir string, files []string, err error) {
	envFiles := o.EnvFiles
	if len(envFiles) == 0 {
		envFiles = list(options.Environment[composeEnvFiles], ",")
	}
	variables := func() error {
		if err := cli.WithEnvFiles(envFiles...)(options); err != nil {
			return err
		}
		for _, file := range options.EnvFiles {
			if err := fits(file); err != nil {
				return err
			}
		}
		return cli.WithDotEnv(options)
	}
	if err := variables(); err != nil {
		return "", nil, err
	}
	if len(options.ConfigPaths) == 0 {
		separator := cmp.Or(options.Environment[consts.ComposePathSeparator], string(filepath.ListSeparator))
		options.ConfigPaths = list(options.Environment[consts.ComposeFilePath], separator)
	}
	one, err := projects(Options{Files: options.ConfigPaths, Dir: o.Dir, Project: o.Project})
	if err != nil {
		return "", nil, err
	}
	if len(one) > 1 {
		return "", nil, fleet.Invalid("", "there are several projects in %s", options.ConfigPaths[0]).WithHint("name one of its folders")
	}
	options.ConfigPaths = one[0].Files
	if o.Dir == "" && len(options.ConfigPaths) > 0 && isStream(options.ConfigPaths[0]) {
		if options.WorkingDir, err = os.Getwd(); err != nil {
			return "", nil, err
		}
	}
	if err := cli.WithDefaultConfigPath(options); err != nil {
		return "", nil, err
	}
	if len(options.ConfigPaths) == 0 {
		return "", nil, fleet.NotFound("there is no compose.yaml, compose.yml or docker-compose.yml here or above").
			WithHint("name a file or folder: -f PATH")
	}
	if err := variables(); err != nil { // those beside the files
		return "", nil, err
	}
	dir, err = options.GetWorkingDir()
	return dir, options.ConfigPaths, err
}

// list takes a list in a variable apart.
func list(text, separator string) []string {
	var items []string
	for item := range strings.SplitSeq(text, separator) {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
