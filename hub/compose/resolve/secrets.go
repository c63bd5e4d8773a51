package resolve

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/shared/fleet"
)

// takeSecrets reads the values of secrets that are in files or in the environment. The
// document keeps only that there are such secrets: they go to the hub beside it.
func takeSecrets(project *types.Project, environ []string) (map[string][]byte, error) {
	used := map[string]bool{}
	for _, service := range project.Services {
		for _, s := range service.Secrets {
			used[s.Source] = true
		}
	}
	values := map[string][]byte{}
	for key, secret := range project.Secrets {
		if !used[key] || secret.File == "" && secret.Environment == "" {
			continue
		}
		value, err := valueOf(key, secret, environ)
		if err != nil {
			return nil, err
		}
		name := secret.Name
		if name == "" {
			name = key
		}
		if before, twice := values[name]; twice && !slices.Equal(before, value) {
			return nil, fleet.Invalid("secrets."+key, "another secret is called %s, too, and has another value", name).WithHint("give one another name")
		}
		values[name] = value
	}
	for key, secret := range project.Secrets {
		if secret.File != "" || secret.Environment != "" {
			secret.File, secret.Environment, secret.Content, secret.External = "", "", "", true
			project.Secrets[key] = secret
		}
	}
	return values, nil
}

func valueOf(key string, secret types.SecretConfig, environ []string) (value []byte, err error) {
	at := "secrets." + key
	switch {
	case secret.File != "" && secret.Environment != "":
		return nil, fleet.Invalid(at, "is in a file and in the environment").WithHint("leave one of both out")
	case secret.File != "":
		at += ".file"
		if value, err = readBounded(secret.File, fleet.MaxSecret); err != nil {
			return nil, fleet.Invalid(at, "can't be read: %v", err)
		}
	default:
		at += ".environment"
		text, set := variable(environ, secret.Environment, secret.Content)
		if !set {
			return nil, fleet.Invalid(at, "%s is not set in your shell", secret.Environment).WithHint("set it, or name a file by file:, or set the secret by muster secret set and write external: true")
		}
		value = []byte(text)
	}
	switch {
	case len(value) == 0:
		return nil, fleet.Invalid(at, "is empty")
	case len(value) > fleet.MaxSecret:
		return nil, fleet.Invalid(at, "has more than %d bytes", fleet.MaxSecret)
	}
	return value, nil
}

// readBounded reads a file, and at most one byte more than it may have.
func readBounded(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder", path)
	}
	return io.ReadAll(io.LimitReader(file, most+1))
}
