package resolve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/errdefs"
	"github.com/compose-spec/compose-go/v2/types"

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
	// Warnings are things that an operator should know; sorted.
	Warnings []string
}

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
			if value == nil {
				delete(service.Environment, key)
				warnings = append(warnings, fmt.Sprintf("services.%s.environment.%s: not set in your shell, left out", name, key))
			}
		}
		service.Profiles = nil   // those that are not active are gone
		service.LabelFiles = nil // read into labels
		project.Services[name] = service
	}
	document, err := project.MarshalYAML()
	if err != nil {
		return Result{}, fmt.Errorf("write the resolved document: %w", err)
	}
	slices.Sort(warnings)
	return Result{Project: project.Name, Document: document, Warnings: slices.Compact(warnings)}, nil
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
		cli.WithDefaultProfiles(),
		cli.WithInterpolation(true),
		cli.WithResolvedPaths(true),
		cli.WithDiscardEnvFile,
		cli.WithNormalization(false), // it adds what nobody asked for
		cli.WithConsistency(false),   // the hub reports all that is wrong at once
	)
	if err != nil {
		return nil, err
	}
	return options.LoadProject(ctx)
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
