package compose

import (
	"context"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// load reads one service by the Compose library, which knows every short
// syntax. It is given nothing but the tree: no file, no environment.
func load(p *problems, path, project, name string, tree map[string]any) (service types.ServiceConfig, ok bool) {
	defer func() { // a malformed document must never stop the hub
		if r := recover(); r != nil {
			p.invalid(path, "can't be read: %v", r)
			service, ok = types.ServiceConfig{}, false
		}
	}()
	config := types.ConfigDetails{
		WorkingDir:  "/",
		Environment: types.Mapping{},
		ConfigFiles: []types.ConfigFile{{
			Filename: "compose.yaml",
			Config:   map[string]any{"name": project, "services": map[string]any{name: tree}},
		}},
	}
	loaded, err := loader.LoadWithContext(context.Background(), config, closed(project))
	if err != nil {
		delete(tree, "name") // which the library has put there
		if !checkShape(p, path, name, tree) {
			at, message := splitPath(err.Error(), path)
			p.invalid(at, "%s", message)
		}
		return types.ServiceConfig{}, false
	}
	service, ok = loaded.Services[name]
	if !ok {
		p.invalid(path, "can't be read")
	}
	return service, ok
}

// closed keeps the library from looking at anything outside the document.
func closed(project string) func(*loader.Options) {
	return func(o *loader.Options) {
		o.SetProjectName(project, true)
		o.SkipInterpolation = true
		o.SkipInclude = true
		o.SkipExtends = true
		o.SkipNormalization = true
		o.SkipConsistencyCheck = true
		o.SkipResolveEnvironment = true
		o.SkipResolveLabels = true
		o.ResolvePaths = false
	}
}
