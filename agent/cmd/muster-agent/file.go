package main

import (
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/urfave/cli/v2"
	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/shared/fleet"
)

// maxFile bounds the settings file, in bytes.
const maxFile = 1 << 20

// applyFile sets the options that neither the environment nor the command
// line set from the settings file. Its keys are the options' names; labels
// are a map or a list.
func applyFile(c *cli.Context) error {
	path := c.String("config")
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	if info.Size() > maxFile {
		return fleet.Invalid(path, "it has more than %d bytes", maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	var settings map[string]any
	if err := yaml.Unmarshal(data, &settings); err != nil {
		return fleet.Invalid(path, "not YAML: %v", err)
	}
	known := map[string]bool{}
	for _, flag := range c.App.Flags {
		known[flag.Names()[0]] = true
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if !known[name] || name == "config" || name == "help" || name == "version" {
			return fleet.Invalid(path+": "+name, "there is no such option").WithHint("see muster-agent --help")
		}
		if c.IsSet(name) {
			continue
		}
		values, err := texts(settings[name])
		if err != nil {
			return fleet.Invalid(path+": "+name, "%v", err)
		}
		for _, value := range values {
			if err := c.Set(name, value); err != nil {
				return fleet.Invalid(path+": "+name, "%v", err)
			}
		}
	}
	return nil
}

// texts writes a setting as the command line would have it, once for each of
// a list's values.
func texts(setting any) ([]string, error) {
	switch v := setting.(type) {
	case string, int, bool, float64:
		return []string{fmt.Sprint(v)}, nil
	case []any:
		var all []string
		for _, item := range v {
			one, err := texts(item)
			if err != nil {
				return nil, err
			}
			all = append(all, one...)
		}
		return all, nil
	case map[string]any:
		var all []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			one, err := texts(v[key])
			if err != nil || len(one) != 1 {
				return nil, fmt.Errorf("%s is not a single value", key)
			}
			all = append(all, key+"="+one[0])
		}
		return all, nil
	}
	return nil, fmt.Errorf("%v is not a value for it", setting)
}
