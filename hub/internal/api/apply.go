package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

type applyBody struct {
	_        struct{}          `additionalProperties:"false"`
	Document string            `json:"document" minLength:"1" doc:"The canonical Compose document, YAML or JSON"`
	DryRun   bool              `json:"dryRun,omitempty" doc:"Plan, and change nothing"`
	Prune    bool              `json:"prune,omitempty" doc:"Remove the project's services that the document lacks"`
	Secrets  map[string]string `json:"secrets,omitempty" doc:"Values of secrets that the document names, by their names, in base64: those that its author has in files or in the environment. They aren't kept with the document"`
}

type applyInput struct {
	Caller
	Project string `path:"project"`
	Body    applyBody
}

func (a *API) routeApply() {
	op := operation(fleet.RoleOperator, http.MethodPost, "/v1/projects/{project}/apply", "apply", "projects", "Apply a Compose document to a project")
	op.MaxBodyBytes, op.BodyReadTimeout = a.limits.ApplyBytes, a.limits.RequestTime
	register(a, op, a.apply)
}

func (a *API) apply(ctx context.Context, in *applyInput) (*resultOutput, error) {
	if err := fleet.ValidateProject(in.Project); err != nil {
		return nil, err
	}
	project, services, warnings, err := a.options.Map([]byte(in.Body.Document))
	if err != nil {
		return nil, err
	}
	if project != in.Project {
		return nil, fleet.Invalid("name", "the document is of the project %q, not %q", project, in.Project).
			WithHint("set the project's name when the document is resolved, or apply it to %s", project)
	}
	secrets, err := a.sealAll(project, in.Body.Secrets)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(services, func(x, y fleet.Service) int {
		switch {
		case x.Key.Less(y.Key):
			return -1
		case y.Key.Less(x.Key):
			return 1
		}
		return 0
	})
	return a.do(ctx, &in.Caller, fleet.Command{
		Do:       fleet.DoApply,
		Project:  project,
		Services: services,
		Document: in.Body.Document,
		Warnings: warnings,
		DryRun:   in.Body.DryRun,
		Prune:    in.Body.Prune,
		Secrets:  secrets,
	}, false)
}
