package resolve

import (
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/hub/compose"
	"github.com/musterhq/muster/shared/fleet"
)

// inlineConfigs puts into the document what is in the configs that services use.
// Those that nobody uses are left out.
func inlineConfigs(project *types.Project, environ []string) error {
	used := map[string]bool{}
	for _, service := range project.Services {
		for _, c := range service.Configs {
			used[c.Source] = true
		}
	}
	for key, config := range project.Configs {
		if !used[key] {
			delete(project.Configs, key)
			continue
		}
		if config.External || config.File == "" && config.Environment == "" {
			continue
		}
		content, err := configContent("configs."+key, config, environ)
		if err != nil {
			return err
		}
		config.Content, config.File, config.Environment = string(content), "", ""
		project.Configs[key] = config
	}
	return nil
}

func configContent(at string, config types.ConfigObjConfig, environ []string) (content []byte, err error) {
	switch {
	case config.File != "" && config.Environment != "":
		return nil, fleet.Invalid(at, "is in a file and in the environment").WithHint("leave one of both out")
	case config.File != "":
		at += ".file"
		if content, err = readBounded(config.File, fleet.MaxConfig); err != nil {
			return nil, fleet.Invalid(at, "can't be read: %v", err)
		}
	default:
		at += ".environment"
		text, set := variable(environ, config.Environment, config.Content)
		if !set {
			return nil, fleet.Invalid(at, "%s is not set in your shell", config.Environment).WithHint("set it, or name a file by file:, or write it down by content:")
		}
		content = []byte(text)
	}
	if len(content) > fleet.MaxConfig {
		return nil, fleet.Invalid(at, "has more than %d bytes", fleet.MaxConfig).
			WithHint("put it into the image, or on a volume: what travels with a version has to fit into messages")
	}
	return content, nil
}

// variable is the value of a variable of the shell, the last one that is set; else
// what the files have it be, unless that is nothing.
func variable(environ []string, name, otherwise string) (value string, set bool) {
	value, set = otherwise, otherwise != ""
	for _, pair := range environ {
		if key, here, _ := strings.Cut(pair, "="); key == name {
			value, set = here, true
		}
	}
	return value, set
}

// checkDocument refuses what the hub would, and says what takes most of it.
func checkDocument(document []byte, project *types.Project) error {
	if len(document) <= compose.MaxDocument {
		return nil
	}
	e := fleet.Invalid("", "resolved, the document has %d bytes; the limit is %d", len(document), compose.MaxDocument)
	largest, size := "", 0
	for key, config := range project.Configs {
		if n := len(config.Content); n > size || n == size && key < largest {
			largest, size = key, n
		}
	}
	if size > 0 {
		return e.WithHint("the largest config is %s, with %d bytes: put some into images or on volumes, or split the project", largest, size)
	}
	return e.WithHint("split it into several projects")
}
