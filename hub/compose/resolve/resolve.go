package resolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/errdefs"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/hub/compose"
	"github.com/musterhq/muster/shared/fleet"
)

// Options say what to resolve, and with what.
type Options struct {
	// Files in the order in which they override each other. Empty: what
	// COMPOSE_FILE names, else compose.yaml, compose.yml, docker-compose.yml
	// or docker-compose.yaml with its override file, in Dir or above it.
	Files []string
	Dir   string // where to look; empty: the working directory
	// Project is the project's name; empty: COMPOSE_PROJECT_NAME, what the
	// files say, or the folder's name.
	Project string
	Environ []string // the shell's environment, as os.Environ gives it
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

// Resolve reads the files and everything that they refer to.
func Resolve(ctx context.Context, o Options) (Result, error) {
	var project *types.Project
	warnings, err := listen(func() (err error) {
		project, err = load(ctx, o)
		return err
	})
	if err != nil {
		return Result{}, explain(err)
	}
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
	document, err := project.MarshalYAML()
	if err != nil {
		return Result{}, fmt.Errorf("write the resolved document: %w", err)
	}
	slices.Sort(warnings)
	return Result{Project: project.Name, Document: document, Secrets: secrets, Warnings: slices.Compact(warnings)}, nil
}

func load(ctx context.Context, o Options) (*types.Project, error) {
	options, err := cli.NewProjectOptions(o.Files,
		cli.WithWorkingDirectory(o.Dir),
		cli.WithName(o.Project),
		cli.WithEnv(o.Environ),
		cli.WithConfigFileEnv,
		cli.WithDefaultConfigPath,
		cli.WithEnvFiles(),
		cli.WithDotEnv,
	)
	if err != nil {
		return nil, err
	}
	dir, err := options.GetWorkingDir()
	if err != nil {
		return nil, err
	}
	details, err := options.ReadConfigFiles(ctx, dir, options)
	if err != nil {
		return nil, err
	}
	for i, file := range details.ConfigFiles {
		details.ConfigFiles[i].Content = compose.QuoteDates(file.Content)
	}
	details.Environment = options.Environment
	return loader.LoadWithContext(ctx, *details, func(l *loader.Options) {
		if name := cmp.Or(options.Name, options.Environment[consts.ComposeProjectName]); name != "" {
			l.SetProjectName(name, true)
		} else { // unless a file says one
			l.SetProjectName(loader.NormalizeProjectName(filepath.Base(dir)), false)
		}
		for profile := range strings.SplitSeq(options.Environment[consts.ComposeProfiles], ",") {
			l.Profiles = append(l.Profiles, strings.TrimSpace(profile))
		}
		l.SkipNormalization = true    // it adds what nobody asked for
		l.SkipConsistencyCheck = true // the hub reports all that is wrong at once
		loader.WithDiscardEnvFiles(l)
	})
}

// explain makes the library's errors an operator's.
func explain(err error) error {
	if errors.Is(err, errdefs.ErrNotFound) && strings.Contains(err.Error(), "no configuration file") {
		return fleet.NotFound("there is no compose.yaml, compose.yml or docker-compose.yml here or above").
			WithHint("name a file: muster apply -f FILE")
	}
	if said := invalid(err.Error()); said != nil {
		return said
	}
	return &fleet.Error{Code: fleet.CodeInvalid, Message: err.Error()}
}
