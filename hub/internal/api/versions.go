package api

import (
	"context"
	"net/http"

	"github.com/musterhq/muster/shared/fleet"
)

func (a *API) routeVersions() {
	register(a, operation(fleet.RoleViewer, http.MethodGet, servicePath+"/versions", "list-versions", "services", "List the kept versions of a service, the newest first"), a.listVersions)
	register(a, operation(fleet.RoleViewer, http.MethodGet, servicePath+"/versions/{number}", "get-version", "services", "Show one kept version of a service in full"), a.getVersion)
	register(a, operation(fleet.RoleViewer, http.MethodGet, servicePath+"/diff", "diff-versions", "services", "Compare two kept versions of a service"), a.diffVersions)
	rollback := operation(fleet.RoleOperator, http.MethodPost, servicePath+"/rollback", "rollback", "services", "Go back to an older version")
	rollback.MaxBodyBytes, rollback.BodyReadTimeout = a.limits.OrderBytes, a.limits.RequestTime
	register(a, rollback, func(ctx context.Context, in *rollbackInput) (*resultOutput, error) {
		cmd := fleet.Command{Do: fleet.DoRollback}
		if in.Body != nil {
			cmd.Version = in.Body.Version
		}
		return a.orderService(ctx, &in.ServiceOrder, cmd)
	})
}

type rollbackInput struct {
	ServiceOrder
	Body *struct {
		_       struct{} `additionalProperties:"false"`
		Version int      `json:"version,omitempty" minimum:"0" doc:"One that is kept; 0: the one before the current one"`
	}
}

func (a *API) listVersions(ctx context.Context, in *serviceInput) (*listOutput[fleet.VersionView], error) {
	key, err := serviceKey(in.Project, in.Service)
	if err != nil {
		return nil, err
	}
	found := false
	out, err := list(ctx, a, func(view View) (versions []fleet.VersionView) {
		versions, found = view.Versions(key)
		return versions
	})
	if err == nil && !found {
		return nil, noService(key)
	}
	return out, err
}

type versionInput struct {
	Project string `path:"project"`
	Service string `path:"service"`
	Number  int    `path:"number" minimum:"1"`
}

type oneVersionOutput struct {
	Body fleet.VersionView
}

func (a *API) getVersion(ctx context.Context, in *versionInput) (*oneVersionOutput, error) {
	key, err := serviceKey(in.Project, in.Service)
	if err != nil {
		return nil, err
	}
	out := &oneVersionOutput{}
	var known, found bool
	err = a.read(ctx, func(view View) {
		_, known = view.Service(key)
		out.Body, found = view.Version(key, in.Number)
	})
	switch {
	case err != nil:
		return nil, err
	case !known:
		return nil, noService(key)
	case !found:
		return nil, noVersion(key, in.Number)
	}
	return out, nil
}

func noVersion(key fleet.ServiceKey, number int) error {
	return fleet.NotFound("version %d of %s isn't kept", number, key).WithHint("muster versions %s lists those that are", key)
}

type diffInput struct {
	Project string `path:"project"`
	Service string `path:"service"`
	From    int    `query:"from" minimum:"0" doc:"0: the one kept before To"`
	To      int    `query:"to" minimum:"0" doc:"0: the current one"`
}

// Difference is how one version of a service differs from another.
type Difference struct {
	From   int                 `json:"from"`
	To     int                 `json:"to"`
	Fields []fleet.FieldChange `json:"fields" nullable:"false" doc:"Sorted by path; values of environment variables are not shown"`
}

type diffOutput struct {
	Body Difference
}

func (a *API) diffVersions(ctx context.Context, in *diffInput) (*diffOutput, error) {
	key, err := serviceKey(in.Project, in.Service)
	if err != nil {
		return nil, err
	}
	out := &diffOutput{}
	var problem error
	err = a.read(ctx, func(view View) {
		versions, found := view.Versions(key)
		if !found {
			problem = noService(key)
			return
		}
		d := &out.Body
		if d.From, d.To, problem = between(key, versions, in.From, in.To); problem == nil {
			d.Fields, problem = view.Diff(key, d.From, d.To)
		}
	})
	if err != nil {
		return nil, err
	}
	if problem != nil {
		return nil, problem
	}
	if out.Body.Fields == nil {
		out.Body.Fields = []fleet.FieldChange{}
	}
	return out, nil
}

// between fills in the versions that weren't named. Versions are sorted, the
// newest first.
func between(key fleet.ServiceKey, versions []fleet.VersionView, from, to int) (int, int, error) {
	for _, v := range versions {
		if to == 0 && v.Current {
			to = v.Number
		}
	}
	for _, v := range versions {
		if from == 0 && v.Number < to {
			from = v.Number
		}
	}
	if from == 0 {
		return 0, 0, fleet.NotFound("no version of %s before %d is kept", key, to).
			WithHint("name the two that you want to compare; muster versions %s lists them", key)
	}
	return from, to, nil
}
