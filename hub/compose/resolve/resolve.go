package resolve

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/shared/fleet"
)

// Options say what to resolve, and with what.
type Options struct {
	// Files in the order in which they override each other; "-" is Stdin, and a folder
	// stands for its Compose file with the override file. Empty: what COMPOSE_FILE
	// names, else compose.yaml, compose.yml, docker-compose.yml or docker-compose.yaml
	// with its override file, in Dir or above it.
	Files []string
	// Dir is where to look, and what relative paths are relative to; empty: the working
	// directory, or the folder of the first file that is named.
	Dir string
	// Project is the project's name; empty: COMPOSE_PROJECT_NAME, what the
	// files say, or the folder's name.
	Project  string
	Profiles []string // empty: COMPOSE_PROFILES
	// EnvFiles have variables to fill in; empty: COMPOSE_ENV_FILES, else .env.
	EnvFiles []string
	Environ  []string // the shell's environment, as os.Environ gives it
	Stdin    io.Reader
}

// Result is a resolved document.
type Result struct {
	Project  string
	Document []byte // YAML; nothing in it is interpolated again
	// Secrets are the values of secrets that the files name by file or environment, by
	// their names in the project. The document doesn't have them.
	Secrets map[string][]byte
	// Warnings are things that an operator should know; sorted.
	Warnings []string
}

// pointInTime is what the library makes of a date without quotes in a file that
// another includes or extends. Those it reads by itself.
var pointInTime = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? [+-]\d{4} \S+$`)

// All resolves what is one project or, where one folder is named that has no Compose
// file of its own, those in its folders. It is all of them or none.
func All(ctx context.Context, o Options) ([]Result, error) {
	each, err := projects(o)
	if err != nil {
		return nil, err
	}
	var all []Result
	from := map[string]string{}
	for _, one := range each {
		result, err := Resolve(ctx, one)
		if err != nil {
			return nil, err
		}
		if len(each) > 1 {
			folder := filepath.Dir(one.Files[0])
			if other, twice := from[result.Project]; twice {
				return nil, fleet.Invalid("name", "%s and %s are both the project %s", other, folder, result.Project).WithHint("give one another name: at the top of its file")
			}
			from[result.Project] = folder
		}
		all = append(all, result)
	}
	return all, nil
}

// Resolve reads the files of one project and everything that they refer to.
func Resolve(ctx context.Context, o Options) (Result, error) {
	var project *types.Project
	g := newGuard()
	warnings, err := listen(func() (err error) {
		project, err = load(ctx, o, g)
		return err
	})
	if err != nil {
		return Result{}, g.explain(err)
	}
	warnings = append(warnings, withoutService(project, o.Profiles)...)
	for name, service := range project.Services {
		for key, value := range service.Environment {
			at := fmt.Sprintf("services.%s.environment.%s: ", name, key)
			switch {
			case value == nil:
				delete(service.Environment, key)
				warnings = append(warnings, at+"not set in your shell, left out")
			case pointInTime.MatchString(*value):
				warnings = append(warnings, at+"is "+*value+"; where a date is meant, write it in quotes")
			}
		}
		service.Profiles = nil   // those that are not active are gone
		service.LabelFiles = nil // read into labels
		project.Services[name] = service
	}
	secrets, err := takeSecrets(project, o.Environ)
	if err != nil {
		return Result{}, err
	}
	if err := inlineConfigs(project, o.Environ); err != nil {
		return Result{}, err
	}
	document, err := project.MarshalYAML()
	if err != nil {
		return Result{}, fmt.Errorf("write the resolved document: %w", err)
	}
	if err := checkDocument(document, project); err != nil {
		return Result{}, err
	}
	slices.Sort(warnings)
	return Result{Project: project.Name, Document: document, Secrets: secrets, Warnings: slices.Compact(warnings)}, nil
}

// withoutService warns of profiles that were asked for and that nothing has.
func withoutService(project *types.Project, profiles []string) (warnings []string) {
	for _, profile := range profiles {
		known := profile == "*"
		for _, service := range project.AllServices() {
			known = known || slices.Contains(service.Profiles, profile)
		}
		if !known {
			warnings = append(warnings, "no service has the profile "+profile)
		}
	}
	return warnings
}

func load(ctx context.Context, o Options, g *guard) (*types.Project, error) {
	options, err := cli.NewProjectOptions(o.Files, cli.WithWorkingDirectory(o.Dir), cli.WithName(o.Project), cli.WithEnv(o.Environ))
	if err != nil {
		return nil, err
	}
	dir, files, err := find(options, o)
	if err != nil {
		return nil, err
	}
	content, err := readAll(files, o.Stdin)
	if err != nil {
		return nil, err
	}
	if err := g.watch(content, dir, options.Environment); err != nil {
		return nil, err
	}
	details := types.ConfigDetails{WorkingDir: dir, ConfigFiles: content, Environment: options.Environment}
	return loader.LoadWithContext(ctx, details, func(l *loader.Options) {
		if name := cmp.Or(options.Name, options.Environment[consts.ComposeProjectName]); name != "" {
			l.SetProjectName(name, true)
		} else { // unless a file says one
			l.SetProjectName(loader.NormalizeProjectName(filepath.Base(dir)), false)
		}
		l.Profiles = o.Profiles
		if len(o.Profiles) == 0 {
			l.Profiles = list(options.Environment[consts.ComposeProfiles], ",")
		}
		l.SkipNormalization = true    // it adds what nobody asked for
		l.SkipConsistencyCheck = true // the hub reports all that is wrong at once
		loader.WithDiscardEnvFiles(l)
	})
}
